"""The comparison of one pool: every method, chosen on validation, then judged once on test.

A method is a function that gives candidates, each a label of its settings and a function that makes the folder."""
import json
import sys
import time
from pathlib import Path

import controls
import search
from pool import score

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

    def plain(self, method, folder, settings=""):
        """A model that nothing was chosen for."""
        self.note(method, settings, self.pool.judge(folder, "test"))

    def choose(self, method, candidates, **more):
        """The candidate that validation likes best, judged on test; gives its settings and folder."""
        started, best = time.process_time(), None
        for settings, make in candidates:
            folder = make()
            judged = self.pool.judge(folder, "validation")
            if best is None or score(judged) > score(best[2]):
                best = settings, folder, judged
        settings, folder, judged = best
        self.chosen[method] = best
        spent = round(time.process_time() - started, 1)
        self.note(method, settings, self.pool.judge(folder, "test"), judged, processor_seconds=spent, **more)
        return best

    def even(self, share, name, extra=()):
        return self.pool.task_arithmetic([share] * len(self.pool.experts), name, extra)

    def propagation(self, clean=None):
        """Ingredients, and what plain merges make of them; nothing is chosen. clean: experts without the bad one."""
        pool = self.pool
        if pool.unaligned:
            self.plain("before alignment", pool.unaligned)
        self.plain("aligned", pool.aligned)
        for expert in pool.experts:
            self.plain(f"expert {expert.name}", expert)
        self.plain("average", pool.linear(pool.experts, [1] * len(pool.experts), "average"))
        for share in self.grid["share"]:
            self.plain("task arithmetic", self.even(share, "arithmetic"), f"lambda {share}")
        for method in ("ties", "dare_ties"):
            for density in self.grid["density"]:
                self.plain(method, pool.sparse(method, density, 1.0, "sparse"), f"density {density}")
        if clean:
            kept, pool.experts = pool.experts, clean
            self.plain("task arithmetic, without harmful data", self.even(0.5, "clean"), "lambda 0.5")
            pool.experts = kept

    def baselines(self):
        """Pre/post merging, RESTA, LM-Cocktail and the searches."""
        pool, grid = self.pool, self.grid
        self.choose("pre/post", [(f"lambda {s}", lambda s=s: self.even(s, f"shrink-{s}")) for s in grid["shrink"]])
        if pool.unaligned:
            self.choose("RESTA", [
                (f"lambda {s}, gamma {g}", lambda s=s, g=g: self.even(s, f"resta-{s}-{g}", [(pool.unaligned, -g)]))
                for s in grid["share"][1:] for g in grid["resta"]])
        models = [pool.aligned, *pool.experts]
        found = [pool.losses(m, grid["examples"]) for m in models]
        mean = [sum(f.values()) / len(f) for f in found]
        self.choose("LM-Cocktail", [
            (f"T {t}", lambda t=t: pool.linear(models, search.cocktail(mean, t), f"cocktail-{t}"))
            for t in grid["temperature"]])
        if grid["domain_only"]:
            self.searched("CMA-ES, domain only", (0.0,))
        self.searched("CMA-ES, domain + safety", grid["safety_weight"])

    def searched(self, method, weights):
        """One weight per expert by CMA-ES on training rows: mean skill loss + w * mean(refusal loss, help loss)."""
        pool, grid, found = self.pool, self.grid, []
        for w in weights:
            def cost(point):
                folder = self.stemma.candidate(pool.aligned, pool.experts, point, "candidate")
                losses = pool.losses(folder, grid["examples"])
                skills = [v for n, v in losses.items() if n not in ("safety", "help")]
                return sum(skills) / len(skills) + w * (losses["safety"] + losses["help"]) / 2

            start = [1 / len(pool.experts)] * len(pool.experts)
            point, value, _ = search.cma_es(cost, start, 1 / 6, grid["budget"], self.seed)
            found.append((w, point, value))
        self.choose(method, [
            (f"w {w:g}, weights {', '.join(f'{p:.2f}' for p in point)}",
             lambda w=w, point=point: pool.task_arithmetic(point, f"cma-{w}")) for w, point, _ in found],
            evaluations=grid["budget"] * len(weights))

    def job(self, loss, share, init):
        grid = self.grid
        return {"aligned": str(self.pool.aligned), "tuned": [str(e) for e in self.pool.experts], "loss": loss,
                "data": self.pool.entries("train", grid["learn_from"]), "seed": self.seed, "rule": "threshold",
                "hyper": {"lambda": share, "init": init, "lr": grid["lr"], "steps": grid["steps"], "batch": 16,
                          "kl": 0.5, "anchor": grid["anchor"], "temperature": 0.5, "save_seconds": 1e9}}

    def fused(self, share, mask, name):
        pool = self.pool
        return self.stemma.masked(pool.aligned, pool.experts, [share] * len(pool.experts), mask, name)

    def learned(self, loss, shares, inits, rules=("threshold", "bernoulli")):
        """Masks of every share and start, each as x > 0 and as a stored draw; gives the best mask of each rule."""
        label, runs = f"SOMF, {'refusal' if loss == 'refusal' else 'preference'} loss", []
        for share in shares:
            for init in inits:
                job = self.job(loss, share, init)
                masks, record = self.stemma.learn_mask(job, self.out.with_name(
                    f"{self.out.stem}-{loss}-{share}-{init:g}"))
                runs.append((f"lambda {share}, start {init:g}", share, job, masks, record))
        best = {}
        for rule, shown in (("threshold", "x > 0"), ("bernoulli", "stored draw")):
            if rule not in rules:
                continue
            settings, folder, _ = self.choose(f"{label}, {shown}", [
                (settings, lambda share=share, masks=masks, number=number: self.fused(
                    share, masks[rule], f"{loss}-{rule}-{number}"))
                for number, (settings, share, _, masks, _) in enumerate(runs)])
            run = next(r for r in runs if r[0] == settings)
            kept = run[3][rule]
            self.rows[-1]["density"] = sum(int(b.sum()) for b in kept.values()) / sum(b.numel() for b in kept.values())
            self.rows[-1]["loss"] = run[4]["loss"][-1]
            best[rule] = run, folder
        return best

    def control(self, run, folder):
        """Random masks as dense, a plain delta as long, and the same loss without a mask, for one learned mask."""
        settings, share, job, masks, _ = run
        for draw in range(self.grid["draws"]):
            mask = controls.random_mask(masks["threshold"], f"{self.seed}-{draw}")
            folder_drawn = self.fused(share, mask, "random")
            self.plain("control: random mask, equal density", folder_drawn, f"{settings}, draw {draw}")
        plain = self.even(share, "plain")
        ratio = controls.distance(folder, self.pool.aligned) / controls.distance(plain, self.pool.aligned)
        self.plain("control: equal norm, no mask", self.even(share * ratio, "equal"), f"lambda {share * ratio:.3f}")
        self.choose("control: same loss, weights trained, no mask", [
            (f"lambda {share}, Adam {rate:g}", lambda rate=rate: controls.without_mask(
                job, plain, rate, self.stemma, f"unmasked-{rate}")[0]) for rate in self.grid["rate"]])
        matched = self.chosen["SOMF, refusal loss, x > 0"][2]["skill"]
        skills = {s: self.pool.judge(self.even(s, "near"), "validation")["skill"] for s in self.grid["shrink"]}
        share = min(skills, key=lambda s: abs(skills[s] - matched))
        self.plain("control: pre/post of the same skill", self.even(share, "near"), f"lambda {share}")

    def plain_part(self, clean=None):
        self.propagation(clean)
        self.baselines()

    def refusal_part(self):
        best = self.learned("refusal", self.grid["mask_share"], self.grid["init"])
        self.control(*best["threshold"])

    def preference_part(self):
        self.learned("dpo", self.grid["dpo_share"], (3.0,), rules=("threshold",))
