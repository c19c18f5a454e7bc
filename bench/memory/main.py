"""The most memory that a training step on a text of 2,048 tokens takes, against PyTorch and candle."""

import sys

from models import llama
from pair import OURS, ROOT, build, candle, compare

build()
work = [llama("small"), "train", 1, 2048]
torch = [sys.executable, ROOT / "bench/peers/torch_step.py", *work]
compare("memory/small-1x2048", "pytorch", [OURS / "step", *work], torch)
compare("memory/small-1x2048-half", "pytorch", [OURS / "step", *work, "half"], torch, tolerance=2e-2)
compare("memory/small-1x2048", "candle", [OURS / "step", *work], [candle("step"), *work])
