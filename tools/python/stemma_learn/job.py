"""The job of a mask learner: one JSON object on stdin, checked before anything is loaded."""
import hashlib
import json
from dataclasses import dataclass, field

from .data import entries
from .problem import Problem

VERSION = 1
CHOICES = {
    "space": ("weight", "lora_factor"), "loss": ("dpo", "refusal"), "reference": ("aligned", "half_masked"),
    "rule": ("threshold", "bernoulli"),
}
# Where a hyper-parameter is not given. The paper's values (SOMF, arXiv 2405.09055) where it has one: temperature, init,
# beta, the sampled rule; learning rate, steps and batch are those of its full fine-tunes.
HYPER = {
    "temperature": 0.5, "init": 0.0, "lr": 5e-3, "steps": 500, "batch": 16, "lambda": 0.3, "beta": 0.1, "kl": None,
    "anchor": "aligned", "threads": 0, "save_seconds": 60,
}
ANCHORS = ("aligned", "fused", "answers")


@dataclass(frozen=True)
class Job:
    aligned: str
    tuned: list
    data: list
    out: str
    base: str = None  # the model under the adapters, space lora_factor only
    space: str = "weight"
    loss: str = "dpo"
    reference: str = "aligned"
    rule: str = "bernoulli"
    seed: int = 0
    device: str = "cpu"
    hyper: dict = field(default_factory=lambda: checked_hyper({}, "dpo"))

    def identity(self, models, data):
        """What the result depends on, as a digest: the job without its paths, and models' and data's digests."""
        hyper = {k: v for k, v in self.hyper.items() if k not in ("threads", "save_seconds")}
        value = [VERSION, models, data, self.space, self.loss, self.reference, self.rule, self.seed, hyper]
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def checked_hyper(given, loss):
    unknown = sorted(set(given) - set(HYPER))
    if unknown:
        raise Problem(f"job: unknown hyper-parameter {unknown[0]}; known: {', '.join(HYPER)}")
    hyper = {**HYPER, **given}
    if hyper["kl"] is None:
        hyper["kl"] = 0.5 if loss == "refusal" else 0.0
    for name in ("temperature", "lr", "steps", "batch"):
        if not number(hyper[name]) or hyper[name] <= 0:
            raise Problem(f"job: expected hyper.{name} above 0, found {hyper[name]!r}")
    for name in ("init", "beta", "kl"):
        if not number(hyper[name]):
            raise Problem(f"job: expected hyper.{name}, a number, found {hyper[name]!r}")
    if hyper["anchor"] not in ANCHORS:
        raise Problem(f"job: expected hyper.anchor {', '.join(ANCHORS)}; found {hyper['anchor']!r}")
    return hyper


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def lambdas(job):
    """The weight of each tuned model: one number for all, or a list of one each."""
    given = job.hyper["lambda"]
    listed = [given] * len(job.tuned) if number(given) else given
    if not isinstance(listed, list) or len(listed) != len(job.tuned) or not all(map(number, listed)):
        raise Problem(f"job: expected hyper.lambda, a number or {len(job.tuned)} of them, found {given!r}")
    return listed


def parse(text):
    """A checked Job from the text of stdin."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise Problem(f"job: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Problem(f"job: expected an object, found {type(value).__name__}")
    if value.get("version") != VERSION:
        raise Problem(f"job: expected version {VERSION}, found {value.get('version')!r}; use a stemma-learn that fits")
    unknown = sorted(set(value) - set(Job.__dataclass_fields__) - {"version"})
    if unknown:
        raise Problem(f"job: unknown key {unknown[0]}")
    for key in ("aligned", "out"):
        if not isinstance(value.get(key), str):
            raise Problem(f"job: expected '{key}', a folder, found {value.get(key)!r}")
    tuned = value.get("tuned")
    if not isinstance(tuned, list) or not tuned or not all(isinstance(t, str) for t in tuned):
        raise Problem(f"job: expected 'tuned', a list of folders, found {tuned!r}")
    for key, choices in CHOICES.items():
        if key in value and value[key] not in choices:
            raise Problem(f"job: expected {key} {' or '.join(choices)}, found {value[key]!r}")
    if not isinstance(value.get("seed", 0), int):
        raise Problem(f"job: expected 'seed', an integer, found {value['seed']!r}")
    entries(value.get("data"), "job")
    fields = {k: v for k, v in value.items() if k != "version"}
    fields["hyper"] = checked_hyper(fields.get("hyper") or {}, fields.get("loss", "dpo"))
    job = Job(**fields)
    lambdas(job)
    return job
