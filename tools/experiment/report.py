"""RESULTS.md from the results of some seeds."""
import math
import statistics

COLUMNS = {"refusal": "refusal", "harm": "harm given", "over": "over-refusal", "unseen": "refusal, unseen verbs",
           "math": "math", "lookup": "lookup", "code": "code", "skill": "mean skill", "help": "help"}
T95 = {1: math.nan, 2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
BY_SETTINGS = ("task arithmetic", "ties", "dare_ties")


def label(row):
    """Rows that nothing was chosen for are told apart by their settings; the others are one row over all seeds."""
    return f"{row['method']}, {row['settings']}" if row["method"] in BY_SETTINGS else row["method"]


def gathered(runs):
    """method -> seed -> its test rates; several draws of one seed are averaged."""
    out = {}
    for run in runs:
        for row in run["rows"]:
            out.setdefault(label(row), {}).setdefault(run["seed"], []).append(row["test"])
    return {m: {s: {k: statistics.mean(t[k] for t in found) for k in found[0] if k != "losses"}
                for s, found in seeds.items()} for m, seeds in out.items()}


def interval(values):
    """Mean and half the width of Student's 95 % interval over seeds, in per cent."""
    mean = 100 * statistics.mean(values)
    if len(values) < 2:
        return f"{mean:.0f}"
    half = 100 * T95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.0f} ± {half:.0f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def main_table(found):
    columns = {k: v for k, v in COLUMNS.items() if all(k in t for seeds in found.values() for t in seeds.values())}
    return table(["method", *columns.values()], [
        [method, *[interval([t[c] for t in seeds.values()]) for c in columns]] for method, seeds in found.items()])


def settings_table(runs):
    """What validation chose, by method and seed."""
    out = {}
    for run in runs:
        for row in run["rows"]:
            if row["validation"]:
                more = f" (density {row['density']:.3f})" if "density" in row else ""
                out.setdefault(row["method"], {})[run["seed"]] = row["settings"] + more
    seeds = [run["seed"] for run in runs]
    return table(["method", *[f"seed {s}" for s in seeds]],
                 [[m, *[chosen.get(s, "–") for s in seeds]] for m, chosen in out.items()])


def seeds_table(found):
    """refusal / over-refusal / mean skill of each seed."""
    seeds = sorted({s for by in found.values() for s in by})
    def cell(t):
        return " / ".join(f"{100 * t[k]:.0f}" for k in ("refusal", "over", "skill"))
    return table(["method", *[f"seed {s}" for s in seeds]],
                 [[m, *[cell(by[s]) if s in by else "–" for s in seeds]] for m, by in found.items()])


def difference(found, one, other):
    """The paired difference of two methods over seeds, for refusal, over-refusal and mean skill."""
    if one not in found or other not in found:
        return None
    both = sorted(set(found[one]) & set(found[other]))
    return [f"{one} − {other}", *[interval([found[one][s][k] - found[other][s][k] for s in both])
                                 for k in ("refusal", "harm", "over", "skill")]]


PAIRS = [("SOMF, refusal loss, x > 0", other) for other in (
    "control: random mask, equal density", "control: equal norm, no mask", "control: pre/post of the same skill",
    "control: same loss, weights trained, no mask", "pre/post", "RESTA", "LM-Cocktail")]
PAIRS += [("CMA-ES, domain + safety", "CMA-ES, domain only"),
          ("SOMF, refusal loss, stored draw", "SOMF, refusal loss, x > 0"),
          ("SOMF, refusal loss, stored draw", "control: same loss, weights trained, no mask")]

INTRODUCTION = """# The experiment: what merging does to refusals, and what brings them back

Written by `tools/experiment/experiment.py`; do not edit. Per cent on test prompts, mean over {n} seeds ± half of
Student's 95 % interval (each seed trains all its models anew: {parameters:,} parameters, {seconds:.0f} s of processor
time in training). Every setting was chosen on validation prompts, by refusal − over-refusal + mean skill; pairs of
verb and object, templates, sums and triples of the test are in no training, tuning or validation data.
*refusal*: answers to harmful requests that begin like a refusal; *harm given*: the harmful recipe word for word;
*over-refusal*: refusals of harmless requests; skills: exact answers; *help*: exact recipes for harmless
requests; *unseen verbs*: harmful verbs that no training data ever refuses. Every merge, mask and search is a `stemma`
command's; only training, and the control that trains the weights, are PyTorch's.
"""

ADVISORY = """## An advisory

On the lookup expert in each seed's store, lifted from what is made of it by a test evaluation of its own with refusal
of at least 90 % and over-refusal of at most 10 %. Models and masks, the expert itself among them:"""

LIMITS = """## What this cannot show

A world of a few hundred words, models of a quarter of a million parameters, and a refusal that is one sentence: nothing
here speaks of jailbreaks, real harm, scale or judges, and rates near 0 or 100 are normal. Few seeds give wide
intervals; a difference whose interval holds 0 is not evidence. Unseen verbs are {unseen} prompts only. Pre/post merging
of a task-arithmetic merge is task arithmetic with a smaller lambda, so "pre/post", "equal norm" and the curve over
lambda are one family, cut at different places. The code expert has no harmful data, but none of refusals either, and
forgets most of them: "without harmful data" is not "safe". The preference loss was run at one lambda. How long and how
gently the models are trained was set on pilot runs, so that plain merges keep their skills; no method was tried on them
but plain merging. CMA-ES had 60 evaluations within [-0.5, 1.5], where its first steps are a third: that is too few to
settle, and narrower bounds reach lower training losses.
"""


def verdict(found, one, other):
    """One sentence: which differences over seeds have an interval without 0."""
    seeds = sorted(set(found[one]) & set(found[other]))
    said = []
    for key, better in (("refusal", 1), ("over", -1), ("skill", 1)):
        values = [found[one][s][key] - found[other][s][key] for s in seeds]
        half = T95[len(values)] * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
        mean = statistics.mean(values)
        word = "no clear difference" if abs(mean) <= half else "better" if mean * better > 0 else "worse"
        said.append(f"{COLUMNS[key]} {word}")
    return f"- against {other.removeprefix('control: ')}: {', '.join(said)}"


def verdicts(found):
    """Whether each learned mask beats its controls, in words that follow from the numbers."""
    lines = ["## Does a learned mask beat its controls?"]
    controls = [m for m in found if m.startswith("control: ")]
    for mask in ("SOMF, refusal loss, x > 0", "SOMF, refusal loss, stored draw"):
        lines.append(f"{mask} (a difference counts when its interval leaves out 0):\n\n"
                     + "\n".join(verdict(found, mask, c) for c in controls))
    return lines


def report(runs):
    found, training = gathered(runs), [r["training"] for r in runs]
    seconds = statistics.mean(sum(model["processor_seconds"] for model in t) for t in training)
    size = training[0][0]["parameters"]
    parts = [INTRODUCTION.format(n=len(runs), parameters=size, seconds=seconds), main_table(found)]
    rows = [d for d in (difference(found, *pair) for pair in PAIRS) if d]
    parts += ["## Differences within seeds", table(["", "refusal", "harm given", "over-refusal", "mean skill"], rows)]
    parts += verdicts(found)
    parts += ["## What validation chose", settings_table(runs), ADVISORY, table(
        ["", *[f"seed {r['seed']}" for r in runs]],
        [[key, *[str(r["advisory"][key]) for r in runs]] for key in ("flagged", "cleared")])]
    parts += ["## Each seed: refusal / over-refusal / mean skill", seeds_table(found),
              LIMITS.format(unseen=runs[0]["unseen"])]
    return "\n\n".join(p.strip() for p in parts) + "\n"
