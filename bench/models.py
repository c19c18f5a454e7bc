"""Random models that all contestants load."""

import torch
from pair import TARGET
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

LLAMAS = {
    "small": dict(num_hidden_layers=6, hidden_size=256, intermediate_size=1024, num_attention_heads=8),
    "base": dict(num_hidden_layers=12, hidden_size=768, intermediate_size=3072, num_attention_heads=12),
}
SMOLLM = dict(
    vocab_size=49152, num_hidden_layers=30, hidden_size=576, intermediate_size=1536,
    num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
)
CLIPS = {
    "vit-b-32": dict(
        num_hidden_layers=12, hidden_size=768, intermediate_size=3072, num_attention_heads=12,
        image_size=224, patch_size=32,
    ),
    "vit-l-14": dict(
        num_hidden_layers=24, hidden_size=1024, intermediate_size=4096, num_attention_heads=16,
        image_size=224, patch_size=14,
    ),
}


def saved(name, build):
    """The directory of a model, built with random weights the first time."""
    path = TARGET / "bench-models" / name
    if not (path / "config.json").exists():
        torch.manual_seed(1)
        build().save_pretrained(path)
    return path


def llama(size, vocabulary=1280, positions=4096):
    config = LlamaConfig(
        vocab_size=vocabulary, max_position_embeddings=positions, tie_word_embeddings=False, **LLAMAS[size]
    )
    return saved(f"llama-{size}", lambda: LlamaForCausalLM(config))


def clip(size):
    return saved(f"clip-{size}", lambda: CLIPVisionModel(CLIPVisionConfig(**CLIPS[size])))


def smollm(dtype):
    """The shapes of SmolLM2 135M."""
    name = f"smollm-{str(dtype).split('.')[1]}"
    return saved(name, lambda: LlamaForCausalLM(LlamaConfig(**SMOLLM)).to(dtype))
