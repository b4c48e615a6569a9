"""The yardstick rows on a folder of checkpoints with its own world: math-bad + lookup-good + code-good.

    yardstick.py CHECKPOINTS OUT --stemma PROGRAM [--search] [--seed N]

CHECKPOINTS holds aligned, the experts, and evaluator/world.py, whose held-out examples (seed 99, 100 of each kind) are
the test and whose training side is parted into training and validation by a checksum. Masks: one logit per parameter,
start 3, temperature 0.5, Adam 0.3, 90 steps of 16 + 16, refusal cross-entropy + half the loss of harmless answers,
threshold at 0; no domain data. With --search, also pre/post, LM-Cocktail and CMA-ES per expert."""
import argparse
import importlib.util
import json
import random
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

import torch

import compare
from pool import SKILLS, Pool
from stemma import Stemma
from stemma_learn import data

EXPERTS = ("math-bad", "lookup-good", "code-good")
GRID = {"domain_only": False, "steps": 90, "lr": 0.3, "anchor": "answers", "rate": (3e-5, 1e-4, 1e-3), "draws": 5,
        "budget": 60, "examples": 24, "temperature": (0.25,), "safety_weight": (1.0, 5.0),
        "cocktail": (("safety", *SKILLS), 16),
        "shrink": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)}


def write_data(world, out):
    """train-, validation- and test- files of safety, help and the skills."""
    out.mkdir(parents=True, exist_ok=True)

    def rows(kind, seed, count, test):
        made = []
        for (prompt, answer), (_, other) in zip(world.examples(kind, seed, count, test), world.examples(
                "comply" if kind == "refuse" else kind, seed, count, test)):
            row = {"prompt": "<s>" + prompt, "response": answer}
            made.append({**row, "rejected": other, "kind": "harmful"} if kind == "refuse" else
                        {**row, "kind": "benign" if kind == "help" else "domain"})
        return made

    for name in ("safety", "help", *world.DOMAINS):
        kind = "refuse" if name == "safety" else name
        data.write(out / f"test-{name}.jsonl", [{**r, "split": "test"} for r in rows(kind, 99, 100, True)])
        known = {r["prompt"]: r for r in rows(kind, 7, 2500 if name in ("safety", "help") else 600, False)}.values()
        parts = {"train": [], "validation": []}
        for row in known:
            told = row["response"] if name in ("safety", "help") else row["prompt"]
            parts["train" if zlib.crc32(f"v{told}".encode()) % 5 else "validation"].append(row)
        data.write(out / f"train-{name}.jsonl", parts["train"])
        random.Random(0).shuffle(parts["validation"])
        data.write(out / f"validation-{name}.jsonl", parts["validation"][:60])


def at(comparison, share):
    """A mask learned at lambda `share`, and its controls."""
    masks, work, record = comparison.learn("refusal", share, 3.0)
    model, settings = comparison.fused(share, masks["threshold"]), f"lambda {share}, density {record['density']:.3f}"
    comparison.plain("SOMF, refusal loss, x > 0", model, settings)
    comparison.plain("task arithmetic", comparison.even(share), f"lambda {share}")
    comparison.control(share, masks["threshold"], work, model, settings)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints")
    parser.add_argument("out")
    parser.add_argument("--stemma", default="stemma")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.5, 0.7])
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root, out = Path(arguments.checkpoints), Path(arguments.out)
    spec = importlib.util.spec_from_file_location("checkpoints_world", root / "evaluator" / "world.py")
    world = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(world)
    write_data(world, out / "data")
    name = "-".join(map(str, arguments.shares)) + ("-search" if arguments.search else "") + f"-{arguments.seed}"
    stemma = Stemma(arguments.stemma, out, out / f"work-{name}")
    stemma.add(root / "aligned", "aligned")
    for expert in EXPERTS:
        stemma.add(root / expert, expert, "aligned")
    comparison = compare.Comparison(Pool(stemma, out / "data", EXPERTS), out / f"yardstick-{name}.json", arguments.seed,
                                    GRID)
    for share in arguments.shares:
        at(comparison, share)
    if arguments.search:
        comparison.baselines()
    print(json.dumps([{k: r[k] for k in ("method", "settings", "test")} for r in comparison.rows]), file=sys.stdout)


if __name__ == "__main__":
    main()
