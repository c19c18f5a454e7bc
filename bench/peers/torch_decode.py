"""`torch_decode.py [--f32] MODEL PROMPT_TOKENS NEW_TOKENS`: as `bench/ours/src/bin/decode.rs`, with
`transformers`: a GGUF file packed as it is, with activations in bf16 (faster here) or f32 (its
default), another checkpoint in its own precision."""

import sys
import time
from pathlib import Path

import torch
from peer import ids, serve
from transformers import AutoModelForCausalLM

*options, path, prompt, new = sys.argv[1:]
path, prompt, new = Path(path), int(prompt), int(new)
begun = time.perf_counter()
if path.suffix == ".gguf":
    how = {"gguf_file": path.name, "dtype": torch.float32 if options else torch.bfloat16}
    model = AutoModelForCausalLM.from_pretrained(path.parent, **how)
else:
    model = AutoModelForCausalLM.from_pretrained(path, dtype="auto")
loading = time.perf_counter() - begun
text = torch.tensor(ids(1, prompt, model.config.vocab_size))


@torch.inference_mode()
def work():
    begun = time.perf_counter()
    out = model(text, use_cache=True, logits_to_keep=1)
    found = [out.logits[0, -1].argmax().item()]
    first = time.perf_counter() - begun
    while len(found) < new:
        out = model(torch.tensor([found[-1:]]), past_key_values=out.past_key_values, use_cache=True)
        found.append(out.logits[0, -1].argmax().item())
    return [first, time.perf_counter() - begun - first, loading, *found]


serve(work)
