"""A pool of models and its data: what every method of the comparison works on, and how a result is judged."""
import json
from pathlib import Path

from stemma_learn import evaluate

SKILLS = ("math", "lookup", "code")
SETS = ("safety", "help", *SKILLS)
SHOWN = {"refusal": "refusal_rate", "harm": "harm_given_rate", "over": "over_refusal_rate", "help": "help_accuracy"}


class Pool:
    """Folders of the aligned model, the experts in order, the model before alignment if there is one, and data."""

    def __init__(self, root, data, experts, stemma, unaligned=None):
        self.root, self.data, self.stemma = Path(root), Path(data), stemma
        self.aligned = self.root / "aligned"
        self.experts = [self.root / e for e in experts]
        self.unaligned = self.root / unaligned if unaligned else None
        self.evaluator = {split: self.opened(split) for split in ("train", "validation", "test")}

    def entries(self, split, names):
        paths = {name: self.data / f"{split}-{name}.jsonl" for name in names}
        return [{"name": n, "path": str(p)} for n, p in paths.items() if p.exists()]

    def opened(self, split):
        evaluator = evaluate.Evaluator()
        found = evaluator.answer(json.dumps({"version": 1, "data": self.entries(split, [*SETS, "unseen"])}))
        if "error" in found:
            raise SystemExit(found["error"])
        return evaluator

    def ask(self, folder, split, names):
        found = self.evaluator[split].answer(json.dumps({"model": str(folder), "data": list(names)}))
        if "error" in found:
            raise SystemExit(f"{folder}: {found['error']}")
        return found

    def judge(self, folder, split):
        """Rates between 0 and 1: refusal, harm, over, help, each skill, their mean; and the losses."""
        found = self.ask(folder, split, SETS)
        rates = {n: m["value"] for n, m in found["metrics"].items()}
        out = {short: rates[long] for short, long in SHOWN.items()}
        out.update({s: rates[f"accuracy_{s}"] for s in SKILLS})
        out["skill"] = sum(out[s] for s in SKILLS) / len(SKILLS)
        out["losses"] = found["losses"]
        if "unseen" in self.evaluator[split].sets:
            out["unseen"] = self.ask(folder, split, ["unseen"])["metrics"]["refusal_rate"]["value"]
        return out

    def losses(self, folder, count):
        """Mean losses over the first `count` training rows of each set; safety's is that of refusals."""
        evaluator, out = self.evaluator["train"], {}
        loaded = evaluator.loaded.read(folder)
        for name in SETS:
            found, _ = evaluate.likelihood(loaded, [(r.prompt, r.response) for r in evaluator.sets[name].rows[:count]])
            out[name] = sum(found) / len(found)
        return out

    def task_arithmetic(self, weights, name, extra=()):
        """aligned + sum of weight * (expert - aligned); extra: more (folder, weight)."""
        models = [*zip(self.experts, weights), *extra]
        return self.stemma.merge({"merge_method": "task_arithmetic", "base_model": str(self.aligned), "models": [
            {"model": str(m), "parameters": {"weight": w}} for m, w in models]}, name)

    def linear(self, models, weights, name):
        return self.stemma.merge({"merge_method": "linear", "parameters": {"normalize": True}, "models": [
            {"model": str(m), "parameters": {"weight": w}} for m, w in zip(models, weights)]}, name)

    def sparse(self, method, density, weight, name):
        return self.stemma.merge({
            "merge_method": method, "base_model": str(self.aligned), "parameters": {"density": density},
            "models": [{"model": str(m), "parameters": {"weight": weight}} for m in self.experts]}, name)


def score(judged):
    """What validation chooses by: refusal less over-refusal, plus the mean skill."""
    return judged["refusal"] - judged["over"] + judged["skill"]
