"""Tiny random encoders of `transformers`, and what they give for random pixels.

    python golden/encoders/make.py --seed N --out DIR

Writes one checkpoint directory per case, with `expected.safetensors`: for each image size
`HxW.pixels`, `HxW.hidden_states.I`, `HxW.last_hidden_state` and, where there is one,
`HxW.pooler_output`; for the trained size `HxW.attentions.I` too.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import tiny  # noqa: E402

import torch  # noqa: E402
import transformers  # noqa: E402

SIZES = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=4
)
CLIP = dict(**SIZES, intermediate_size=24)
DINO = dict(**SIZES, mlp_ratio=2)

# name: model, images (height, width)
CASES = {
    "clip": (
        lambda: transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**CLIP)),
        [(16, 16), (20, 14)],
    ),
    "siglip": (
        lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**CLIP)),
        [(16, 16), (14, 25)],
    ),
    "siglip_without_head": (
        lambda: transformers.SiglipVisionModel(
            transformers.SiglipVisionConfig(**{**CLIP, "image_size": 12}, vision_use_head=False)
        ),
        [(12, 12)],
    ),
    "dinov2": (
        lambda: transformers.Dinov2Model(transformers.Dinov2Config(**DINO)),
        [(16, 16), (12, 29), (37, 20)],
    ),
    "dinov2_swiglu": (
        lambda: transformers.Dinov2Model(
            transformers.Dinov2Config(
                **DINO, use_swiglu_ffn=True, use_mask_token=False, qkv_bias=False
            )
        ),
        [(16, 16), (8, 8)],
    ),
}


def main():
    args = tiny.arguments(pathlib.Path(__file__).parent)
    for name, (build, images) in CASES.items():
        model = tiny.randomise(build())
        model.save_pretrained(args.out / name)
        model.set_attn_implementation("eager")
        expected = {}
        for height, width in images:
            trained = height == width == model.config.image_size
            pixels = torch.randn(2 if trained else 1, 3, height, width)
            # Only DINOv2 interpolates without being asked.
            ask = {} if "dinov2" in name else {"interpolate_pos_encoding": not trained}
            with torch.no_grad():
                out = model(pixels, output_hidden_states=True, output_attentions=True, **ask)
            key = f"{height}x{width}"
            expected[f"{key}.pixels"] = pixels
            expected[f"{key}.last_hidden_state"] = out.last_hidden_state
            if out.pooler_output is not None:
                expected[f"{key}.pooler_output"] = out.pooler_output
            for i, hidden in enumerate(out.hidden_states):
                expected[f"{key}.hidden_states.{i}"] = hidden
            for i, attention in enumerate(out.attentions if trained else ()):
                expected[f"{key}.attentions.{i}"] = attention
        tiny.save(args.out / name / "expected.safetensors", expected)


if __name__ == "__main__":
    main()
