"""Tiny random models of `transformers.SamModel`, and what they answer to random prompts.

    python golden/sam/make.py --seed N --out DIR

Writes one checkpoint directory per case, with `expected.safetensors`: `pixels`, `embedding`
`[1, d, g, g]`, and for each prompt `NAME.points`, `NAME.labels`, `NAME.boxes` and `NAME.masks`, as
far as it has them, `NAME.logits` of all masks and `NAME.scores`.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import tiny  # noqa: E402

import torch  # noqa: E402
from transformers import SamConfig, SamModel  # noqa: E402

WIDTH = 16
VISION = dict(
    hidden_size=16,
    output_channels=WIDTH,
    num_hidden_layers=2,
    num_attention_heads=2,
    patch_size=4,
    num_pos_feats=WIDTH // 2,
)
PROMPT = dict(hidden_size=WIDTH, patch_size=4, mask_input_channels=8)
DECODER = dict(hidden_size=WIDTH, mlp_dim=24, num_attention_heads=2, iou_head_hidden_dim=12)

# name: image side, vision, decoder
CASES = {
    # Three patches to a side: windows of two reach over the edge.
    "relative": (12, dict(window_size=2, global_attn_indexes=[1], mlp_ratio=2.0), {}),
    # Four to a side, and windows of three.
    "plain": (
        16,
        dict(
            num_hidden_layers=3,
            window_size=3,
            global_attn_indexes=[0, 2],
            mlp_dim=20,
            qkv_bias=False,
            use_abs_pos=False,
            use_rel_pos=False,
            layer_norm_eps=1e-5,
        ),
        dict(num_hidden_layers=3, iou_head_depth=4, num_multimask_outputs=2),
    ),
}


def prompts(side):
    """name: points [n, p, 2], labels [n, p], boxes [n, 4], masks [n, s, s]; each may be absent."""
    draw = lambda *shape: torch.rand(*shape) * side  # noqa: E731
    corners = draw(2, 2, 2).sort(dim=1).values.reshape(2, 4)
    mask = torch.randn(1, side, side)
    one, three = torch.ones(3, 1), torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    return {
        "point": dict(points=draw(3, 1, 2), labels=one),
        "points": dict(points=draw(2, 3, 2), labels=three),
        "box": dict(boxes=corners),
        "box_and_points": dict(boxes=corners, points=draw(2, 3, 2), labels=three),
        "mask": dict(masks=mask),
        "mask_and_point": dict(masks=mask, points=draw(1, 1, 2), labels=one[:1]),
    }


def answer(model, embedding, prompt):
    """Logits and scores of all masks, the unambiguous one first."""
    parts = dict(
        input_points=prompt["points"][None] if "points" in prompt else None,
        input_labels=prompt["labels"][None] if "labels" in prompt else None,
        input_boxes=prompt["boxes"][None] if "boxes" in prompt else None,
        input_masks=prompt["masks"][None] if "masks" in prompt else None,
    )
    if "masks" in prompt and "points" not in prompt:
        # The model itself asks for points or boxes; its parts do not.
        sparse, dense = model.prompt_encoder(**parts)
        parts = dict(
            image_embeddings=embedding,
            image_positional_embeddings=model.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        both = [model.mask_decoder(**parts, multimask_output=many) for many in (False, True)]
    else:
        both = [
            model(image_embeddings=embedding, **parts, multimask_output=many)
            for many in (False, True)
        ]
        both = [(out.pred_masks, out.iou_scores) for out in both]
    logits = torch.cat([logits for logits, _ in both], dim=2)[0]
    return logits, torch.cat([scores for _, scores in both], dim=2)[0]


def build(side, vision, decoder):
    return SamModel(
        SamConfig(
            vision_config={**VISION, **vision, "image_size": side},
            prompt_encoder_config={**PROMPT, "image_size": side},
            mask_decoder_config={**DECODER, **decoder},
        )
    )


def settled(side, vision, decoder, prompt):
    """A model whose answers are not unusually sensitive to rounding."""
    pixels = torch.randn(1, 3, side, side)

    def outputs(model):
        embedding = model.get_image_embeddings(pixels)
        logits, scores = answer(model, embedding, prompt)
        return torch.cat([embedding.flatten(), logits.flatten(), scores.flatten()])

    while True:
        model = tiny.randomise(build(side, vision, decoder))
        if tiny.sensitivity(model, outputs) < tiny.MOST_SENSITIVE:
            return model, pixels


def main():
    args = tiny.arguments(pathlib.Path(__file__).parent)
    for name, (side, vision, decoder) in CASES.items():
        asked = prompts(side)
        with torch.no_grad():
            model, pixels = settled(side, vision, decoder, asked["point"])
            model.save_pretrained(args.out / name)
            embedding = model.get_image_embeddings(pixels)
            expected = {"pixels": pixels, "embedding": embedding}
            for kind, prompt in asked.items():
                logits, scores = answer(model, embedding, prompt)
                for part, value in {**prompt, "logits": logits, "scores": scores}.items():
                    expected[f"{kind}.{part}"] = value
        tiny.save(args.out / name / "expected.safetensors", expected)


if __name__ == "__main__":
    main()
