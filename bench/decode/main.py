"""A prompt of 512 tokens and 128 greedy ones after it: SmolLM2 135M as its package holds it (Q4_1)
against llama.cpp, `transformers`, candle and mistral.rs, half a billion random parameters (Q4_K_M)
against the first two, and random weights in SmolLM2's shapes, in bf16 and f32, against `transformers`.

`share` is the part of the machine's measured memory bandwidth (decode) or of the peak of our own
products in bf16 (prefill) that we reach."""

import json
import subprocess
import sys
from pathlib import Path

import torch
from gguf_models import BLOCKS, half_a_billion
from models import smollm
from pair import OURS, PAIRS, ROOT, Contestant, build, candle, report, rust

PROMPT, NEW = 512, 128
SMOLLM_BLOCKS = 106_203_456  # parameters of its layers

build()
peak = json.loads(subprocess.run([OURS / "peak"], check=True, capture_output=True, text=True).stdout)
print(json.dumps({"machine": peak}), flush=True)
pulled = subprocess.run([OURS / "quintet", "pull", "smollm2"], check=True, capture_output=True, text=True)
packed = pulled.stdout.split()[0]

PEERS = {
    "llama.cpp": [sys.executable, ROOT / "bench/peers/llamacpp.py"],
    "transformers": [sys.executable, ROOT / "bench/peers/torch_decode.py"],
    "transformers-f32": [sys.executable, ROOT / "bench/peers/torch_decode.py", "--f32"],
    "candle": [candle("decode")],
    "mistral.rs": [rust("mistral", "mistral-peer")],
}
for name, model, blocks, peers in [
    ("smollm2-q4_1", Path(packed), SMOLLM_BLOCKS, PEERS),
    ("half-a-billion-q4_k_m", half_a_billion(packed), BLOCKS, ["llama.cpp", "transformers"]),
    ("smollm2-bf16", smollm(torch.bfloat16), SMOLLM_BLOCKS, ["transformers"]),
    ("smollm2-f32", smollm(torch.float32), SMOLLM_BLOCKS, ["transformers"]),
]:
    file = model if model.is_file() else model / "model.safetensors"
    work = [model, PROMPT, NEW]
    for peer in peers:
        ours, theirs = Contestant(OURS / "decode", *work), Contestant(*PEERS[peer], *work)
        kept = ([], [])
        for _ in range(1 + PAIRS):
            for contestant, values in zip((ours, theirs), kept):
                values.append(contestant.run()["values"])
        tokens = kept[1][0][3:]  # mistral.rs gives text
        same = {"same_tokens": sum(a == b for a, b in zip(kept[0][0][3:], tokens))} if tokens else {}
        ours_of = lambda at: [values[at] for values in kept[0][1:]]
        theirs_of = lambda at: [values[at] for values in kept[1][1:]]
        read = file.stat().st_size * (NEW - 1) / min(ours_of(1)) / peak["bytes_per_s"]
        done = 2 * blocks * PROMPT / min(ours_of(0)) / peak["mixed_per_s"]
        report(
            f"decode/{name}", peer, ours_of(1), theirs_of(1), f"s for {NEW - 1} tokens",
            **same, share=round(read, 2),
        )
        report(f"prefill/{name}", peer, ours_of(0), theirs_of(0), f"s for {PROMPT} tokens", share=round(done, 2))
        report(f"load/{name}", peer, ours_of(2)[:1], theirs_of(2)[:1], "s")
        peaks = [contestant.end()["peak_bytes"] for contestant in (ours, theirs)]
        report(f"decode/{name}/memory", peer, peaks[:1], peaks[1:], "bytes")
