"""A forward pass against PyTorch and candle: language models, and the shapes of CLIP."""

import sys

from models import CLIPS, clip, llama
from pair import OURS, ROOT, build, candle, compare

PICTURES = 4

build()
for size, batch, tokens in [("small", 8, 512), ("base", 2, 256)]:
    work = [llama(size), "forward", batch, tokens]
    torch = [sys.executable, ROOT / "bench/peers/torch_step.py", *work]
    compare(f"forward/{size}-{batch}x{tokens}", "pytorch", [OURS / "step", *work], torch)
    compare(f"forward/{size}-{batch}x{tokens}", "candle", [OURS / "step", *work], [candle("step"), *work])
for size in CLIPS:
    work = [clip(size), PICTURES]
    torch = [sys.executable, ROOT / "bench/peers/torch_encode.py", *work]
    compare(f"forward/clip-{size}x{PICTURES}", "pytorch", [OURS / "encode", *work], torch)
    compare(f"forward/clip-{size}x{PICTURES}", "candle", [OURS / "encode", *work], [candle("encode"), *work])
