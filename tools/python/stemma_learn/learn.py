"""Learns a mask: reads a JSON job on stdin, prints progress as JSON lines, writes logits, bits and a record.

    python -m stemma_learn.learn < job.json

The Concrete mask of SOMF (Yi et al., arXiv 2405.09055): one logit x per parameter, shared by all tasks; at each step
m = sigmoid((log u - log(1 - u) + x) / T) with fresh u; fused = aligned + d * m / mean(m), tensor by tensor, where d is
the weighted sum of the task vectors; only x has gradients. In the end the rule makes the bits: threshold (x > 0) or
bernoulli (a draw with probability sigmoid(x) from Philox4x32-10). A job that was stopped goes on from
OUT/state.safetensors to the same result; a state of another job is refused.
"""
import json
import os
import platform
import sys
import time
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import transformers

from . import __version__, data, job as jobs, models, philox
from .losses import Objective, generator
from .problem import Problem, exit_with, say
from .spaces import space_of

UNTOUCHED = 20.0  # the logit of tensors that no task changes: kept, and far from dividing by an empty mask


class Concrete:
    """Logits, their relaxed draws and Adam's state."""

    def __init__(self, shapes, untouched, job):
        device, hyper = job.device, job.hyper
        self.seed, self.temperature, self.device = job.seed, hyper["temperature"], device
        self.x = {n: torch.full(s, float(hyper["init"]), device=device, requires_grad=n not in untouched)
                  for n, s in sorted(shapes.items())}
        for name in untouched:
            self.x[name].fill_(UNTOUCHED)
        self.trained = [n for n in self.x if n not in untouched]
        if not self.trained:
            raise Problem("the tuned models equal the aligned one; there is nothing to mask")
        self.adam = torch.optim.Adam([self.x[n] for n in self.trained], lr=hyper["lr"])

    def draw(self, step, purpose="mask", logits=None):
        """A relaxed sample; the noise depends on seed, step and purpose only."""
        noise, out = generator(self.seed, purpose, step), {}
        for name, x in self.x.items():
            u = torch.rand(x.shape, generator=noise).clamp_(1e-6, 1 - 1e-6).to(self.device)
            out[name] = torch.sigmoid((torch.logit(u) + (x if logits is None else logits)) / self.temperature)
        return out


def bits(logits, rule, seed):
    """What a rule keeps, by name. An empty tensor cannot be rescaled and is a Problem."""
    out = {}
    for name, x in logits.items():
        if rule == "threshold":
            out[name] = x > 0
        else:
            words = philox.fill(philox.key(seed, "mask", name), x.numel())
            uniform = torch.from_numpy(words.astype("float64") / 2.0**32).reshape(x.shape)
            out[name] = uniform < torch.sigmoid(x.double())
        if not out[name].any():
            raise Problem(f"tensor {name}: the mask keeps nothing, so it cannot be rescaled; start with a higher"
                          " hyper.init, learn more gently, or use rule bernoulli")
    return out


class State:
    """What a stopped job goes on from: logits, Adam's moments, the step and the losses so far."""

    def __init__(self, out, identity):
        self.path, self.identity = Path(out) / "state.safetensors", identity

    def save(self, mask, step, losses):
        values = {f"x.{n}": x.detach() for n, x in mask.x.items()}
        for name in mask.trained:
            for part, value in mask.adam.state[mask.x[name]].items():
                values[f"{part}.{name}"] = value
        made = self.path.with_suffix(".new")
        info = {"job": self.identity, "step": str(step), "losses": json.dumps(losses)}
        safetensors.torch.save_file({n: v.cpu().contiguous() for n, v in values.items()}, made, info)
        os.replace(made, self.path)

    def load(self, mask):
        """(steps done, losses), both empty where there is no state."""
        if not self.path.exists():
            return 0, []
        with safetensors.safe_open(self.path, "pt", device="cpu") as file:
            info, found = file.metadata(), {n: file.get_tensor(n) for n in file.keys()}
        if info["job"] != self.identity:
            raise Problem(f"{self.path} belongs to another job (data, models or settings differ); remove it, or give"
                          " another 'out'")
        with torch.no_grad():
            for name, x in mask.x.items():
                x.copy_(found[f"x.{name}"])
        for name in mask.trained:
            x = mask.x[name]
            mask.adam.state[x] = {
                "step": found[f"step.{name}"], "exp_avg": found[f"exp_avg.{name}"].to(x.device),
                "exp_avg_sq": found[f"exp_avg_sq.{name}"].to(x.device)}
        return int(info["step"]), json.loads(info["losses"])


def train(job, mask, space, objective, state):
    """All steps that are not done yet; gives the loss of every step."""
    done, losses = state.load(mask)
    steps, saved = int(job.hyper["steps"]), time.monotonic()
    for step in range(done, steps):
        loss = objective.loss(space.forward(mask.draw(step)), step)
        if not torch.isfinite(loss):
            raise Problem(f"step {step + 1}: the loss is {loss.item()}; lower hyper.lr")
        mask.adam.zero_grad(set_to_none=True)
        loss.backward()
        mask.adam.step()
        losses.append(loss.item())
        say({"step": step + 1, "steps": steps, "loss": round(losses[-1], 6)})
        if step + 1 < steps and time.monotonic() - saved >= job.hyper["save_seconds"]:
            state.save(mask, step + 1, losses)
            saved = time.monotonic()
    return losses


def at_most(values, count=100):
    """The first, the last and evenly chosen ones between."""
    if len(values) <= count:
        return values
    return [values[round(i * (len(values) - 1) / (count - 1))] for i in range(count)]


def learn(job):
    """Runs a checked job; gives the record, which lies in OUT with the logits and bits."""
    started, out = time.time(), Path(job.out)
    out.mkdir(parents=True, exist_ok=True)
    sets = [data.read(entry, refuse_test=True) for entry in job.data]
    adapter = job.space == "lora_factor"
    identity = job.identity([models.digest(f, adapter) for f in [job.aligned, *job.tuned]], [s.sha256 for s in sets])
    torch.manual_seed(job.seed)
    if job.hyper["threads"]:
        torch.set_num_threads(job.hyper["threads"])
    space = space_of(job, jobs.lambdas(job))
    untouched = {n for n, d in space.delta.items() if not d.any()}
    mask = Concrete({n: a.shape for n, a in space.aligned.items()}, untouched, job)

    def reference(step):
        if job.reference == "aligned":
            return space.forward(share=0.0)
        return space.forward(mask.draw(step, "reference", logits=0.0))

    objective = Objective(job, sets, space.tokenizer, lambda share: space.forward(share=share), reference)
    state = State(out, identity)
    losses = train(job, mask, space, objective, state)
    logits = {n: x.detach().cpu() for n, x in mask.x.items()}
    kept = bits(logits, job.rule, job.seed)
    ones, size = (sum(int(f(b)) for b in kept.values()) for f in (torch.count_nonzero, torch.numel))
    record = {
        "program": "stemma-learn", "version": __version__,
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "transformers": transformers.__version__, "safetensors": safetensors.__version__},
        "loss": at_most([round(v, 6) for v in losses]), "steps": len(losses),
        "seconds": round(time.time() - started, 3), "seed": job.seed, "hyper": job.hyper,
        "density": ones / size, "space": job.space, "objective": job.loss, "reference": job.reference,
        "rule": job.rule, "rng": "philox4x32-10" if job.rule == "bernoulli" else None,
        "data": [{"name": s.name, "sha256": s.sha256} for s in sets],
    }
    safetensors.torch.save_file(logits, out / "logits.safetensors")
    safetensors.torch.save_file(kept, out / "bits.safetensors")
    (out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    state.path.unlink(missing_ok=True)
    return record


def main():
    exit_with(lambda: learn(jobs.parse(sys.stdin.read())))


if __name__ == "__main__":
    main()
