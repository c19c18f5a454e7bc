"""`torch_step.py MODEL_DIR forward|train BATCH TOKENS`: as `bench/ours/src/bin/step.rs`, with
`transformers` on PyTorch (scaled-dot-product attention)."""

import sys

import torch
from peer import ids, serve
from torch_training import serve_steps
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="sdpa")
mode, batch, tokens = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
batch = torch.tensor(ids(batch, tokens, model.config.vocab_size))
model.config.use_cache = False


@torch.inference_mode()
def forward():
    return [model(batch).logits.mean().item()]


if mode == "forward":
    serve(forward)
else:
    serve_steps(model, input_ids=batch, labels=batch)
