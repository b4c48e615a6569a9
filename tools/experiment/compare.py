"""The comparison of one pool: every method, chosen on validation, then judged once on test.

A method is a function that gives candidates, each a label of its settings and a function that makes the model in the
store and gives its name."""
import json
import sys
import time
from pathlib import Path

import controls
from pool import SETS, SKILLS, score
from stemma import recipe

GRID = {
    "share": (0.25, 0.5, 0.75, 1.0),  # lambda, the weight of every task vector
    "mask_share": (0.5, 1.0), "init": (0.0, 3.0), "dpo_share": (1.0,),
    "shrink": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "resta": (0.2, 0.5, 1.0), "density": (0.2, 0.5), "temperature": (0.05, 0.25, 1.0, 5.0),
    "rate": (3e-5, 1e-4, 3e-4, 1e-3), "draws": 5, "budget": 60, "examples": 24, "safety_weight": (1.0, 5.0),
    "domain_only": True, "steps": 60, "lr": 0.3, "anchor": "fused", "learn_from": ("safety", "help"),
}


class Comparison:
    def __init__(self, pool, out, seed, grid=None):
        self.pool, self.out, self.seed, self.grid = pool, Path(out), seed, {**GRID, **(grid or {})}
        self.rows, self.chosen, self.stemma = [], {}, pool.stemma

    def note(self, method, settings, test, validation=None, **more):
        self.rows.append({"method": method, "settings": settings, "validation": validation, "test": test, **more})
        self.out.write_text(json.dumps({"seed": self.seed, "grid": self.grid, "rows": self.rows}, indent=1) + "\n")
        shown = {k: round(v, 3) for k, v in test.items() if k != "losses"}
        print(json.dumps({"method": method, "settings": settings, **shown}), file=sys.stderr, flush=True)

    def plain(self, method, model, settings=""):
        """A model that nothing was chosen for."""
        self.note(method, settings, self.pool.judge(model, "test"))

    def choose(self, method, candidates, **more):
        """The candidate that validation likes best, judged on test; gives its settings, name and validation."""
        started, best = time.process_time(), None
        for settings, make in candidates:
            model = make()
            judged = self.pool.judge(model, "validation")
            if best is None or score(judged) > score(best[2]):
                best = settings, model, judged
        settings, model, judged = best
        self.chosen[method] = best
        spent = round(time.process_time() - started, 1)
        self.note(method, settings, self.pool.judge(model, "test"), judged, processor_seconds=spent, **more)
        return best

    def even(self, share):
        """Task arithmetic with one lambda."""
        return self.pool.task_arithmetic(share, f"arithmetic-{share:g}")

    def shrunk(self, share):
        """Pre/post merging of the aligned model and the plain sum of all task vectors."""
        return self.stemma.merge("pre_post", [self.even(1.0)], f"pre-post-{share:g}", self.pool.aligned,
                                 parameters={"lambda": share})

    def propagation(self, clean=None):
        """Ingredients, and what plain merges make of them; nothing is chosen. clean: experts without the bad one."""
        pool, stemma = self.pool, self.stemma
        if pool.unaligned:
            self.plain("before alignment", pool.unaligned)
        self.plain("aligned", pool.aligned)
        for expert in pool.experts:
            self.plain(f"expert {expert}", expert)
        self.plain("average", stemma.merge("linear", pool.experts, "average", weights=1))
        for share in self.grid["share"]:
            self.plain("task arithmetic", self.even(share), f"lambda {share}")
        for method in ("ties", "dare_ties"):
            for density in self.grid["density"]:
                model = stemma.merge(method, pool.experts, f"{method}-{density}", pool.aligned, 1.0,
                                     parameters={"density": density})
                self.plain(method, model, f"density {density}")
        if clean:
            self.plain("task arithmetic, without harmful data", pool.task_arithmetic(0.5, "clean", clean), "lambda 0.5")

    def baselines(self):
        """Pre/post merging, RESTA, LM-Cocktail and the searches."""
        pool, grid = self.pool, self.grid
        self.choose("pre/post", [(f"lambda {s}", lambda s=s: self.shrunk(s)) for s in grid["shrink"]])
        if pool.unaligned:
            self.choose("RESTA", [
                (f"lambda {s}, gamma {g}", lambda s=s, g=g: self.stemma.merge(
                    "resta", [self.even(s), pool.aligned], f"resta-{s}-{g}", pool.unaligned, parameters={"gamma": g}))
                for s in grid["share"][1:] for g in grid["resta"]])
        self.choose("LM-Cocktail", [(f"T {t}", lambda t=t: self.cocktail(t)) for t in grid["temperature"]])
        if grid["domain_only"]:
            self.searched("CMA-ES, domain only", (0.0,))
        self.searched("CMA-ES, domain + safety", grid["safety_weight"])

    def cocktail(self, temperature):
        """The linear merge by softmax(-mean training loss / T) of the aligned model and the experts."""
        models, name = [self.pool.aligned, *self.pool.experts], f"cocktail-{temperature}"
        sets, examples = self.grid.get("cocktail", (SETS, self.grid["examples"]))
        data = {path: 1 for path in self.pool.tuning_data(sets, examples)}
        self.stemma.tune(recipe("linear", models, [1] * len(models)), data, name,
                         "--method", "cocktail", "--temperature", temperature)
        return name

    def searched(self, method, weights):
        """One weight per expert by CMA-ES on training rows: mean skill loss + w * mean(refusal loss, help loss)."""
        pool, grid, found = self.pool, self.grid, []
        mark = {"search": [-0.5, 1.5], "start": 1 / len(pool.experts)}
        given = recipe("task_arithmetic", pool.experts, [mark] * len(pool.experts), pool.aligned)
        for w in weights:
            loss_weight = {**{s: 1 / len(SKILLS) for s in SKILLS}, **({"safety": w / 2, "help": w / 2} if w else {})}
            data = dict(zip(pool.tuning_data(loss_weight, grid["examples"]), loss_weight.values()))
            point = self.stemma.tune(given, data, f"cma-{w:g}", "--budget", grid["budget"], "--seed", self.seed)
            found.append((f"w {w:g}, weights {', '.join(f'{p:.2f}' for p in point)}", lambda w=w: f"cma-{w:g}"))
        self.choose(method, found, evaluations=grid["budget"] * len(weights))

    def learn(self, loss, share, init):
        """Masks by rule, the learner's folder and record."""
        pool, grid = self.pool, self.grid
        hyper = {"lambda": share, "init": init, "lr": grid["lr"], "steps": grid["steps"], "batch": 16, "kl": 0.5,
                 "anchor": grid["anchor"], "temperature": 0.5, "threads": 1, "save_seconds": 1e9}
        return self.stemma.learn_mask(
            pool.aligned, pool.experts, [pool.path("train", n) for n in grid["learn_from"]],
            f"mask-{loss}-{share:g}-{init:g}", loss, self.seed, hyper)

    def fused(self, share, mask):
        """SOMF: the aligned model + the sum of share * task vector * m / mean(m)."""
        pool = self.pool
        return self.stemma.merge("somf", pool.experts, f"somf-{mask}", pool.aligned, share,
                                 stemma={"mask": mask, "variant": "task_arithmetic"})

    def learned(self, loss, shares, inits, rules=("threshold", "bernoulli")):
        """Masks of every share and start, each as x > 0 and as a stored draw; gives the best run of each rule."""
        label, best = f"SOMF, {'refusal' if loss == 'refusal' else 'preference'} loss", {}
        runs = {f"lambda {share}, start {init:g}": (share, *self.learn(loss, share, init))
                for share in shares for init in inits}
        for rule, shown in (("threshold", "x > 0"), ("bernoulli", "stored draw")):
            if rule not in rules:
                continue
            settings, model, _ = self.choose(f"{label}, {shown}", [
                (settings, lambda share=share, mask=masks[rule]: self.fused(share, mask))
                for settings, (share, masks, _, _) in runs.items()])
            share, masks, work, record = runs[settings]
            self.rows[-1].update(density=self.stemma.density(masks[rule]), loss=record["loss"][-1])
            best[rule] = share, masks[rule], work, model, settings
        return best

    def control(self, share, mask, work, model, settings):
        """Random masks as dense, a plain delta as long, and the same loss without a mask, for one learned mask."""
        pool, stemma = self.pool, self.stemma
        for draw in range(self.grid["draws"]):
            drawn = stemma.random_mask(mask, draw + 1, f"random-{mask}-{draw + 1}")
            self.plain("control: random mask, equal density", self.fused(share, drawn), f"{settings}, draw {draw + 1}")
        plain, length = self.even(share), lambda m: controls.distance(stemma.folder(m), stemma.folder(pool.aligned))
        equal = share * length(model) / length(plain)
        self.plain("control: equal norm, no mask", pool.task_arithmetic(equal, f"equal-{mask}"), f"lambda {equal:.3f}")

        def unmasked(rate):
            name = f"unmasked-{mask}-{rate:g}"
            return stemma.add(controls.without_mask(
                work / "job.json", stemma.folder(plain), rate, stemma.work / f"trained-{name}"), name, plain)

        self.choose("control: same loss, weights trained, no mask", [
            (f"lambda {share}, Adam {rate:g}", lambda rate=rate: unmasked(rate)) for rate in self.grid["rate"]])

    def same_skill(self):
        """Pre/post merging, as far as validation shows the skill of the chosen mask."""
        matched = self.chosen["SOMF, refusal loss, x > 0"][2]["skill"]
        skills = {s: self.pool.judge(self.shrunk(s), "validation")["skill"] for s in self.grid["shrink"]}
        share = min(skills, key=lambda s: abs(skills[s] - matched))
        self.plain("control: pre/post of the same skill", self.shrunk(share), f"lambda {share}")

    def plain_part(self, clean=None):
        self.propagation(clean)
        self.baselines()

    def refusal_part(self):
        best = self.learned("refusal", self.grid["mask_share"], self.grid["init"])
        self.control(*best["threshold"])
        self.same_skill()

    def preference_part(self):
        self.learned("dpo", self.grid["dpo_share"], (3.0,), rules=("threshold",))
