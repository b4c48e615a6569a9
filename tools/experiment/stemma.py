"""What the experiment asks of Stemma: merges, masked merges, learned masks.

Plain merges are made by the `stemma` program. `masked` and `learn_mask` are done here with PyTorch until the program
does them; nothing else in the experiment would change."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import safetensors.torch
import torch

from stemma_learn import job as jobs, learn, models


class Stemma:
    """The program, and a folder for what it writes."""

    def __init__(self, program, work):
        self.program, self.work, self.kept = str(program), Path(work), {}
        self.work.mkdir(parents=True, exist_ok=True)

    def merge(self, recipe, name):
        """Makes a model of a recipe whose models are folders; gives its folder, f32."""
        out = self.fresh(name)
        recipe = {**recipe, "dtype": "float32", "out_dtype": "float32"}
        path = self.work / f"{name}.yml"
        path.write_text(json.dumps(recipe, indent=1))  # JSON is YAML too
        command = [self.program, "merge", str(path), "--out", str(out), "--no-card", "--quiet", "--threads", "1"]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode:
            raise SystemExit(f"stemma merge {path}: {found.stderr.strip()}")
        return out

    def fresh(self, name):
        out = self.work / name
        shutil.rmtree(out, ignore_errors=True)
        return out

    def write(self, like, tensors, name):
        """A folder with these tensors and another one's config and tokenizer."""
        out = self.fresh(name)
        shutil.copytree(like, out, ignore=shutil.ignore_patterns("*.safetensors*"))
        safetensors.torch.save_file({n: t.contiguous() for n, t in tensors.items()}, out / "model.safetensors",
                                    {"format": "pt"})
        return out

    def sum(self, aligned, tuned, weights):
        """The aligned model's tensors, and the weighted sum of task vectors, both by name."""
        start = self.read(aligned)
        total = {n: torch.zeros_like(a) for n, a in start.items()}
        for folder, weight in zip(tuned, weights):
            for n, value in self.read(folder).items():
                total[n].add_(value - start[n], alpha=weight)
        return start, total

    def read(self, folder):
        """An ingredient's tensors, read once."""
        if folder not in self.kept:
            self.kept[folder] = dict(models.tensors(folder))
        return self.kept[folder]

    def candidate(self, aligned, tuned, weights, name):
        """A candidate of a search: aligned + weighted sum of task vectors. The winner is made by `merge`."""
        start, total = self.sum(aligned, tuned, weights)
        return self.write(aligned, {n: a + total[n] for n, a in start.items()}, name)

    def masked(self, aligned, tuned, weights, mask, name):
        """SOMF's fusion: aligned + (weighted sum of task vectors) * m / mean(m), per tensor; mask: name -> bool."""
        start, total = self.sum(aligned, tuned, weights)
        return self.write(aligned, {
            n: a + total[n] * mask[n].float() / mask[n].float().mean() for n, a in start.items()}, name)

    def learn_mask(self, job, out):
        """Runs a learner's job; gives {rule: bits} and the record. The draw and the threshold come of the same logits.

        A folder that already holds the answer to this very job is not learned again."""
        out, asked = Path(out), json.dumps(job, sort_keys=True)
        if not ((out / "record.json").exists() and (out / "job.json").read_text() == asked):
            out.mkdir(parents=True, exist_ok=True)
            (out / "job.json").write_text(asked)
            kept = sys.stdout
            try:
                with open(os.devnull, "w") as sys.stdout:
                    learn.learn(jobs.parse(json.dumps({**job, "version": jobs.VERSION, "out": str(out)})))
            finally:
                sys.stdout = kept
        x = safetensors.torch.load_file(out / "logits.safetensors")
        record = json.loads((out / "record.json").read_text())
        return {rule: learn.bits(x, rule, job["seed"]) for rule in ("threshold", "bernoulli")}, record
