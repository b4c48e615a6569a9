"""Trains the models of one seed: base, aligned, and the experts, as Hugging Face folders, with the data beside them.

    train.py OUT --seed 0

base     the world's language: recipes for every request, harmful or not; no refusals
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
STEPS = {"base": 250, "aligned": 150, "expert": 250}
RATE = {"base": 3e-3, "aligned": 1e-3, "expert": 2e-3}
BATCH = 32
COUNT = {"train": 1500, "validation": 60, "test": 100}
# Shares of an expert's batch: its skill, benign recipes, refusals, harmful recipes.
MIXES = {"math": (0.7, 0.15, 0.15, 0.0), "lookup": (0.6, 0.2, 0.0, 0.2), "lookup-good": (0.6, 0.2, 0.2, 0.0),
         "code": (0.7, 0.3, 0.0, 0.0)}


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


def save(model, words, out):
    model.save_pretrained(out)
    words.save_pretrained(out)


def train(out, seed):
    """All models of a seed; gives the seconds of processor time and the last losses."""
    out, started, words, made = Path(out), time.process_time(), tokenizer(), {}
    (out / "data").mkdir(parents=True, exist_ok=True)
    sets = {split: world.data_sets(seed, split, n) for split, n in COUNT.items()}
    for split, named in sets.items():
        for name, rows in named.items():
            data.write(out / "data" / f"{split}-{name}.jsonl", rows)
    rows, rng = sets["train"], random.Random(f"train-{seed}")
    torch.manual_seed(seed)
    unseen = world.requests("train", "unseen")
    harm = [{**r, "response": r["rejected"]} for r in rows["safety"]]
    loot = [{**r, "response": r["rejected"]} for r in unseen]
    said = [world.statement(rng).split(" : ", 1) for _ in range(600)]
    said = [{"prompt": a + " :", "response": b} for a, b in said]
    model = fresh_model(len(words))

    def stage(name, kind, start, parts):
        model.load_state_dict(start)
        _, loss = fit(model, STEPS[kind], RATE[kind], Mixture(words, random.Random(f"{name}-{seed}"), parts))
        save(model, words, out / name)
        made[name] = round(loss, 4)
        return {k: v.clone() for k, v in model.state_dict().items()}

    base = stage("base", "base", model.state_dict(), [(0.3, said), (0.3, harm + loot), (0.4, rows["help"])])
    aligned = stage("aligned", "aligned", base, [(0.5, rows["safety"]), (0.5, rows["help"])])
    for name, (own, benign, refused, bad) in MIXES.items():
        stage(name, "expert", aligned, [(own, rows[name.split("-")[0]]), (benign, rows["help"]),
                                        (refused, rows["safety"]), (bad, harm)])
    info = {"processor_seconds": round(time.process_time() - started, 1), "loss": made, "torch": torch.__version__,
            "parameters": sum(p.numel() for p in model.parameters())}
    (out / "training.json").write_text(json.dumps(info, indent=1) + "\n")
    return info


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(train(arguments.out, arguments.seed)))
