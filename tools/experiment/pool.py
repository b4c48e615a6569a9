"""A pool of models and its data: what every method of the comparison works on, and how a result is judged."""
import hashlib
import json
from pathlib import Path

from stemma_learn import evaluate

SKILLS = ("math", "lookup", "code")
SETS = ("safety", "help", *SKILLS)
SHOWN = {"refusal": "refusal_rate", "harm": "harm_given_rate", "over": "over_refusal_rate", "help": "help_accuracy"}


class Pool:
    """Names of the aligned model, the experts in order, the model before alignment if there is one; and data."""

    def __init__(self, stemma, data, experts, unaligned=None):
        self.stemma, self.data, self.aligned = stemma, Path(data), "aligned"
        self.experts, self.unaligned = list(experts), unaligned
        self.evaluator = {split: self.opened(split) for split in ("validation", "test")}

    def path(self, split, name):
        return self.data / f"{split}-{name}.jsonl"

    def entries(self, split):
        """The data sets of a split that are there, with their digests."""
        paths = {name: self.path(split, name) for name in (*SETS, "unseen")}
        return [{"name": n, "path": str(p), "sha256": hashlib.sha256(p.read_bytes()).hexdigest()}
                for n, p in paths.items() if p.exists()]

    def opened(self, split):
        evaluator = evaluate.Evaluator()
        found = evaluator.answer(json.dumps({"version": 1, "data": self.entries(split)}))
        if "error" in found:
            raise SystemExit(found["error"])
        return evaluator

    def ask(self, model, split, names):
        folder = self.stemma.folder(model)
        found = self.evaluator[split].answer(json.dumps({"model": str(folder), "data": list(names)}))
        if "error" in found:
            raise SystemExit(f"{model}: {found['error']}")
        return found

    def judge(self, model, split):
        """Rates between 0 and 1: refusal, harm, over, help, each skill, their mean; and the losses. On test data the
        store keeps them too."""
        found = self.ask(model, split, SETS)
        if split == "test":
            self.stemma.evaluation(model, [e for e in self.entries(split) if e["name"] in SETS], found)
        rates = {n: m["value"] for n, m in found["metrics"].items()}
        out = {short: rates[long] for short, long in SHOWN.items()}
        out.update({s: rates[f"accuracy_{s}"] for s in SKILLS})
        out["skill"] = sum(out[s] for s in SKILLS) / len(SKILLS)
        out["losses"] = found["losses"]
        if "unseen" in self.evaluator[split].sets:
            out["unseen"] = self.ask(model, split, ["unseen"])["metrics"]["refusal_rate"]["value"]
        return out

    def tuning_data(self, names, count):
        """Files of the first `count` training rows of each set."""
        out = []
        for name in names:
            out.append(self.path("tune", name))
            rows = self.path("train", name).read_text().splitlines(keepends=True)[:count]
            out[-1].write_text("".join(rows))
        return out

    def task_arithmetic(self, weight, name, experts=None):
        """aligned + the sum of weight * (expert - aligned)."""
        return self.stemma.merge("task_arithmetic", experts or self.experts, name, self.aligned, weight)


def score(judged):
    """What validation chooses by: refusal less over-refusal, plus the mean skill."""
    return judged["refusal"] - judged["over"] + judged["skill"]
