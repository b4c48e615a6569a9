"""Where a mask lives: on the entries of the weights, or on the factors of LoRA adapters.

A space holds the aligned point a and the weighted sum d of the task vectors, tensor by tensor. One mask is shared by
all tasks, so masking every task vector and summing is masking the sum: fused = a + d * m / mean(m), per tensor."""
import json
import math
from pathlib import Path

import torch

from . import models
from .problem import Problem


def sum_of_task_vectors(aligned, folders, lambdas, device, adapter):
    """sum of lambda_k (tuned_k - aligned), by name; keys and shapes must be the aligned model's."""
    total = {name: torch.zeros_like(value) for name, value in aligned.items()}
    for folder, weight in zip(folders, lambdas):
        found = set()
        for name, value in models.tensors(folder, device, adapter):
            if name not in total or value.shape != total[name].shape:
                expected = tuple(total[name].shape) if name in total else "no such tensor"
                raise Problem(f"tuned {folder}, tensor {name}: expected {expected}, found {tuple(value.shape)}")
            total[name].add_(value - aligned[name], alpha=weight)
            found.add(name)
        missing = sorted(set(total) - found)
        if missing:
            raise Problem(f"tuned {folder}: the aligned model's tensor {missing[0]} is missing")
    return total


class Weights:
    """Task vectors between whole models."""

    def __init__(self, job, lambdas):
        self.model, self.tokenizer = models.load(job.aligned, job.device)
        self.aligned = dict(models.tensors(job.aligned, job.device))
        parameters = dict(self.model.named_parameters(remove_duplicate=False))
        strange = sorted(set(self.aligned) - set(parameters))
        if strange:
            raise Problem(f"aligned {job.aligned}, tensor {strange[0]}: transformers has no parameter of this name")
        tied = {}  # one parameter may be stored under two names; the first carries the mask
        for name in list(self.aligned):
            if tied.setdefault(id(parameters[name]), name) != name:
                raise Problem(f"aligned {job.aligned}, tensor {name}: tied to {tied[id(parameters[name])]} and stored"
                              " twice; store it once")
        self.delta = sum_of_task_vectors(self.aligned, job.tuned, lambdas, job.device, adapter=False)

    def weights(self, mask=None, share=1.0):
        """The model's tensors: aligned + share * delta, with the mask where there is one."""
        if share == 0:
            return self.aligned
        if mask is None:
            return {n: a + share * self.delta[n] for n, a in self.aligned.items()}
        return {n: a + self.delta[n] * (mask[n] * (1 / mask[n].mean())) for n, a in self.aligned.items()}

    def forward(self, mask=None, share=1.0):
        """The fused model as a function of a batch; share 0 is the aligned model."""
        weights = self.weights(mask, share)
        return lambda **inputs: torch.func.functional_call(self.model, weights, args=(), kwargs=inputs)


class Factors(Weights):
    """Task vectors between adapters that continue one adapter: differences of A and of B, not of B A."""

    def __init__(self, job, lambdas):
        config = json.loads((Path(job.aligned) / "adapter_config.json").read_text())
        refuse_unknown_adapters(config, job.aligned)
        base = job.base or config.get("base_model_name_or_path")
        if not base or not Path(base).is_dir():
            raise Problem(f"aligned {job.aligned}: its base model {base!r} is no folder; give 'base' in the job")
        self.model, self.tokenizer = models.load(base, job.device)
        self.parameters = dict(self.model.named_parameters())
        self.aligned = dict(models.tensors(job.aligned, job.device, adapter=True))
        self.delta = sum_of_task_vectors(self.aligned, job.tuned, lambdas, job.device, adapter=True)
        self.places = {name: place(name, self.parameters, job.aligned) for name in self.aligned if ".lora_A." in name}
        others = [n for n in self.aligned if n not in self.places]
        lonely = [n for n in others if n.replace(".lora_B.", ".lora_A.") not in self.places]
        if lonely:
            raise Problem(f"aligned {job.aligned}, tensor {lonely[0]}: expected pairs of lora_A and lora_B only")
        alpha, root = config["lora_alpha"], bool(config.get("use_rslora"))
        self.scale = {n: alpha / (math.sqrt(a.shape[0]) if root else a.shape[0])
                      for n, a in self.aligned.items() if n in self.places}

    def forward(self, mask=None, share=1.0):
        factors = self.weights(mask, share)
        weights = {p: self.parameters[p] + self.scale[n] * (factors[n.replace(".lora_A.", ".lora_B.")] @ factors[n])
                   for n, p in self.places.items()}
        return lambda **inputs: torch.func.functional_call(self.model, weights, args=(), kwargs=inputs)


def place(name, parameters, folder):
    """The parameter that an adapter's tensor changes."""
    target = name.removeprefix("base_model.model.").split(".lora_A.")[0] + ".weight"
    if target not in parameters:
        raise Problem(f"adapter {folder}, tensor {name}: the base model has no parameter {target}")
    return target


def refuse_unknown_adapters(config, folder):
    """Adapters whose update is not scale * B A are refused, by the name of what makes them so."""
    simple = {"use_dora": False, "fan_in_fan_out": False, "bias": "none", "modules_to_save": None, "alpha_pattern": {},
              "rank_pattern": {}, "lora_bias": False}
    for key, value in simple.items():
        found = config.get(key, value)
        if found != value and found:
            raise Problem(f"adapter {folder}: {key} is {found!r}; masks on factors take plain LoRA only")


def space_of(job, lambdas):
    return Weights(job, lambdas) if job.space == "weight" else Factors(job, lambdas)
