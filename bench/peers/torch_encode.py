"""`torch_encode.py MODEL_DIR PICTURES`: as `bench/ours/src/bin/encode.rs`, with `transformers`."""

import sys

import torch
from peer import noise, serve
from transformers import CLIPVisionModel

model = CLIPVisionModel.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="sdpa")
side = model.config.image_size
pixels = torch.tensor(noise(int(sys.argv[2]) * 3 * side * side)).view(-1, 3, side, side)


@torch.inference_mode()
def work():
    return [model(pixels).pooler_output.mean().item()]


serve(work)
