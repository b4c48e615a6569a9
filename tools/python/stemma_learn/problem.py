"""How the three programs fail: one line that says what, where, expected, found and what to do."""
import json
import sys


class Problem(Exception):
    """A fault of the input; its text is the whole message."""


def one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def exit_with(run):
    """Runs a program; a Problem is one line on stderr and exit status 2, anything else is a fault of its own (1)."""
    try:
        run()
    except Problem as error:
        print(one_line(error), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:  # the protocol wants the reason in the last line, whatever it was
        print(f"{type(error).__name__}: {one_line(error)}", file=sys.stderr)
        sys.exit(1)


def say(value, to=None):
    """One JSON line, at once."""
    print(json.dumps(value, ensure_ascii=False), file=to or sys.stdout, flush=True)
