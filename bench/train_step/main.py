"""A training step (forward, backward, clipping, AdamW) against PyTorch and candle; and that of the
bundled mini model against `transformers`."""

import sys

from models import llama
from pair import OURS, ROOT, build, candle, compare

build()
for size, batch, tokens in [("small", 8, 512), ("base", 2, 256)]:
    model = llama(size)
    work = [model, "train", batch, tokens]
    name = f"train_step/{size}-{batch}x{tokens}"
    torch = [sys.executable, ROOT / "bench/peers/torch_step.py", *work]
    compare(name, "pytorch", [OURS / "step", *work], torch)
    compare(name, "candle", [OURS / "step", *work], [candle("step"), *work])
    for precision in ["mixed", "half"]:
        compare(f"{name}-{precision}", "pytorch", [OURS / "step", *work, precision], torch, tolerance=2e-2)
work = [ROOT / "checkpoints/mini", 16, 64]
torch = [sys.executable, ROOT / "bench/peers/torch_sft.py", *work]
compare("train_step/mini-sft-16", "pytorch", [OURS / "sft", *work], torch)
compare("train_step/mini-sft-16-mixed", "pytorch", [OURS / "sft", *work, "mixed"], torch, tolerance=2e-2)
