"""Whether `transformers` and PEFT read the models and adapters that Quintet writes.

    QUINTET_SAVED=$PWD/saved cargo test --release -p quintet-models --test backbones
    python golden/backbones/check_saved.py saved
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

TOLERANCE = 1e-4


def compare(what, model, ids, ours):
    with torch.no_grad():
        worst = (model.eval()(ids).logits - ours).abs().max().item()
    print(f"{what}: largest difference {worst:.2e} of {ours.abs().max().item():.2f}")
    return worst < TOLERANCE


def main():
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/ours.safetensors"))
    good = bool(folders)
    for folder in folders:
        ours = load_file(folder / "ours.safetensors")
        ids = ours["ids"].long()
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True
        )
        unread = report["missing_keys"] or report["unexpected_keys"]
        if unread:
            print(f"{folder.name}: keys do not match: {report}")
        good &= not unread
        good &= compare(folder.name, model, ids, ours["plain"])
        adapted = PeftModel.from_pretrained(model, folder / "adapter")
        good &= compare(f"{folder.name} with adapter", adapted, ids, ours["adapted"])
    sys.exit(0 if good else "the reference computes something else")


if __name__ == "__main__":
    main()
