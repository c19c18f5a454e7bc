"""Pieces that the golden scripts share: random weights and the files they go to."""

import argparse
import os
import pathlib

os.environ.setdefault("OMP_NUM_THREADS", "2")

import torch
from safetensors.torch import save_file


def arguments(default_out):
    """--seed and --out, and the seed set."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=default_out)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    return args


def randomise(module):
    """Every parameter random, so that no weight of one and no bias of zero hides a mistake."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            gain = name.endswith("weight") and parameter.dim() == 1 or "lambda1" in name
            parameter.normal_(std=0.2)
            if gain:
                parameter.add_(1.0)
    return module.eval()


# Rounding moves a model's outputs about a tenth as far as weights changed by one in a million do:
# beyond this the parity law of 1e-4 would judge the draw, not the code.
MOST_SENSITIVE = 5e-4


def sensitivity(model, outputs):
    """How far `outputs(model)` move when every weight changes by one in a million, at most."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        exact = {name: weight.clone() for name, weight in model.named_parameters()}
        before = outputs(model)
        worst = 0.0
        for _ in range(4):
            for name, weight in model.named_parameters():
                noise = torch.randn(weight.shape, generator=generator)
                weight.copy_(exact[name] * (1 + 1e-6 * noise))
            worst = max(worst, (outputs(model) - before).abs().max().item())
        for name, weight in model.named_parameters():
            weight.copy_(exact[name])
    return worst


def save(path, tensors):
    """Tensors in single precision, under their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().float().contiguous().clone() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={"format": "pt"})
