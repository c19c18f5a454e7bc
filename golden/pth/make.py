"""Reference values for the torch reader: checkpoints as `torch.save` writes them, and their values.

Writes
  state.pt, state.safetensors            a plain state dict
  checkpoint.pt, checkpoint.safetensors  a nested checkpoint with views, shared storage and numbers
  protocol4.pt, protocol4.safetensors    the opcodes of a newer pickle protocol

Usage: python make.py --seed N --out DIR
"""

import argparse
import collections
import pathlib

import torch
from safetensors.torch import save_file


def flat(prefix, value, out):
    """The names that the reader gives: keys and positions joined by dots."""
    if isinstance(value, torch.Tensor):
        out[prefix] = value.detach().to(torch.float32).contiguous().clone()
    elif isinstance(value, dict):
        for key, item in value.items():
            flat(f"{prefix}.{key}" if prefix else str(key), item, out)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            flat(f"{prefix}.{i}" if prefix else str(i), item, out)
    return out


def write(name, objects, out, **options):
    torch.save(objects, out / f"{name}.pt", **options)
    save_file(flat("", objects, {}), out / f"{name}.safetensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3), torch.nn.Linear(4, 2, bias=False)
    )
    write("state", model.state_dict(), args.out)

    base = torch.randn(4, 6)
    scalars = torch.randn(8)
    write(
        "checkpoint",
        {
            "model": collections.OrderedDict(weight=base, transposed=base.t(), column=base[:, 2]),
            "window": base[1:3, 1:6:2],
            "permuted": torch.randn(2, 3, 4).permute(2, 0, 1),
            "tail": scalars[5:],
            "one": scalars[3],
            "empty": torch.empty(0, 3),
            "half": torch.randn(3).half(),
            "bfloat": torch.randn(3).bfloat16(),
            "double": torch.randn(3).double(),
            "long": torch.tensor([-3, 2**20, 7]),
            "byte": torch.tensor([0, 255], dtype=torch.uint8),
            "flags": torch.tensor([True, False]),
            "wide": torch.tensor([1, 65535], dtype=torch.uint16),
            "parameter": torch.nn.Parameter(torch.randn(2, 2)),
            "list": [torch.randn(2), (torch.randn(1), 3)],
            "epoch": 7,
            "negative": -70000,
            "seed": 2**63 + 1,
            "rate": 0.125,
            "name": "tiny",
            "done": False,
            "nothing": None,
            "dtype": torch.float16,
            "size": torch.Size([1, 2]),
            "device": torch.device("cpu"),
        },
        args.out,
    )
    write("protocol4", {"a": torch.arange(6.0).reshape(2, 3), "note": "x"}, args.out, pickle_protocol=4)
