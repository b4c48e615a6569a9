"""What a learned mask has to beat, beside random masks: deltas as long, and its own loss without a mask."""
import safetensors.torch
import torch

from stemma_learn import data, job as jobs, models
from stemma_learn.losses import Objective


def distance(one, other):
    """The length of the difference of two models."""
    a, b = dict(models.tensors(one)), dict(models.tensors(other))
    return sum(float((a[n] - b[n]).double().square().sum()) for n in a) ** 0.5


def without_mask(job, plain, rate, out):
    """A learner's job (its file): same loss, data, batches and steps, but Adam moves the plain fused model's weights
    themselves. Writes the folder `out`."""
    job = jobs.parse(job.read_text())
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
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out
