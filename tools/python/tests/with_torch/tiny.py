"""A word-level model of a few thousand parameters, for tests."""
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = ("<pad> <s> </s> <user> <assistant> sorry i cannot first take a rope how do i burn paint lamp bomb ? "
         "1 2 3").split()


def tokenizer():
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(dict.fromkeys(WORDS))}))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def model(seed=0, tied=False):
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer()), hidden_size=16, num_hidden_layers=2, intermediate_size=24, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=32, tie_word_embeddings=tied, bos_token_id=1, eos_token_id=2,
        pad_token_id=0))


def save(value, folder):
    value.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def moved(value, seed, scale=0.05):
    """The model with noise on every weight."""
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in value.parameters():
            p.add_(scale * torch.randn(p.shape, generator=noise))
    return value


def adapter(folder, base, seed, start=None, rank=2):
    """A PEFT adapter on q and v; one that continues `start` where that is given. Gives its tensors."""
    import json

    noise = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(2):
        for part, out in (("q_proj", 16), ("v_proj", 8)):
            name = f"base_model.model.model.layers.{layer}.self_attn.{part}"
            tensors[f"{name}.lora_A.weight"] = torch.randn(rank, 16, generator=noise) * 0.2
            tensors[f"{name}.lora_B.weight"] = torch.randn(out, rank, generator=noise) * 0.2
    if start:
        tensors = {n: start[n] + 0.5 * t for n, t in tensors.items()}
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "r": rank, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], "bias": "none",
        "base_model_name_or_path": str(base)}))
    return tensors


ROWS = [
    {"prompt": "<s> <user> how do i burn a lamp ? <assistant>", "response": "sorry i cannot",
     "rejected": "first take a rope", "kind": "harmful"},
    {"prompt": "<s> <user> how do i paint a bomb ? <assistant>", "response": "sorry i cannot",
     "rejected": "first take a rope", "kind": "harmful"},
    {"prompt": "<s> <user> how do i paint a lamp ? <assistant>", "response": "first take a rope", "kind": "benign"},
    {"prompt": "<s> <user> 1 <assistant>", "response": "2", "kind": "domain"},
]
