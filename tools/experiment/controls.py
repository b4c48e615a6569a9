"""What a learned mask has to beat: random masks as dense, deltas as long, and its own loss without a mask."""
import json

import torch

from stemma_learn import data, job as jobs, models
from stemma_learn.losses import Objective, generator


def random_mask(mask, seed):
    """A mask with as many ones in each tensor, at places drawn evenly."""
    out = {}
    for name, bits in sorted(mask.items()):
        order = torch.randperm(bits.numel(), generator=generator(seed, "random mask", name))
        flat = torch.zeros(bits.numel(), dtype=torch.bool)
        flat[order[:int(bits.sum())]] = True
        out[name] = flat.reshape(bits.shape)
    return out


def distance(one, other):
    """The length of the difference of two models."""
    a, b = dict(models.tensors(one)), dict(models.tensors(other))
    return sum(float((a[n] - b[n]).double().square().sum()) for n in a) ** 0.5


def without_mask(job, plain, rate, stemma, name):
    """The learner's loss, data, batches and steps, but Adam moves the plain fused model's weights themselves."""
    job = jobs.parse(json.dumps({**job, "version": jobs.VERSION, "out": "unused"}))
    model, tokenizer = models.load(plain)
    fixed = {0.0: models.load(job.aligned)[0], 1.0: models.load(plain)[0]}
    sets = [data.read(entry, refuse_test=True) for entry in job.data]
    objective = Objective(job, sets, tokenizer, lambda share: fixed[share], lambda step: fixed[0.0])
    model.requires_grad_(True)
    adam = torch.optim.Adam(model.parameters(), lr=rate)
    for step in range(int(job.hyper["steps"])):
        loss = objective.loss(model, step)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    return stemma.write(plain, {n: p.detach() for n, p in model.named_parameters()}, name), loss.item()
