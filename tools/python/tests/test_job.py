"""A learner's job is checked before anything is loaded."""
import json
import unittest

from stemma_learn import job
from stemma_learn.problem import Problem

GOOD = {"version": 1, "aligned": "a", "tuned": ["x", "y"], "out": "o",
        "data": [{"name": "s", "path": "p", "sha256": "h"}]}


def parse(**more):
    return job.parse(json.dumps({**GOOD, **more}))


class JobTests(unittest.TestCase):
    def refused(self, *words, **more):
        with self.assertRaises(Problem) as found:
            parse(**more)
        for word in words:
            self.assertIn(word, str(found.exception))

    def test_what_is_not_given_is_the_paper_s(self):
        found = parse()
        chosen = (found.space, found.loss, found.reference, found.rule)
        self.assertEqual(chosen, ("weight", "dpo", "aligned", "bernoulli"))
        self.assertEqual((found.hyper["temperature"], found.hyper["init"], found.hyper["beta"]), (0.5, 0.0, 0.1))
        self.assertEqual(found.hyper["kl"], 0.0)
        self.assertEqual(parse(loss="refusal").hyper["kl"], 0.5)

    def test_one_weight_serves_all_models_or_each_has_its_own(self):
        self.assertEqual(job.lambdas(parse(hyper={"lambda": 0.4})), [0.4, 0.4])
        self.assertEqual(job.lambdas(parse(hyper={"lambda": [0.4, 1]})), [0.4, 1])
        self.refused("hyper.lambda", hyper={"lambda": [1]})

    def test_unknown_words_are_refused_by_name(self):
        self.refused("lernrate", hyper={"lernrate": 1})
        self.refused("unknown key alinged", alinged="a")
        self.refused("space", "layer", space="layer")
        self.refused("hyper.anchor", hyper={"anchor": "base"})

    def test_another_version_is_refused(self):
        self.refused("version 1", "2", version=2)

    def test_numbers_that_make_no_sense_are_refused(self):
        for name, value in (("steps", 0), ("lr", -1), ("temperature", 0), ("batch", "many"), ("init", None)):
            self.refused(f"hyper.{name}", hyper={name: value})

    def test_text_that_is_not_a_job_is_refused(self):
        for text, word in (("", "JSON"), ("[]", "object"), ("{}", "version")):
            with self.assertRaisesRegex(Problem, word):
                job.parse(text)

    def test_identity_knows_models_data_and_settings_but_not_paths_or_threads(self):
        one = parse().identity(["m"], ["d"])
        self.assertEqual(one, parse(out="elsewhere", aligned="b", hyper={"threads": 3}).identity(["m"], ["d"]))
        for other in (parse(seed=1).identity(["m"], ["d"]), parse().identity(["n"], ["d"]),
                      parse().identity(["m"], ["e"]), parse(hyper={"steps": 7}).identity(["m"], ["d"])):
            self.assertNotEqual(one, other)


if __name__ == "__main__":
    unittest.main()
