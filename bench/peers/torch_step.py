"""`torch_step.py MODEL_DIR forward|train BATCH TOKENS`: as `bench/ours/src/bin/step.rs`, with
`transformers` on PyTorch: scaled-dot-product attention, fused AdamW."""

import sys

import torch
from peer import ids, serve
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="sdpa")
mode, batch, tokens = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
batch = torch.tensor(ids(batch, tokens, model.config.vocab_size))
model.config.use_cache = False


def forward():
    with torch.inference_mode():
        return [model(batch).logits.mean().item()]


matrices = [p for p in model.parameters() if p.ndim > 1]
vectors = [p for p in model.parameters() if p.ndim <= 1]
groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
optimiser = torch.optim.AdamW(groups, lr=1e-4, fused=True)


def train():
    loss = model(batch, labels=batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return [loss.item()]


serve({"forward": forward, "train": train}[mode])
