"""Tiny random LLaVA-1.5 models and what `transformers` computes with them.

    python golden/llava/make.py --seed 0 --out golden/llava

Each directory holds model and processor as `save_pretrained` writes them, two pictures, and
`expected.safetensors`:

    ids, mask       a left-padded batch of two: a picture in a text, two pictures between texts [2, t]
    pixels          the three pictures, in the order of their placeholders, [3, c, h, w]
    features        their projected features, [3, v, d]
    logits          [2, t, vocab]
    greedy          32 tokens after each row, [2, 32]
    prompt.ids      what the processor makes of CONVERSATION with the pictures, [t]
    prompt.pixels   [2, c, h, w]
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipImageProcessor,
    SiglipVisionConfig,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny  # noqa: E402

TEXT = dict(
    vocab_size=48,
    hidden_size=32,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
TOWER = dict(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=3,
    num_attention_heads=2,
    patch_size=4,
)
IMAGE = TEXT["vocab_size"] - 1
WORDS = "what is in this picture and that one ? USER: ASSISTANT: a cat dog tree".split()
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %} {{ message['role'].upper() }}: "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] }} {% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
# Rows and columns.
PICTURES = [(17, 30), (40, 12)]
CONVERSATION = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is in this"},
            {"type": "image"},
            {"type": "text", "text": "and that"},
            {"type": "image"},
            {"type": "text", "text": "?"},
        ],
    }
]
# Pieces of text around the pictures of each row, in tokens.
ROWS = [[2, 5], [3, 4, 2]]
GREEDY = 32
# Two scores closer than this could change places by rounding.
MARGIN = 2e-3
# A text that repeats itself would hide what goes wrong later in it.
DISTINCT = 8

MODELS = {
    # LLaVA-1.5: all patches, without CLS, of the last layer but one.
    "clip": (
        LlavaConfig(
            vision_config=CLIPVisionConfig(**TOWER, image_size=12, projection_dim=8),
            text_config=LlamaConfig(**TEXT),
            image_token_index=IMAGE,
            vision_feature_select_strategy="default",
            vision_feature_layer=-2,
            tie_word_embeddings=False,
        ),
        CLIPImageProcessor(size={"shortest_edge": 12}, crop_size={"height": 12, "width": 12}),
        9,
    ),
    # As towers without CLS are joined: every patch of the last layer.
    "siglip": (
        LlavaConfig(
            vision_config=SiglipVisionConfig(**TOWER, image_size=8),
            text_config=Qwen2Config(**TEXT, tie_word_embeddings=True),
            image_token_index=IMAGE,
            vision_feature_select_strategy="full",
            vision_feature_layer=-1,
            multimodal_projector_bias=False,
            tie_word_embeddings=True,
        ),
        SiglipImageProcessor(size={"height": 8, "width": 8}),
        4,
    ),
}


def randomise(model, generator):
    """Weights at which attention and logits are far from uniform, exact in bfloat16.

    The model itself stays in f32: converting it would round its rotary frequencies too.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                gain = "norm" in name and name.endswith("weight")
                weight.copy_(float(gain) + 0.2 * noise)
            elif "embed" in name and weight.ndim == 2:
                weight.copy_(noise)
            else:
                weight.copy_(1.5 * noise / weight[0].numel() ** 0.5)
            weight.copy_(weight.bfloat16())


def prompts(features, generator):
    """Ids and mask: texts with each picture's placeholder repeated once for each feature."""
    rows = []
    for pieces in ROWS:
        texts = [torch.randint(3, IMAGE, (n,), generator=generator).tolist() for n in pieces]
        row = texts[0]
        for text in texts[1:]:
            row = row + [IMAGE] * features + text
        rows.append(row)
    length = max(map(len, rows))
    ids = torch.tensor([[0] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def expected(model, features, generator):
    """The tensors, and the smallest distance of a greedy choice from the second best."""
    ids, mask = prompts(features, generator)
    side = model.config.vision_config.image_size
    count = sum(len(pieces) - 1 for pieces in ROWS)
    pixels = torch.randn(count, 3, side, side, generator=generator)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        projected = model.get_image_features(pixels)
        # A list of tensors in some versions, an output with the list in others.
        projected = getattr(projected, "pooler_output", projected)
        out = model(ids, pixel_values=pixels, attention_mask=mask, position_ids=positions)
        made = model.generate(
            ids,
            pixel_values=pixels,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=GREEDY,
            output_logits=True,
            return_dict_in_generate=True,
        )
    best = torch.stack(made.logits).topk(2).values
    margin = (best[..., 0] - best[..., 1]).min().item()
    tensors = {
        "ids": ids.int(),
        "mask": mask.int(),
        "pixels": pixels,
        "features": torch.stack(list(projected)),
        "logits": out.logits,
        "greedy": made.sequences[:, ids.shape[1] :].int().contiguous(),
    }
    return tensors, margin


def sensitivity(model, tensors):
    ids, mask, pixels = tensors["ids"].long(), tensors["mask"].long(), tensors["pixels"]
    positions = (mask.cumsum(1) - 1).clamp(min=0)

    def logits(model):
        out = model(ids, pixel_values=pixels, attention_mask=mask, position_ids=positions)
        return out.logits[mask.bool()]

    return tiny.sensitivity(model, logits)


def draw(config, features, generator, tries=2000):
    """The first draw whose greedy choices are all clear and of many kinds, and that rounding does
    not move far.
    """
    for _ in range(tries):
        model = LlavaForConditionalGeneration._from_config(config, attn_implementation="eager")
        model.eval()
        randomise(model, generator)
        tensors, margin = expected(model, features, generator)
        varied = all(row.unique().numel() >= DISTINCT for row in tensors["greedy"])
        if margin > MARGIN and varied and sensitivity(model, tensors) < tiny.MOST_SENSITIVE:
            return model, tensors, margin
    raise SystemExit(f"no draw in {tries} was clear, varied and insensitive")


def processor(config, images):
    """Words as tokens, and what `LlavaProcessor` has to know of the model."""
    words = ["<pad>", "<s>", "</s>", *WORDS]
    words += [f"word{i}" for i in range(len(words), IMAGE)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=TOWER["patch_size"],
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        chat_template=TEMPLATE,
        num_additional_image_tokens=int(config.vision_config.model_type == "clip_vision_model"),
    )


def draw_pictures(folder, rng):
    """Pictures of odd sizes, smooth enough that resampling does not decide every sample."""
    for i, (h, w) in enumerate(PICTURES):
        y, x = np.mgrid[0:h, 0:w]
        waves = [127 + 120 * np.sin(x / 5 + y / 7 + phase) for phase in rng.uniform(0, 6, 3)]
        Image.fromarray(np.stack(waves, -1).astype(np.uint8)).save(folder / f"picture{i}.png")


def prompt(processor, folder):
    pictures = [Image.open(folder / f"picture{i}.png") for i in range(len(PICTURES))]
    text = processor.apply_chat_template(CONVERSATION, add_generation_prompt=True)
    made = processor(text=text, images=pictures, return_tensors="pt")
    return {"prompt.ids": made["input_ids"][0].int(), "prompt.pixels": made["pixel_values"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    for name, (config, images, features) in MODELS.items():
        folder = args.out / name
        model, tensors, margin = draw(config, features, generator)
        model.bfloat16().save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        joined = processor(config, images)
        joined.save_pretrained(folder)
        draw_pictures(folder, rng)
        tensors |= prompt(joined, folder)
        save_file(tensors, folder / "expected.safetensors")
        print(f"{name}: smallest greedy margin {margin:.4f}")


if __name__ == "__main__":
    main()
