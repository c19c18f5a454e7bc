"""Makes the goldens of FMint's decoder: tiny ones of random weights, computed with PyTorch's own
attention, norms and GELU.

    python golden/fmint/make.py --seed 0 --out golden/fmint

- `published/`, the architecture of the public code (post-norm blocks, learned vectors for the number of
  a pair and what a token says, raw numbers): `config.json`, `model.safetensors`, and `case.safetensors`
  with demos, queries and the errors that are predicted for them. Tokens and mask are made here from the
  description of the public code, a boolean for each two tokens.
- `joined/`, pre-norm blocks: the same, with tokens and mask given.

Needs torch, safetensors.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tiny import arguments
from torch import nn

SIZES = {"layers": 2, "heads": 2, "head_dim": 12, "width": 16, "inner": 40}


class Block(nn.Module):
    def __init__(self, first):
        super().__init__()
        width, inner, self.first = SIZES["width"], SIZES["inner"], first
        qkv = SIZES["heads"] * SIZES["head_dim"]
        self.self_attn = nn.ModuleDict(
            {name: nn.Linear(width, qkv) for name in ["q_proj", "k_proj", "v_proj"]}
            | {"out_proj": nn.Linear(qkv, width)}
        )
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def attend(self, x, mask):
        q, k, v = (
            self.self_attn[name](x).unflatten(-1, (SIZES["heads"], -1)).transpose(1, 2)
            for name in ["q_proj", "k_proj", "v_proj"]
        )
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.self_attn["out_proj"](y.transpose(1, 2).flatten(2))

    def feed(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))

    def forward(self, x, mask):
        if self.first:
            x = x + self.attend(self.self_attn_layer_norm(x), mask)
            return x + self.feed(self.final_layer_norm(x))
        x = self.self_attn_layer_norm(x + self.attend(x, mask))
        return self.final_layer_norm(x + self.feed(x))


class Decoder(nn.Module):
    def __init__(self, features, kinds, components, first):
        super().__init__()
        width = SIZES["width"]
        self.embed = nn.Linear(features, width)
        self.kinds = nn.Embedding(kinds, width)
        self.layers = nn.ModuleList(Block(first) for _ in range(SIZES["layers"]))
        if first:
            self.norm = nn.LayerNorm(width)
        self.answer = nn.Linear(width, components)

    def forward(self, features, kinds, mask):
        x = self.embed(features) + self.kinds(kinds)
        for layer in self.layers:
            x = layer(x, mask)
        return self.answer(self.norm(x) if hasattr(self, "norm") else x)


def write(out, model, config, case):
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            parameter.normal_(std=0.3)
            if "norm.weight" in name:
                parameter.add_(1.0)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(config | SIZES, indent=2) + "\n")
    save_file(model.state_dict(), out / "model.safetensors")
    with torch.no_grad():
        save_file({name: t.contiguous() for name, t in case(model).items()}, out / "case.safetensors")


def published(out):
    demos, queries, m, d, components, pairs = 3, 2, 5, 2, 3, 4
    config = {"tokens": "published", "answer": "error", "components": 3, "groups": 1, "demos": pairs - 1}
    times = torch.arange(m + 1, dtype=torch.float64) * 0.7 + 0.2
    coarse = torch.randn(demos + queries, m + 1, d, dtype=torch.float64)
    errors = torch.randn(demos, m, d, dtype=torch.float64)

    def token(time, values):
        row = torch.zeros(1 + components)
        row[0] = time
        row[1 : 1 + len(values)] = values
        return row

    def case(model):
        answers = []
        for query in range(queries):
            rows, ids, places = [], [], []
            for pair in range(demos + 1):
                trajectory = coarse[pair if pair < demos else demos + query]
                for kind in [0, 1] if pair < demos else [0, 2]:
                    for j in range(m):
                        values = [trajectory[j + 1], None, torch.zeros(0)][kind]
                        if kind == 1:
                            values = errors[pair, j]
                        rows.append(token(times[j + 1], values))
                        ids.append(3 * pair + kind)
                        places.append((pair, kind, j))
            # Earlier pairs but for their keys; within a pair: conditions see conditions, values see
            # both, keys see conditions and each itself.
            sees = lambda q, k: (
                k[0] < q[0] and k[1] != 2
                or k[0] == q[0]
                and (k[1] == 0 or q[1] == k[1] == 1 or q[1] == k[1] == 2 and q[2] == k[2])
            )
            mask = torch.tensor([[sees(q, k) for k in places] for q in places])
            answers.append(model(torch.stack(rows)[None], torch.tensor(ids), mask)[0, -m:, :d])
        return {"times": times, "coarse": coarse, "errors": errors, "answers": torch.stack(answers)}

    write(out, Decoder(1 + components, 3 * pairs, components, False), config, case)


def joined(out):
    groups, components, t = 2, 2, 7
    features = 1 + 2 * 8 + 5 * components
    config = {"tokens": "joined", "answer": "error", "components": 2, "groups": groups, "demos": 0}
    tokens = torch.randn(2, t, features)
    ids = torch.randint(0, 2 * groups, (t,))
    mask = torch.rand(t, t) < 0.6
    mask.fill_diagonal_(True)

    def case(model):
        bias = torch.zeros(t, t).masked_fill(~mask, -1e30)
        answers = model(tokens, ids, mask)
        return {"features": tokens, "kinds": ids.int(), "bias": bias, "answers": answers}

    write(out, Decoder(features, 2 * groups, components, True), config, case)


def main():
    args = arguments(Path(__file__).parent)
    published(args.out / "published")
    joined(args.out / "joined")


main()
