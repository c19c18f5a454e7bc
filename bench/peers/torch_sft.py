"""`torch_sft.py MODEL_DIR BATCH TOKENS`: as `bench/ours/src/bin/sft.rs`, with `transformers`."""

import sys

import torch
from peer import ids, noise
from torch_training import serve_steps
from transformers import LlavaForConditionalGeneration

SPECIAL = 8  # ids below are special
model = LlavaForConditionalGeneration.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="sdpa")
batch, tokens = int(sys.argv[2]), int(sys.argv[3])
config = model.config
side = config.vision_config.image_size
visual = (side // config.vision_config.patch_size) ** 2
pixels = torch.tensor(noise(3 * side * side)).view(1, 3, side, side).repeat(batch, 1, 1, 1)
text = SPECIAL + torch.tensor(ids(batch, tokens, config.text_config.vocab_size - SPECIAL))
text = torch.cat([torch.full((batch, visual), config.image_token_id), text], 1)
labels = text.clone()
labels[:, : visual + tokens // 2] = -100
config.text_config.use_cache = False
serve_steps(model, input_ids=text, attention_mask=torch.ones_like(text), pixel_values=pixels, labels=labels)
