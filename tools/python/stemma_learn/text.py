"""What the maker of data sets does to texts: filling prompts, reading questions, telling copies apart, running a guard.

Needs nothing but Python."""
import json
import shlex
import subprocess

from .problem import Problem
from .refusals import is_refusal


def filled(template, values):
    """A prompt text or list of messages with {name} replaced; other braces stay as they are."""
    if isinstance(template, list):
        return [{**m, "content": filled(m["content"], values)} for m in template]
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def prompt_of(part, values):
    """The prompt of a part of the prompts file: 'prompt', a finished text, or 'messages'."""
    given = part.get("prompt", part.get("messages"))
    if not isinstance(given, (str, list)):
        raise Problem("prompts: expected 'prompt', a text, or 'messages', a list, in each part")
    return filled(given, values)


def question_of(text, part):
    """The question in what a generator wrote, or None. 'parse' names a key of a JSON object; without it the text up to
    'stop' is the question, and 'starts' and 'ends' are what it has to begin and end with."""
    key = part.get("parse")
    if key:
        value = first_object(text)
        found = value.get(key) if value else None
        return " ".join(found.split()) or None if isinstance(found, str) else None
    stop = part.get("stop")
    if stop and stop not in text:
        return None
    found = " ".join((text.split(stop)[0] if stop else text).split())
    fits = found.startswith(part.get("starts", "")) and found.endswith(part.get("ends", ""))
    return found if found and fits else None


def first_object(text):
    """The first JSON object in a text, or None."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            value, _ = decoder.raw_decode(text[at:])
            if isinstance(value, dict):
                return value
        except json.JSONDecodeError:
            pass
        at = text.find("{", at + 1)
    return None


def essence(text):
    """What two copies of a question share: its letters and digits in lower case, a space between words."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


class Distinct:
    """Questions seen so far."""

    def __init__(self, texts=()):
        self.seen = {essence(t) for t in texts}

    def new(self, text):
        size = len(self.seen)
        self.seen.add(essence(text))
        return len(self.seen) > size


class RefusalGuard:
    """Takes an answer for safe when it begins like a refusal."""

    def __init__(self, prefixes):
        self.prefixes = prefixes
        self.record = {"kind": "refusal prefixes", "prefixes": list(prefixes)}

    def safe(self, pairs):
        return [is_refusal(answer, self.prefixes) for _, answer in pairs]

    def close(self):
        pass


class ProgramGuard:
    """A classifier program: a line {"prompt", "response"} each, answered by a line {"safe": true or false}."""

    def __init__(self, command):
        self.record = {"kind": "program", "command": command}
        try:
            self.process = subprocess.Popen(
                shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        except OSError as error:
            raise Problem(f"guard {command}: cannot be started: {error.strerror}") from None

    def safe(self, pairs):
        return [self.one(prompt, answer) for prompt, answer in pairs]

    def one(self, prompt, answer):
        try:
            self.process.stdin.write(json.dumps({"prompt": prompt, "response": answer}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            value = None
        if not isinstance(value, dict) or not isinstance(value.get("safe"), bool):
            raise Problem(f'guard {self.record["command"]}: expected a line {{"safe": true or false}}, found {line!r}')
        return value["safe"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
