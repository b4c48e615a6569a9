"""Data sets: JSONL files of prompts and answers, with what each row is for.

A row is {"prompt": "…", "response": "…"}; "messages" may stand instead of "prompt", "chosen" and "rejected" beside
or instead of "response". "kind" is harmful, benign or domain; where it is missing, a row with "rejected" is harmful and
any other is domain. "split" is train, validation or test.
"""
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from .problem import Problem

KINDS = ("harmful", "benign", "domain")
SPLITS = ("train", "validation", "test")
TEST = re.compile(r"(^|[^a-z])test([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One line of a data set. response is what the model should say, rejected what it should not (harmful rows)."""

    prompt: object  # a finished text, or a list of chat messages
    response: str
    rejected: str = None
    kind: str = "domain"
    split: str = None


@dataclass(frozen=True)
class DataSet:
    name: str
    sha256: str
    rows: tuple

    def of(self, *kinds):
        return [row for row in self.rows if row.kind in kinds]


def row_of(value, where):
    """A row from one decoded line; `where` names the line in errors."""
    if not isinstance(value, dict):
        raise Problem(f"{where}: expected an object, found {type(value).__name__}")
    prompt = value.get("prompt", value.get("messages"))
    if not isinstance(prompt, (str, list)) or not prompt:
        raise Problem(f"{where}: expected 'prompt', a text, or 'messages', a list; found {prompt!r}")
    if "chosen" in value and "rejected" not in value:
        raise Problem(f"{where}: 'chosen' without 'rejected'; give both")
    response, rejected = value.get("response", value.get("chosen")), value.get("rejected")
    if not isinstance(response, str) or not response:
        raise Problem(f"{where}: expected 'response' or 'chosen', a text that is not empty; found {response!r}")
    if rejected is not None and (not isinstance(rejected, str) or not rejected):
        raise Problem(f"{where}: expected 'rejected', a text that is not empty; found {rejected!r}")
    kind = value.get("kind", "harmful" if rejected else "domain")
    if kind not in KINDS:
        raise Problem(f"{where}: expected kind {', '.join(KINDS)}; found {kind!r}")
    split = value.get("split")
    if split is not None and split not in SPLITS:
        raise Problem(f"{where}: expected split {', '.join(SPLITS)}; found {split!r}")
    return Row(prompt, response, rejected, kind, split)


def read(entry, refuse_test):
    """The data set of {"name", "path", "sha256"}: the digest is checked before a line is read.

    With refuse_test, a set whose name or any line says test is a Problem: nothing is tuned or learned on it."""
    name, path = entry["name"], Path(entry["path"])
    if refuse_test and TEST.search(name):
        raise Problem(f"data {name}: its name says test; learning and tuning take training or validation data only")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Problem(f"data {name}: cannot read {path}: {error.strerror}") from None
    digest = hashlib.sha256(raw).hexdigest()
    if entry.get("sha256", digest) != digest:
        raise Problem(f"data {name}: expected sha256 {entry['sha256']}, found {digest}; the file changed, name it anew")
    rows = []
    for number, line in enumerate(raw.decode("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        where = f"data {name}, line {number}"
        try:
            row = row_of(json.loads(line), where)
        except json.JSONDecodeError as error:
            raise Problem(f"{where}: not JSON: {error}") from None
        if refuse_test and row.split == "test":
            raise Problem(f"{where}: marked test; learning and tuning take training or validation data only")
        rows.append(row)
    if not rows:
        raise Problem(f"data {name}: no rows in {path}")
    return DataSet(name, digest, tuple(rows))


def entries(value, where):
    """The checked list of data entries of a job or of an evaluator's first message."""
    if not isinstance(value, list) or not value:
        raise Problem(f"{where}: expected 'data', a list of {{name, path, sha256}}; found {value!r}")
    seen = set()
    for entry in value:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(k), str) for k in ("name", "path")):
            raise Problem(f"{where}: expected data entries of name, path and sha256; found {entry!r}")
        if entry["name"] in seen:
            raise Problem(f"{where}: two data sets are named {entry['name']}")
        seen.add(entry["name"])
    return value


def write(path, rows):
    """Writes dictionaries as JSONL and gives the SHA-256 of the file."""
    raw = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    Path(path).write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()
