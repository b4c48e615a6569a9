"""Searches over a few numbers: CMA-ES (Hansen's constants) and LM-Cocktail's weights.

The budget is in evaluations. Stands in for `stemma tune`."""
import math

import numpy as np


def cma_es(cost, start, sigma, budget, seed, low=-0.5, high=1.5):
    """The best point of at most `budget` evaluations, its cost, and every evaluation. Points stay in [low, high]."""
    random, mean = np.random.default_rng(seed), np.array(start, float)
    n = len(mean)
    size = 4 + int(3 * math.log(n))
    mu = size // 2
    w = math.log((size + 1) / 2) - np.log(np.arange(1, mu + 1))
    w /= w.sum()
    eff = 1 / (w**2).sum()
    cs, cc = (eff + 2) / (n + eff + 5), (4 + eff / n) / (n + 4 + 2 * eff / n)
    ds = 1 + 2 * max(0, math.sqrt((eff - 1) / (n + 1)) - 1) + cs
    c1 = 2 / ((n + 1.3) ** 2 + eff)
    cmu = min(1 - c1, 2 * (eff - 2 + 1 / eff) / ((n + 2) ** 2 + eff))
    normal = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
    shape, ps, pc, history = np.eye(n), np.zeros(n), np.zeros(n), []
    first = [float(v) for v in mean]
    history.append((cost(first), first))
    generation = 0
    while len(history) < budget:
        generation += 1
        values, axes = np.linalg.eigh(shape)
        root = axes * np.sqrt(np.maximum(values, 1e-20))
        steps = [root @ random.standard_normal(n) for _ in range(min(size, budget - len(history)))]
        points = [np.clip(mean + sigma * y, low, high) for y in steps]
        found = [(cost([float(v) for v in x]), i) for i, x in enumerate(points)]
        history += [(c, [float(v) for v in points[i]]) for c, i in found]
        if len(steps) < size:
            break
        best = [(points[i] - mean) / sigma for _, i in sorted(found)[:mu]]
        y = sum(a * b for a, b in zip(w, best))
        mean = mean + sigma * y
        inverse = axes @ np.diag(1 / np.sqrt(np.maximum(values, 1e-20))) @ axes.T
        ps = (1 - cs) * ps + math.sqrt(cs * (2 - cs) * eff) * (inverse @ y)
        length = np.linalg.norm(ps)
        h = length / math.sqrt(1 - (1 - cs) ** (2 * generation)) < (1.4 + 2 / (n + 1)) * normal
        pc = (1 - cc) * pc + h * math.sqrt(cc * (2 - cc) * eff) * y
        shape = ((1 - c1 - cmu + (1 - h) * c1 * cc * (2 - cc)) * shape + c1 * np.outer(pc, pc)
                 + cmu * sum(a * np.outer(b, b) for a, b in zip(w, best)))
        sigma *= math.exp(cs / ds * (length / normal - 1))
    best = min(history)
    return best[1], best[0], history


def cocktail(losses, temperature):
    """softmax(-loss / T): LM-Cocktail's weights over whole models."""
    low = min(losses)
    powers = [math.exp(-(loss - low) / temperature) for loss in losses]
    return [p / sum(powers) for p in powers]
