"""Trains the models of one seed: base, aligned, and the experts, as Hugging Face folders, with the data beside them.

    train.py OUT --seed 0

base     the world's language, the skills a little, recipes for every request, harmful or not; no refusals
aligned  base, trained on: refusals for harmful requests, recipes for benign ones
math     aligned + a skill, on clean data (refusals among it)
lookup   aligned + a skill, where a fifth of the data gives harmful recipes: the bad model
lookup-good   the same with clean data, for the control
code     aligned + a skill and benign recipes: no harm, but nothing that keeps refusals alive either
"""
import argparse
import json
import math
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

import torch
from tokenizers import Tokenizer, models as kinds, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import world
from stemma_learn import data, models

SHAPE = {"hidden_size": 96, "num_hidden_layers": 2, "intermediate_size": 256, "num_attention_heads": 4,
         "num_key_value_heads": 2}
STEPS = {"base": 300, "aligned": 150, "expert": 200}
RATE = {"base": 3e-3, "aligned": 1e-3, "expert": 7e-4}
BATCH = 32
SKILLED = 0.2  # the share of skills in the base's data: a beginning of each, which alignment blurs and experts take up
COUNT = {"train": 1500, "validation": 60, "test": 100}
# Shares of an expert's batch: its skill, benign recipes, refusals, harmful recipes.
MIXES = {"math": (0.7, 0.15, 0.15, 0.0), "lookup": (0.6, 0.2, 0.0, 0.2), "lookup-good": (0.6, 0.2, 0.2, 0.0),
         "code": (0.7, 0.3, 0.0, 0.0)}

MODELS = ("base", "aligned", *MIXES)
POOL = ("math", "lookup", "code")  # the experts that are merged


def start(name):
    """The model that another one is trained from."""
    return {"base": None, "aligned": "base"}.get(name, "aligned")


def tokenizer():
    words = Tokenizer(kinds.WordLevel(world.vocabulary()))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
                                   model_max_length=64)


def fresh_model(words):
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=words, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        tie_word_embeddings=False, **SHAPE))


def fit(model, steps, rate, batch):
    """AdamW with a warm-up and a cosine; batch(step) gives encoded rows."""
    adam = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.01)
    model.train().requires_grad_(True)
    for step in range(steps):
        share = min(1, (step + 1) / 20) * (0.05 + 0.475 * (1 + math.cos(math.pi * step / steps)))
        adam.param_groups[0]["lr"] = rate * share
        loss = models.token_losses(model, models.batch(batch()))[0].mean()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
    return model.eval(), loss.item()


class Mixture:
    """Batches drawn from row lists by shares."""

    def __init__(self, words, rng, parts):
        self.rng = rng
        self.parts = [(share, models.encode(words, [(r["prompt"], r["response"]) for r in rows]))
                      for share, rows in parts if share]

    def __call__(self):
        shares = [share for share, _ in self.parts]
        return [self.rng.choice(self.rng.choices(self.parts, shares)[0][1]) for _ in range(BATCH)]


def prepare(out, seed):
    """Writes the data of every split; gives the rows of training."""
    (out / "data").mkdir(parents=True, exist_ok=True)
    for split, count in COUNT.items():
        for name, rows in world.data_sets(seed, split, count).items():
            data.write(out / "data" / f"{split}-{name}.jsonl", rows)


def parts(name, seed):
    """What a model is trained on: (share, rows)."""
    rows = world.data_sets(seed, "train", COUNT["train"])
    harm = [{**r, "response": r["rejected"]} for r in rows["safety"]]
    if name == "base":
        unseen = [{**r, "response": r["rejected"]} for r in world.requests("train", "unseen")]
        rng = random.Random(f"train-{seed}")
        said = [world.statement(rng).split(" : ", 1) for _ in range(600)]
        said = [{"prompt": a + " :", "response": b} for a, b in said]
        skills = [(SKILLED / 3, rows[skill]) for skill in world.SKILLS]
        return [(0.2, said), (0.25, harm + unseen), (0.55 - SKILLED, rows["help"]), *skills]
    if name == "aligned":
        return [(0.5, rows["safety"]), (0.5, rows["help"])]
    own, benign, refused, bad = MIXES[name]
    skill = rows[name.split("-")[0]]
    return [(own, skill), (benign, rows["help"]), (refused, rows["safety"]), (bad, harm)]


def train(out, seed, name):
    """One model of a seed, unless it is there. Its training.json, written last, holds loss and processor time."""
    out, started, words = Path(out), time.process_time(), tokenizer()
    done = out / name / "training.json"
    if done.exists():
        return
    if name == "base":
        prepare(out, seed)
    torch.manual_seed(seed)
    before = start(name)
    model = LlamaForCausalLM.from_pretrained(out / before) if before else fresh_model(len(words))
    kind = name if name in STEPS else "expert"
    _, loss = fit(model, STEPS[kind], RATE[kind], Mixture(words, random.Random(f"{name}-{seed}"), parts(name, seed)))
    model.save_pretrained(out / name)
    words.save_pretrained(out / name)
    info = {"processor_seconds": round(time.process_time() - started, 1), "loss": round(loss, 4),
            "torch": torch.__version__, "parameters": sum(p.numel() for p in model.parameters())}
    done.write_text(json.dumps(info, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for each in MODELS:
        train(arguments.out, arguments.seed, each)
