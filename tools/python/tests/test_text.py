"""Refusals, questions, copies and guards."""
import shlex
import sys
import unittest

from stemma_learn import refusals, text
from stemma_learn.problem import Problem


class RefusalTests(unittest.TestCase):
    def test_a_refusal_is_known_by_how_it_begins(self):
        for answer in ("I can't help with that.", "I can\u2019t help", "  sorry, no", "\"I'm sorry", "As an AI, I"):
            self.assertTrue(refusals.is_refusal(answer), answer)
        for answer in ("First take a rope.", "Do not be sorry", "", "I can help"):
            self.assertFalse(refusals.is_refusal(answer), answer)

    def test_the_list_of_phrases_is_the_caller_s(self):
        self.assertTrue(refusals.is_refusal("Nope, never", ("nope",)))
        self.assertFalse(refusals.is_refusal("Sorry", ("nope",)))


class QuestionTests(unittest.TestCase):
    def test_json_is_found_among_other_words(self):
        part = {"parse": "question"}
        self.assertEqual(text.question_of('Sure! {"question": "How  so?"} Done.', part), "How so?")
        self.assertEqual(text.question_of('{ not json {"question": "Q?"}', part), "Q?")
        for bad in ("no object", '{"question": 3}', '{"other": "x"}', '{"question": " "}'):
            self.assertIsNone(text.question_of(bad, part), bad)

    def test_plain_text_ends_at_the_stop_and_must_fit(self):
        part = {"stop": "<assistant>", "starts": "how", "ends": "?"}
        self.assertEqual(text.question_of("how do i ? <assistant> first", part), "how do i ?")
        for bad in ("how do i ?", "why ? <assistant>", "how . <assistant>", "<assistant>"):
            self.assertIsNone(text.question_of(bad, part), bad)

    def test_prompts_are_filled_and_their_braces_stay(self):
        self.assertEqual(text.filled('{topic} as {"a": 1}', {"topic": "war"}), 'war as {"a": 1}')
        self.assertEqual(text.prompt_of({"messages": [{"role": "user", "content": "{q}?"}]}, {"q": "x"}),
                         [{"role": "user", "content": "x?"}])

    def test_copies_differ_in_case_and_punctuation_only(self):
        seen = text.Distinct(["An example?"])
        found = [seen.new(t) for t in ("How, so?", "how so", "an EXAMPLE", "How now?")]
        self.assertEqual(found, [True, False, False, True])


class GuardTests(unittest.TestCase):
    def program(self, code):
        guard = text.ProgramGuard(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}")
        self.addCleanup(guard.process.stdout.close)
        return guard

    def test_a_program_judges_line_by_line(self):
        guard = self.program("import sys, json\nfor l in sys.stdin:\n"
                             "  print(json.dumps({'safe': json.loads(l)['response'] == 'no'}), flush=True)")
        self.assertEqual(guard.safe([("q", "no"), ("q", "yes"), ("q", "no")]), [True, False, True])
        guard.close()

    def test_a_program_that_says_anything_else_is_an_error(self):
        guard = self.program("print('maybe', flush=True); input()")
        with self.assertRaisesRegex(Problem, "maybe"):
            guard.safe([("q", "a")])
        guard.close()

    def test_a_program_that_is_not_there_is_an_error(self):
        with self.assertRaisesRegex(Problem, "cannot be started"):
            text.ProgramGuard("/nonexistent/guard")

    def test_without_a_program_refusals_are_safe(self):
        self.assertEqual(text.RefusalGuard(("sorry",)).safe([("q", "Sorry."), ("q", "First")]), [True, False])


if __name__ == "__main__":
    unittest.main()
