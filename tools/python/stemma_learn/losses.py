"""What a mask is trained for: preference or refusal on harmful prompts, and an anchor on harmless ones.

preference  -log sigmoid(beta ((log p(y+) - log ref(y+)) - (log p(y-) - log ref(y-)))), DPO's sigmoid form
refusal     cross-entropy of the refusing answers, mean over their tokens
anchor      times kl: KL(ref || fused), mean over the tokens of harmless answers, where ref is the aligned model or the
            plain (unmasked) fused model; or "answers", the cross-entropy of those answers themselves
"""
import torch
import torch.nn.functional as F

from . import models
from .problem import Problem


def generator(*parts):
    """A CPU generator whose stream depends on the parts alone: a resumed run draws what an unbroken one would."""
    import hashlib

    seed = int.from_bytes(hashlib.sha256("\n".join(map(str, parts)).encode()).digest()[:8], "little") >> 1
    return torch.Generator().manual_seed(seed)


class Objective:
    """The loss of a job at a step. `forward` functions map a batch to the model's output."""

    def __init__(self, job, sets, tokenizer, plain, reference):
        """plain(share) is the unmasked model, share 0 the aligned one; reference(step) is DPO's."""
        self.job, self.plain, self.reference = job, plain, reference
        harmful = [row for s in sets for row in s.of("harmful")]
        benign = [row for s in sets for row in s.of("benign", "domain")]
        if not harmful:
            raise Problem("data: no harmful row; a mask learns from rows of kind harmful")
        if job.loss == "dpo" and any(row.rejected is None for row in harmful):
            raise Problem("data: a harmful row has no 'rejected' answer, which the dpo loss compares with")
        if job.hyper["kl"] and not benign:
            raise Problem("data: no benign or domain row for the anchor; add some, or set hyper.kl to 0")
        self.good = models.encode(tokenizer, [(r.prompt, r.response) for r in harmful])
        self.bad = models.encode(tokenizer, [(r.prompt, r.rejected) for r in harmful]) if job.loss == "dpo" else None
        self.harmless = models.encode(tokenizer, [(r.prompt, r.response) for r in benign])

    def pick(self, count, step, what):
        """Rows of a step's batch, without repetition within it."""
        order = torch.randperm(count, generator=generator(self.job.seed, "batch", what, step))
        return order[:int(self.job.hyper["batch"])].tolist()

    def rows(self, encoded, chosen):
        return models.batch([encoded[i] for i in chosen], self.job.device)

    def loss(self, forward, step):
        """The whole loss of a step; `forward` carries the gradients."""
        chosen = self.pick(len(self.good), step, "harmful")
        value = (self.preference if self.job.loss == "dpo" else self.refusal)(forward, chosen, step)
        weight = self.job.hyper["kl"]
        return value + weight * self.anchor(forward, step) if weight else value

    def refusal(self, forward, chosen, step):
        return models.token_losses(forward, self.rows(self.good, chosen))[0].mean()

    def preference(self, forward, chosen, step):
        def margin(run):
            values = []
            for encoded in (self.good, self.bad):
                losses, row = models.token_losses(run, self.rows(encoded, chosen))
                values.append(-models.row_sums(losses, row, len(chosen)))
            return values[0] - values[1]

        with torch.no_grad():
            reference = margin(self.reference(step))
        return -F.logsigmoid(self.job.hyper["beta"] * (margin(forward) - reference)).mean()

    def anchor(self, forward, step):
        rows = self.rows(self.harmless, self.pick(len(self.harmless), step, "harmless"))
        kind = self.job.hyper["anchor"]
        if kind == "answers":
            return models.token_losses(forward, rows)[0].mean()
        with torch.no_grad():
            reference = models.answer_logits(self.plain(0.0 if kind == "aligned" else 1.0), rows)[0].log_softmax(-1)
        found = models.answer_logits(forward, rows)[0].log_softmax(-1)
        return F.kl_div(found, reference, reduction="sum", log_target=True) / len(found)
