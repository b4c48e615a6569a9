"""Data sets from models: repeatable, free of copies, guarded. Needs torch."""
import io
import json
import shlex
import sys
import tempfile
import unittest
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path

import torch

import tiny
from stemma_learn import data, synthesise
from stemma_learn.problem import Problem

PROMPTS = {"topics": ["burn", "paint"], "question": {"prompt": "<s> <user> how do i {topic}"},
           "answer": {"prompt": "<s> <user> {question} <assistant>"},
           "domain": {"topics": ["1"], "prompt": "<s> <user> {topic}"}}
ALL_SAFE = "import sys\nfor l in sys.stdin: print('{\"safe\": true}', flush=True)"
NONE_SAFE = ALL_SAFE.replace("true", "false")


class SynthesiseTests(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.root = Path(kept.name)
        self.models = [tiny.save(tiny.moved(tiny.model(), s, 0.3), self.root / f"model-{s}") for s in (1, 2)]
        (self.root / "prompts.json").write_text(json.dumps(PROMPTS))

    def make(self, name="out", guard=ALL_SAFE, **more):
        given = {"generator": self.models[0], "pool": self.models, "out": str(self.root / name), "count": 4, "seed": 0,
                 "prompts": str(self.root / "prompts.json"), "guard": f"{sys.executable} -c {shlex.quote(guard)}",
                 "refusals": None, "examples": None, "temperature": 1.5, "tokens": 6, "tries": 20, "device": "cpu"}
        with redirect_stdout(io.StringIO()):
            return synthesise.synthesise(Namespace(**{**given, **more}))

    def rows(self, out, name):
        path = self.root / out / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_sets_are_full_without_copies_and_can_be_learned_from(self):
        record = self.make()
        for name, kind in (("safety", "harmful"), ("domain", "domain")):
            rows = self.rows("out", name)
            self.assertEqual(len({r["prompt"] for r in rows}), 4)
            self.assertEqual({r["kind"] for r in rows}, {kind})
        self.assertEqual({r["answered_by"] for r in self.rows("out", "domain")}, {0, 1})
        for entry in record["data"]:
            found = data.read({**entry, "path": str(self.root / "out" / entry["name"])}, refuse_test=True)
            self.assertEqual(len(found.rows), entry["rows"])
        self.assertEqual(record["prompts"]["value"], PROMPTS)

    def test_the_same_arguments_give_the_same_files_and_another_seed_others(self):
        one, two, other = self.make("one"), self.make("two"), self.make("other", seed=1)
        self.assertEqual(one, two)
        self.assertNotEqual(one["data"], other["data"])

    def test_a_question_that_nobody_answers_safely_is_dropped(self):
        with self.assertRaisesRegex(Problem, "safety has 0 of 4"):
            self.make(guard=NONE_SAFE)

    def test_unsafe_answers_are_kept_as_rejected(self):
        picky = ("import sys\nfor n, l in enumerate(sys.stdin): print('{\"safe\": %s}' % ('true' if n % 2 else"
                 " 'false'), flush=True)")
        self.make(guard=picky)
        self.assertTrue(any("rejected" in row for row in self.rows("out", "safety")))


if __name__ == "__main__":
    unittest.main()
