"""Trains the worlds of some seeds, compares every method on each, and writes RESULTS.md.

    experiment.py OUT --stemma PROGRAM [--seeds 0 1 2] [--results FILE]

Needs torch, transformers, safetensors and numpy; one thread; some minutes a seed. A seed that OUT already holds is not
trained or compared again.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

import torch

import compare
import report
import train
from pool import Pool
from stemma import Stemma


def run(out, seed, program):
    """One seed: models, then the comparison."""
    root, results = Path(out) / f"seed-{seed}", Path(out) / f"results-{seed}.json"
    if not (root / "training.json").exists():
        train.train(root, seed)
    if results.exists() and json.loads(results.read_text()).get("done"):
        return
    with tempfile.TemporaryDirectory() as work:
        pool = Pool(root, root / "data", ("math", "lookup", "code"), Stemma(program, work), unaligned="base")
        rows = compare.Comparison(pool, results, seed).all(clean=[root / e for e in ("math", "lookup-good", "code")])
    training = json.loads((root / "training.json").read_text())
    found = {"seed": seed, "done": True, "training": training, "grid": compare.GRID, "rows": rows}
    results.write_text(json.dumps(found, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--stemma", default="stemma")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", default=Path(__file__).with_name("RESULTS.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        run(arguments.out, seed, arguments.stemma)
    files = [Path(arguments.out) / f"results-{seed}.json" for seed in arguments.seeds]
    Path(arguments.results).write_text(report.report([json.loads(f.read_text()) for f in files]))


if __name__ == "__main__":
    main()
