"""A forward pass against PyTorch and candle."""

import sys

from models import llama
from pair import OURS, ROOT, build, candle, compare

build("quintet-bench")
for size, batch, tokens in [("small", 8, 512), ("base", 2, 256)]:
    work = [llama(size), "forward", batch, tokens]
    torch = [sys.executable, ROOT / "bench/peers/torch_step.py", *work]
    compare(f"forward/{size}-{batch}x{tokens}", "pytorch", [OURS / "step", *work], torch)
    compare(f"forward/{size}-{batch}x{tokens}", "candle", [OURS / "step", *work], [candle("step"), *work])
