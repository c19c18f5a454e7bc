"""Five steps of torch's AdamW with gradient clipping.

    python golden/adamw/make.py --seed 0 --out golden/adamw

Writes `adamw.safetensors`. Parameters: `weight` [7, 5] and `bias` [5] in the default group (no decay
for the vector), `head.weight` [3, 5] with half the learning rate and a decay of its own. Tensors:
`start.NAME`, then for each step K `K.grad.NAME`, `K.lr` [1], `K.norm` [1] (before clipping) and
`K.NAME` (after the step). The metadata holds the constants.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

SHAPES = {"weight": (7, 5), "bias": (5,), "head.weight": (3, 5)}
LR, BETAS, EPS, DECAY, HEAD_DECAY, CLIP = 3e-2, (0.9, 0.95), 1e-8, 0.1, 0.3, 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    params = {name: torch.nn.Parameter(torch.randn(shape)) for name, shape in SHAPES.items()}
    groups = [
        {"params": [params["weight"]], "weight_decay": DECAY},
        {"params": [params["bias"]], "weight_decay": 0.0},
        {"params": [params["head.weight"]], "weight_decay": HEAD_DECAY},
    ]
    optimiser = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=EPS)

    out = {f"start.{name}": p.detach().clone() for name, p in params.items()}
    for step in range(5):
        lr = LR / (step + 1)
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.param_groups[2]["lr"] = lr / 2
        for name, p in params.items():
            # From far above the clipping norm to below it.
            p.grad = torch.randn(p.shape) * 0.6 ** (2 * step)
            out[f"{step}.grad.{name}"] = p.grad.clone()
        norm = torch.nn.utils.clip_grad_norm_(params.values(), CLIP)
        optimiser.step()
        out[f"{step}.lr"] = torch.tensor([lr])
        out[f"{step}.norm"] = norm.reshape(1)
        out |= {f"{step}.{name}": p.detach().clone() for name, p in params.items()}

    constants = {"beta1": BETAS[0], "beta2": BETAS[1], "eps": EPS, "decay": DECAY}
    constants |= {"head_decay": HEAD_DECAY, "clip": CLIP}
    args.out.mkdir(parents=True, exist_ok=True)
    metadata = {name: str(value) for name, value in constants.items()}
    save_file(out, args.out / "adamw.safetensors", metadata=metadata)


if __name__ == "__main__":
    main()
