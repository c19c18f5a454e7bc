"""Random models that all contestants load."""

import torch
from pair import TARGET
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = {
    "small": dict(num_hidden_layers=6, hidden_size=256, intermediate_size=1024, num_attention_heads=8),
    "base": dict(num_hidden_layers=12, hidden_size=768, intermediate_size=3072, num_attention_heads=12),
}


def llama(size, vocabulary=1280, positions=4096):
    """The directory of a LLaMA of this size."""
    path = TARGET / "bench-models" / f"llama-{size}"
    if not (path / "config.json").exists():
        torch.manual_seed(1)
        config = LlamaConfig(
            vocab_size=vocabulary, max_position_embeddings=positions, tie_word_embeddings=False, **SIZES[size]
        )
        LlamaForCausalLM(config).save_pretrained(path)
    return path
