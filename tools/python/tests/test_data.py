"""Data sets are read as they are, and test data is refused where something is tuned or learned."""
import hashlib
import json
import tempfile
import unittest
from pathlib import Path

from stemma_learn import data
from stemma_learn.problem import Problem


class DataTests(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def entry(self, *rows, name="safety", **more):
        path = Path(self.folder.name) / f"{name}.jsonl"
        digest = data.write(path, rows)
        return {"name": name, "path": str(path), "sha256": digest, **more}

    def refused(self, entry, *words, refuse_test=True):
        with self.assertRaises(Problem) as found:
            data.read(entry, refuse_test)
        for word in words:
            self.assertIn(word, str(found.exception))

    def test_a_preference_pair_is_harmful_and_chosen_is_its_response(self):
        rows = data.read(self.entry({"prompt": "p", "chosen": "no", "rejected": "yes"}), True).rows
        self.assertEqual(rows, (data.Row("p", "no", "yes", "harmful", None),))

    def test_a_plain_row_is_domain_and_a_kind_that_is_given_stands(self):
        rows = {"prompt": "p", "response": "r"}, {"prompt": "q", "response": "r", "kind": "benign"}
        found = data.read(self.entry(*rows), True)
        self.assertEqual([r.kind for r in found.rows], ["domain", "benign"])
        self.assertEqual(len(found.of("benign")), 1)

    def test_the_digest_is_that_of_the_bytes_and_another_is_refused(self):
        entry = self.entry({"prompt": "p", "response": "r"})
        self.assertEqual(entry["sha256"], hashlib.sha256(Path(entry["path"]).read_bytes()).hexdigest())
        self.refused({**entry, "sha256": "0" * 64}, "expected sha256", entry["sha256"])

    def test_a_set_that_is_named_test_is_refused_but_words_that_contain_test_are_not(self):
        row = {"prompt": "p", "response": "r"}
        for name in ("test", "safety-test", "safety_TEST_2", "test.safety"):
            self.refused(self.entry(row, name=name), "test")
        for name in ("latest", "attested", "contest"):
            self.assertEqual(len(data.read(self.entry(row, name=name), True).rows), 1)
        self.assertEqual(len(data.read(self.entry(row, name="test"), False).rows), 1)

    def test_one_line_that_is_marked_test_refuses_the_set_and_is_named(self):
        row = {"prompt": "p", "response": "r", "split": "train"}
        self.refused(self.entry(row, {**row, "split": "test"}), "line 2", "test")

    def test_what_is_wrong_with_a_line_is_said(self):
        for row, word in (({"response": "r"}, "prompt"), ({"prompt": "p"}, "response"), ([1], "object"),
                          ({"prompt": "p", "chosen": "c"}, "rejected"),
                          ({"prompt": "p", "response": "r", "kind": "x"}, "kind"),
                          ({"prompt": "p", "response": "r", "split": "dev"}, "split")):
            self.refused(self.entry(row), "line 1", word)

    def test_a_file_that_is_not_json_or_not_there_or_empty_is_refused(self):
        entry = self.entry({"prompt": "p", "response": "r"})
        Path(entry["path"]).write_text("{\n")
        del entry["sha256"]
        self.refused(entry, "line 1", "not JSON")
        Path(entry["path"]).write_text("\n")
        self.refused(entry, "no rows")
        self.refused({"name": "gone", "path": "/nonexistent/file"}, "cannot read")

    def test_two_sets_of_one_name_are_refused(self):
        with self.assertRaisesRegex(Problem, "two data sets"):
            data.entries([{"name": "a", "path": "x"}, {"name": "a", "path": "y"}], "job")

    def test_messages_are_kept_as_a_list(self):
        talk = [{"role": "user", "content": "hello"}]
        self.assertEqual(data.read(self.entry({"messages": talk, "response": "r"}), True).rows[0].prompt, talk)

    def test_text_outside_ascii_comes_back(self):
        entry = self.entry({"prompt": "Grüße – ☃", "response": "r"})
        self.assertEqual(data.read(entry, True).rows[0].prompt, "Grüße – ☃")
        self.assertIn("☃", Path(entry["path"]).read_text())
        self.assertEqual(json.loads(Path(entry["path"]).read_text())["response"], "r")


if __name__ == "__main__":
    unittest.main()
