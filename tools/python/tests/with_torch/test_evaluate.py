"""The evaluator: its numbers, its protocol, and weights that change in place. Needs torch."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import torch

import tiny
from stemma_learn import data, evaluate, models


class EvaluateTests(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.root = Path(kept.name)
        self.folder = tiny.save(tiny.moved(tiny.model(), 3, 0.4), self.root / "model")
        self.first = {"version": 1, "data": []}
        for name, kinds in (("safety", ("harmful", "benign")), ("domain", ("domain",))):
            path = self.root / f"{name}.jsonl"
            sha = data.write(path, [r for r in tiny.ROWS if r["kind"] in kinds])
            self.first["data"].append({"name": name, "path": str(path), "sha256": sha})

    def evaluator(self, **more):
        made = evaluate.Evaluator(**more)
        self.assertTrue(made.answer(json.dumps(self.first))["ready"])
        return made

    def ask(self, evaluator, **request):
        return evaluator.answer(json.dumps({"model": self.folder, **request}))

    def test_the_loss_is_the_mean_over_rows_of_the_mean_over_answer_tokens(self):
        found = self.ask(self.evaluator(), data=["safety"])["losses"]["safety"]
        model, tokenizer = models.load(self.folder)
        rows = []
        for row in tiny.ROWS[:3]:
            prompt, answer = tokenizer.encode(row["prompt"]), tokenizer.encode(row["response"]) + [2]
            said = model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
            rows.append(-sum(said[len(prompt) - 1 + i, t].item() for i, t in enumerate(answer)) / len(answer))
        self.assertAlmostEqual(found, sum(rows) / 3, places=5)

    def test_exact_answers_are_those_greedy_decoding_gives(self):
        evaluator = self.evaluator()
        evaluator.loaded.read(self.folder)
        prompts = [row["prompt"] for row in tiny.ROWS]
        answers = evaluate.greedy(evaluator.loaded, prompts, 8)
        wrong = [a + " rope" if a.split()[-1:] != ["rope"] else a + " 1" for a in answers]
        # An answer that was cut off has no end yet, so only those that ended are theirs word for word.
        ended = [len(a.split()) < 7 for a in answers]
        _, exact = evaluate.likelihood(evaluator.loaded, list(zip(prompts, answers)))
        self.assertTrue(all(e for e, done in zip(exact, ended) if done))
        _, exact = evaluate.likelihood(evaluator.loaded, list(zip(prompts, wrong)))
        self.assertFalse(any(e for e, done in zip(exact, ended) if done))

    def test_every_rate_has_its_count(self):
        found = self.ask(self.evaluator())
        counts = {name: m["n"] for name, m in found["metrics"].items()}
        self.assertEqual(counts, {"refusal_rate": 2, "harm_given_rate": 2, "over_refusal_rate": 1, "help_accuracy": 1,
                                  "accuracy": 1})
        self.assertTrue(all(m["value"] == m["hits"] / m["n"] for m in found["metrics"].values()))
        self.assertEqual(set(found["losses"]), {"safety", "domain"})

    def test_the_caller_s_phrases_decide_what_a_refusal_is(self):
        everything = [w for w in tiny.WORDS] + ["<"]
        found = self.ask(self.evaluator(prefixes=tuple(everything)), data=["safety"])["metrics"]
        self.assertEqual(found["refusal_rate"]["hits"], 2)
        found = self.ask(self.evaluator(prefixes=("never said",)), data=["safety"])["metrics"]
        self.assertEqual(found["refusal_rate"]["hits"], 0)

    def test_a_folder_that_is_rewritten_in_place_is_read_anew_without_a_new_model(self):
        evaluator = self.evaluator()
        one = self.ask(evaluator)["losses"]
        kept = evaluator.loaded.model
        tiny.save(tiny.moved(tiny.model(), 4, 0.4), self.folder)
        two = self.ask(evaluator)["losses"]
        self.assertIs(evaluator.loaded.model, kept)
        self.assertNotEqual(one, two)
        self.assertEqual(two, self.ask(self.evaluator())["losses"])

    def test_an_error_is_one_line_and_the_program_goes_on(self):
        evaluator = self.evaluator()
        for text, word in (("{", "JSON"), ("[]", "object"), ("{}", "model"),
                           ('{"model": "/nonexistent"}', "config.json"),
                           (json.dumps({"model": self.folder, "data": ["x"]}), "unknown data set x")):
            error = evaluator.answer(text)["error"]
            self.assertIn(word, error)
            self.assertNotIn("\n", error)
        self.assertIn("losses", self.ask(evaluator))

    def test_the_program_speaks_lines_and_ends_with_its_input(self):
        asked = [self.first, {"model": self.folder}, {"model": "nowhere"}, {"model": self.folder, "data": ["domain"]}]
        ran = subprocess.run(
            [sys.executable, "-m", "stemma_learn.evaluate", "--threads", "1"], text=True, capture_output=True,
            input="".join(json.dumps(a) + "\n" for a in asked))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        self.assertEqual([sorted(line)[0] for line in lines], ["program", "losses", "error", "losses"])
        self.assertEqual(lines[0]["program"], "stemma-evaluate")

    def test_data_that_changed_is_refused(self):
        self.first["data"][0]["sha256"] = "0" * 64
        self.assertIn("expected sha256", evaluate.Evaluator().answer(json.dumps(self.first))["error"])


if __name__ == "__main__":
    unittest.main()
