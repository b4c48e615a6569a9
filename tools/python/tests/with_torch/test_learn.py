"""The learner: its arithmetic, its repeatability, and what it refuses. Needs torch."""
import io
import json
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import load_file

import tiny
from stemma_learn import data, job as jobs, learn, models, philox, spaces
from stemma_learn.problem import Problem


class LearnTests(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.root = Path(kept.name)
        self.aligned = tiny.save(tiny.model(), self.root / "aligned")
        self.tuned = [tiny.save(tiny.moved(tiny.model(), seed), self.root / f"tuned-{seed}") for seed in (1, 2)]
        self.path = self.root / "safety.jsonl"
        self.sha = data.write(self.path, tiny.ROWS)

    def job(self, name="out", hyper=(), **more):
        value = {"version": 1, "aligned": self.aligned, "tuned": self.tuned, "out": str(self.root / name),
                 "loss": "refusal", "rule": "threshold",
                 "data": [{"name": "safety", "path": str(self.path), "sha256": self.sha}],
                 "hyper": {"steps": 6, "batch": 2, "lr": 0.3, "init": 1.0, "lambda": 0.5, **dict(hyper)}, **more}
        return jobs.parse(json.dumps(value))

    def learn(self, *given, **more):
        said = io.StringIO()
        with redirect_stdout(said):
            record = learn.learn(self.job(*given, **more))
        return record, [json.loads(line) for line in said.getvalue().splitlines()]

    def bits(self, name="out"):
        return load_file(self.root / name / "bits.safetensors")

    def test_every_step_is_reported_and_the_loss_goes_down(self):
        record, lines = self.learn(hyper={"steps": 30})
        self.assertEqual([line["step"] for line in lines], list(range(1, 31)))
        self.assertLess(sum(record["loss"][-5:]), sum(record["loss"][:5]))
        shapes = {n: t.shape for n, t in models.tensors(self.aligned)}
        self.assertEqual({n: b.shape for n, b in self.bits().items()}, shapes)
        self.assertTrue(all(b.dtype == torch.bool for b in self.bits().values()))
        logits = load_file(self.root / "out" / "logits.safetensors")
        self.assertTrue(all(torch.equal(self.bits()[n], x > 0) for n, x in logits.items()))
        self.assertFalse((self.root / "out" / "state.safetensors").exists())

    def test_a_job_that_was_stopped_gives_what_an_unbroken_one_gives(self):
        for loss, more in (("refusal", {}), ("dpo", {"reference": "half_masked"})):
            self.learn(f"whole-{loss}", loss=loss, **more)

            calls = []
            original = learn.Objective.loss

            def stopping(objective, forward, step):
                calls.append(step)
                if len(calls) == 4:
                    raise KeyboardInterrupt
                return original(objective, forward, step)

            with mock.patch.object(learn.Objective, "loss", stopping), self.assertRaises(KeyboardInterrupt):
                self.learn(f"broken-{loss}", hyper={"save_seconds": 0}, loss=loss, **more)
            _, lines = self.learn(f"broken-{loss}", hyper={"save_seconds": 0}, loss=loss, **more)
            self.assertEqual([line["step"] for line in lines], [4, 5, 6])
            one, two = (load_file(self.root / f"{n}-{loss}" / "logits.safetensors") for n in ("whole", "broken"))
            self.assertTrue(all(torch.equal(one[n], two[n]) for n in one), loss)

    def test_the_state_of_another_job_is_refused(self):
        with mock.patch.object(learn, "bits", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            self.learn(hyper={"save_seconds": 0})
        with self.assertRaisesRegex(Problem, "another job"):
            self.learn(hyper={"save_seconds": 0}, seed=3)

    def test_bernoulli_bits_follow_the_counter_and_the_odds(self):
        x = {"a": torch.full((40, 50), 0.0), "b": torch.full((2000,), 2.0)}
        drawn = learn.bits(x, "bernoulli", 5)
        word = philox.words(philox.key(5, "mask", "a"), (1, 0, 0, 0))[2]  # element 6 is lane 2 of counter 1
        self.assertEqual(bool(drawn["a"].flatten()[6]), word / 2**32 < 0.5)
        self.assertAlmostEqual(drawn["a"].float().mean().item(), 0.5, delta=0.05)
        self.assertAlmostEqual(drawn["b"].float().mean().item(), 0.88, delta=0.04)
        self.assertFalse(torch.equal(drawn["a"], learn.bits(x, "bernoulli", 6)["a"]))

    def test_words_in_bulk_are_the_plain_ones(self):
        key = philox.key(7, "mask", "w")
        plain = [w for c in range(4) for w in philox.words(key, (c, 0, 0, 0))]
        self.assertEqual(philox.fill(key, 13).tolist(), plain[:13])

    def test_a_mask_that_keeps_nothing_is_an_error(self):
        with self.assertRaisesRegex(Problem, "tensor a.*nothing"):
            learn.bits({"a": torch.zeros(3)}, "threshold", 0)

    def test_a_full_mask_is_the_plain_merge_and_a_mask_keeps_the_mean_of_the_mask_at_one(self):
        space = spaces.Weights(self.job(), [0.5, 0.5])
        name = "model.layers.1.mlp.up_proj.weight"
        full = space.weights({n: torch.ones_like(a) for n, a in space.aligned.items()})[name]
        tuned = [dict(models.tensors(t))[name] for t in self.tuned]
        aligned = space.aligned[name]
        plain = aligned + 0.5 * (tuned[0] - aligned) + 0.5 * (tuned[1] - aligned)
        self.assertTrue(torch.allclose(full, plain, atol=1e-6))
        half = {n: (torch.arange(a.numel()).reshape(a.shape) % 2).float() for n, a in space.aligned.items()}
        found = space.weights(half)[name]
        twice = (aligned + 2 * (plain - aligned)).flatten()[1::2]
        self.assertTrue(torch.allclose(found.flatten()[1::2], twice, atol=1e-5))
        self.assertTrue(torch.equal(found.flatten()[::2], aligned.flatten()[::2]))

    def test_factors_are_masked_as_factors(self):
        start = tiny.adapter(self.root / "safe", self.aligned, 1)
        tuned = tiny.adapter(self.root / "task", self.aligned, 2, start)
        job = self.job(aligned=str(self.root / "safe"), tuned=[str(self.root / "task")], space="lora_factor")
        space = spaces.space_of(job, [1.0])
        mask = {n: (torch.arange(t.numel()).reshape(t.shape) % 2).float() for n, t in start.items()}
        model, _ = models.load(self.aligned)
        fused = {n: start[n] + (tuned[n] - start[n]) * mask[n] / mask[n].mean() for n in start}
        own = dict(model.named_parameters())
        for name in fused:
            if "lora_A" in name:
                target = name.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
                own[target].data.add_(2.0 * fused[name.replace("lora_A", "lora_B")] @ fused[name])
        x = torch.tensor([[1, 3, 5, 6]])
        self.assertTrue(torch.allclose(space.forward(mask)(input_ids=x).logits, model(input_ids=x).logits, atol=1e-5))
        self.learn("factors", aligned=str(self.root / "safe"), tuned=[str(self.root / "task")], space="lora_factor")
        self.assertEqual(set(self.bits("factors")), set(start))

    def test_tied_weights_move_together(self):
        a = tiny.save(tiny.model(tied=True), self.root / "tied")
        b = tiny.save(tiny.moved(tiny.model(tied=True), 4), self.root / "tied-tuned")
        self.learn("tied-out", aligned=a, tuned=[b])
        self.assertNotIn("lm_head.weight", self.bits("tied-out"))
        space = spaces.Weights(self.job(aligned=a, tuned=[b]), [1.0])
        x = torch.tensor([[1, 3, 5]])
        expected = models.load(b)[0](input_ids=x).logits
        self.assertTrue(torch.allclose(space.forward()(input_ids=x).logits, expected, atol=1e-5))

    def test_models_that_do_not_fit_are_named(self):
        other = tiny.model()
        del other.model.layers[1]
        other.config.num_hidden_layers = 1
        folder = tiny.save(other, self.root / "short")
        with self.assertRaisesRegex(Problem, "short.*layers.1.*missing"):
            self.learn(tuned=[folder])
        with self.assertRaisesRegex(Problem, "nothing to mask"):
            self.learn("same", tuned=[self.aligned])

    def test_losses_need_their_rows(self):
        data.write(self.path, [r for r in tiny.ROWS if r["kind"] != "harmful"])
        with self.assertRaisesRegex(Problem, "no harmful row"):
            self.learn(data=[{"name": "safety", "path": str(self.path)}])
        data.write(self.path, [{k: v for k, v in r.items() if k != "rejected"} for r in tiny.ROWS])
        with self.assertRaisesRegex(Problem, "rejected"):
            self.learn("dpo", data=[{"name": "safety", "path": str(self.path)}], loss="dpo")


if __name__ == "__main__":
    unittest.main()
