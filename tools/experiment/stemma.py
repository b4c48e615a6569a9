"""What the experiment asks of Stemma: a store of all models and masks of a seed, which are called by their names."""
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

LEARN = Path(__file__).resolve().parent.parent / "python"
EVALUATOR = LEARN / "stemma_learn" / "evaluate.py"


def python(module):
    return f"{shlex.quote(sys.executable)} -m stemma_learn.{module}"


class Stemma:
    """The program, a store in the folder `root`, and a folder for what it writes out of it."""

    def __init__(self, program, root, work):
        self.program, self.root, self.work = str(program), Path(root).resolve(), Path(work)
        if not (self.root / ".stemma").exists():
            self.run("init", self.root)

    def call(self, *words, text=None):
        options = () if words[0] == "init" else ("--store", self.root)
        return subprocess.run(
            [self.program, *map(str, words), *map(str, options), "--json", "--quiet", "--threads", "1"], text=True,
            capture_output=True, input=text, env={**os.environ, "PYTHONPATH": str(LEARN), "OMP_NUM_THREADS": "1"})

    def run(self, *words, text=None):
        """What a command says."""
        found = self.call(*words, text=text)
        if found.returncode:
            raise SystemExit(f"stemma {shlex.join(map(str, words))}: {found.stderr.strip()}")
        return json.loads(found.stdout)

    def has(self, name):
        return self.call("show", name).returncode == 0

    def add(self, folder, name, base=None):
        """Stores a folder that was trained from `base`; gives its name."""
        self.run("import", folder, "--name", name, *(("--base", base) if base else ()))
        return name

    def folder(self, name):
        """A model's files."""
        out = self.work / name
        if not out.exists():
            self.run("export", name, out)
        return out

    def merge(self, method, models, name, base=None, weights=None, **more):
        """Makes a model by a recipe, f32; gives its name. weights: one a model, or one for all; more: of the recipe."""
        given = weights if isinstance(weights, list) else [weights] * len(models)
        self.run("merge", "-", "--name", name, "--no-card",
                 text=json.dumps(recipe(method, models, given, base, **more)))  # JSON is YAML too
        return name

    def tune(self, given, data, name, *options):
        """The best model that a search makes of a recipe; gives the values found. data: path -> weight of its loss."""
        sets = [word for path, weight in data.items() for word in ("--data", f"{path}@{weight}")]
        work = self.root / "searches" / name
        found = self.run("tune", "-", *sets, "--evaluator", f"{python('evaluate')} --threads 1", "--name", name,
                         "--work", work, *options, text=json.dumps(given))
        return [p["value"] for p in found["parameters"]]

    def learn_mask(self, aligned, tuned, data, name, loss, seed, hyper):
        """Has the learner learn a mask, once. Gives the names of its masks by rule, the folder and the record.

        The stored draw is of the same logits as the threshold."""
        work, masks = self.root / "masks" / name, {"threshold": name, "bernoulli": f"{name}-drawn"}
        if not self.has(masks["bernoulli"]):
            words = [w for key, values in (("--tuned", tuned), ("--data", data)) for v in values for w in (key, v)]
            words += [w for key, value in hyper.items() for w in ("--hyper", f"{key}={value}")]
            self.run("mask", "learn", "--aligned", aligned, *words, "--program", python("learn"), "--loss", loss,
                     "--seed", seed, "--work", work, "--name", name)
            self.run("mask", "import", work / "out" / "logits.safetensors", "--bernoulli", "--seed", seed,
                     "--learnt-as", name, "--name", masks["bernoulli"])
        return masks, work, json.loads((work / "out" / "record.json").read_text())

    def random_mask(self, like, seed, name):
        """As dense as another one, tensor by tensor, at places drawn evenly."""
        self.run("mask", "make", "--random", "--like", like, "--seed", seed, "--name", name)
        return name

    def density(self, mask):
        return self.run("mask", "show", mask)["density"]

    def evaluation(self, name, data, found):
        """Records what the evaluator measured on data sets: those whose rows are all there is to a metric."""
        sets = {entry["name"]: entry["sha256"] for entry in data}
        measured = {"refusal_rate": "safety", "harm_given_rate": "safety", "over_refusal_rate": "help",
                    "help_accuracy": "help", **{f"accuracy_{s}": s for s in sets}}
        metrics = {n: {**m, "data": measured[n]} for n, m in found["metrics"].items() if n in measured}
        self.run("evaluation", "add", name, "-", "--evaluator", EVALUATOR, text=json.dumps({
            "evaluator": {"program": "stemma-evaluate"}, "metrics": metrics, "losses": found["losses"],
            "data": [{"name": n, "sha256": h} for n, h in sets.items()]}))

    def advise(self, name, reason, bounds):
        """Flags a model and all that is made of it, once; gives how many are flagged, and how many cleared."""
        if not self.run("advisories")["advisories"]:
            self.run("advise", name, "--kind", "misaligned", "--reason", reason,
                     *[w for bound in bounds for w in ("--cleared-by", bound)])
        return {key: self.run("advisories")["advisories"][0][key] for key in ("flagged", "cleared")}


def recipe(method, models, weights, base=None, **more):
    """A recipe whose models are names of the store."""
    listed = [{"model": m} if w is None else {"model": m, "parameters": {"weight": w}}
              for m, w in zip(models, weights)]
    return {"merge_method": method, **({"base_model": base} if base else {}), "models": listed, "dtype": "float32",
            "out_dtype": "float32", **more}
