"""What MobileSAM's own code answers about three pictures, with its published weights.

    quintet pull mobile-sam
    pip install -r golden/mobile_sam/requirements.txt
    python golden/mobile_sam/make.py --weights mobile_sam.pt --out golden/mobile_sam

Writes `expected.safetensors`. For each picture `NAME.embedding`: a sample of the image's embedding,
every 31st token's every 16th channel; `NAME.KIND.logits`: of each prompt's four masks (the
unambiguous one first) every 16th row and column; `NAME.KIND.scores`; `NAME.KIND.areas`: pixels of the
masks at the picture's size. And `segments.json`: what the automatic mask generator finds in two of
them with `SIDE` points along each side. The pictures are written beside them.
"""

import argparse
import hashlib
import json
import os
import pathlib

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import torch
from mobile_sam import SamAutomaticMaskGenerator, SamPredictor, sam_model_registry
from PIL import Image, ImageDraw
from safetensors.torch import save_file

SIDE = 12
ASSETS = pathlib.Path(__file__).parents[2] / "assets"


def discs():
    """A wide picture of overlapping discs and stripes."""
    image = Image.new("RGB", (320, 120), (40, 90, 60))
    draw = ImageDraw.Draw(image)
    for x in range(0, 320, 40):
        draw.rectangle((x, 90, x + 19, 119), fill=(200, 180 - x // 4, 90))
    for i, (x, y, r) in enumerate([(60, 50, 35), (100, 60, 25), (210, 45, 40), (280, 40, 18)]):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(220 - 40 * i, 60 + 45 * i, 30 + 50 * i))
    return image


def waves():
    """A tall picture of crossing bands, larger than the encoder's."""
    y, x = np.mgrid[0:1400, 0:700].astype(np.float64)
    parts = [np.sin(x / 90 + y / 300), np.sin(y / 70 - x / 200), np.sin((x + y) / 150)]
    return Image.fromarray(np.uint8(100 + 50 * np.round(np.stack(parts, -1))))


PICTURES = {
    "demo": lambda: Image.open(ASSETS / "demo.png").convert("RGB"),
    "discs": discs,
    "waves": waves,
}


def prompts(width, height):
    """name: points, labels, box, in pixels of the picture."""
    place = np.array([width, height], dtype=np.float64)
    point = np.array([[0.45, 0.4]]) * place
    three = np.array([[0.2, 0.45], [0.65, 0.35], [0.9, 0.9]]) * place
    box = np.concatenate([np.array([0.05, 0.1]) * place, np.array([0.35, 0.8]) * place])
    return {
        "point": (point, np.array([1]), None),
        "points": (three, np.array([1, 1, 0]), None),
        "box": (None, None, box),
        "box_and_point": (three[2:], np.array([0]), box),
    }


def ask(predictor, prompt, mask=None):
    """Logits [4, 256, 256], scores [4] and areas [4]: of the single mask, then of the three."""
    points, labels, box = prompt
    both = [
        predictor.predict(points, labels, box, mask, multimask_output=many)
        for many in (False, True)
    ]
    masks, scores, logits = (np.concatenate(parts) for parts in zip(*both))
    return logits, scores, masks.sum(axis=(1, 2))


def answers(predictor, name, image):
    predictor.set_image(np.asarray(image))
    embedding = predictor.get_image_embedding()[0].flatten(1).T  # [tokens, channels]
    out = {f"{name}.embedding": embedding[::31, ::16]}
    asked = prompts(*image.size)
    for kind, prompt in asked.items():
        logits, scores, areas = ask(predictor, prompt)
        keep(out, f"{name}.{kind}", logits, scores, areas)
        if kind == "point":
            # The best of its masks, told again with the point.
            best = logits[1 + scores[1:].argmax()][None]
    keep(out, f"{name}.mask_and_point", *ask(predictor, asked["point"], best))
    return out


def keep(out, key, logits, scores, areas):
    out[f"{key}.logits"] = torch.tensor(logits[:, ::16, ::16])
    out[f"{key}.scores"] = torch.tensor(scores)
    out[f"{key}.areas"] = torch.tensor(areas)


def segments(model, image):
    generator = SamAutomaticMaskGenerator(model, points_per_side=SIDE)
    found = generator.generate(np.asarray(image))
    fields = ["area", "bbox", "predicted_iou", "stability_score", "point_coords"]
    return [{field: segment[field] for field in fields} for segment in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = sam_model_registry["vit_t"](checkpoint=str(args.weights)).eval()
    predictor = SamPredictor(model)
    expected, found = {}, {}
    for name, make in PICTURES.items():
        image = make()
        if name != "demo":
            image.save(args.out / f"{name}.png", optimize=True)
        expected |= answers(predictor, name, image)
        if name != "waves":
            found[name] = segments(model, image)
    tensors = {name: value.float().contiguous() for name, value in expected.items()}
    save_file(tensors, args.out / "expected.safetensors")
    digest = hashlib.sha256(args.weights.read_bytes()).hexdigest()
    text = json.dumps({"sha256": digest, "segments": found}, indent=1)
    (args.out / "segments.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
