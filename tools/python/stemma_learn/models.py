"""Causal language models in the Hugging Face layout: reading, encoding, forward passes, likelihoods of answers."""
import hashlib
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from .problem import Problem

logging.disable_progress_bar()  # stderr is for the one line that says why a program failed

IGNORED = -100  # the label of a token that does not count


def load(folder, device="cpu"):
    """Model (f32, no gradients, no dropout) and tokenizer of a folder."""
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise Problem(f"model {folder}: cannot be loaded: {error}") from None
    return model.to(device).eval().requires_grad_(False), tokenizer


def weight_files(folder, adapter=False):
    """The safetensors files of a folder: the index's, or the single one."""
    folder = Path(folder)
    index = folder / "model.safetensors.index.json"
    if not adapter and index.exists():
        return [folder / n for n in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    name = "adapter_model.safetensors" if adapter else "model.safetensors"
    if not (folder / name).exists():
        raise Problem(f"{folder}: expected {name}; only safetensors are read")
    return [folder / name]


def tensors(folder, device="cpu", adapter=False):
    """(name, tensor as f32) one after another, so that a caller need not hold a second model."""
    for path in weight_files(folder, adapter):
        with safe_open(path, framework="pt", device=str(device)) as file:
            for name in sorted(file.keys()):
                yield name, file.get_tensor(name).float()


def digest(folder, adapter=False):
    """SHA-256 over the bytes of the weight files."""
    whole = hashlib.sha256()
    for path in weight_files(folder, adapter):
        with open(path, "rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def prompt_text(tokenizer, prompt):
    """A prompt is a finished text; messages go through the tokenizer's chat template."""
    if isinstance(prompt, str):
        return prompt
    return tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)


def encode(tokenizer, pairs):
    """(prompt, answer) pairs -> [(ids, number of prompt ids)]. Special tokens are those in the prompt's own text,
    and one end token after the answer."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    out = []
    for prompt, answer in pairs:
        first = tokenizer.encode(prompt_text(tokenizer, prompt), add_special_tokens=False)
        if not first:
            raise Problem(f"the prompt {prompt!r} has no token in this tokenizer")
        out.append((first + tokenizer.encode(answer, add_special_tokens=False) + end, len(first)))
    return out


def batch(encoded, device="cpu"):
    """Ids, attention mask and labels, padded on the right; only the answer's tokens have labels."""
    width = max(len(ids) for ids, _ in encoded)
    x = torch.zeros(len(encoded), width, dtype=torch.long)
    seen, y = torch.zeros_like(x), torch.full_like(x, IGNORED)
    for i, (ids, prompt) in enumerate(encoded):
        x[i, :len(ids)] = torch.tensor(ids)
        y[i, prompt:len(ids)] = torch.tensor(ids[prompt:])
        seen[i, :len(ids)] = 1
    return x.to(device), seen.to(device), y.to(device)


def answer_logits(forward, rows):
    """Logits at the places of the answers' tokens, those tokens, and each one's row: [n, vocabulary], [n], [n]."""
    x, seen, y = rows
    logits = forward(input_ids=x, attention_mask=seen, use_cache=False).logits[:, :-1]
    target = y[:, 1:]
    where = target != IGNORED
    return logits[where].float(), target[where], where.nonzero()[:, 0]


def token_losses(forward, rows):
    """Cross-entropy of each answer token, and its row."""
    logits, target, row = answer_logits(forward, rows)
    return F.cross_entropy(logits, target, reduction="none"), row


def row_sums(values, row, count):
    return torch.zeros(count, dtype=values.dtype, device=values.device).index_add(0, row, values)
