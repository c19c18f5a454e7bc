"""MobileSAM and Set-of-Mark against the public Python code: all objects of a picture, a picture's
embedding, questions about points after it, and drawing given masks.

`iou` is the mean of each mask's best match among the other side's, for the side where that is
less. `alike` is the share of pixels that are the same in both marked pictures, within `NEAR`."""

import json
import subprocess
import sys

import numpy as np
from pair import OURS, ROOT, TARGET, build, compare
from PIL import Image
from pycocotools import mask as coco_mask

PICTURES = {"demo": ROOT / "assets/demo.png", "discs": ROOT / "golden/mobile_sam/discs.png"}
POINTS = {"demo": 32, "discs": 16}  # along each side, for all objects
SIDE = 8  # questions along each side of the picture
MASKS, SIZE, ROUNDS = 20, 640, 10
LEAST_IOU = 0.95
MARKERS = {"detectron2": 0.9, "supervision": 0.7}  # and the share of pixels that must be alike
NEAR = 2  # steps of 255 in any of a pixel's colours
FILES = TARGET / "bench-som"
COLOURS = "#e6194b,#3cb44b,#ffe119,#4363d8,#f58231,#911eb4,#46f0f0,#f032e6,#bcf60c,#fabebe"


def bitmaps(values, pixels):
    """Masks from the lists of their runs: [masks, pixels]."""
    masks, values = [], iter(map(int, values))
    for runs in values:
        masks.append(np.zeros(pixels, np.float32))
        for _ in range(runs):
            first = next(values)
            masks[-1][first : first + next(values)] = 1
    return np.array(masks).reshape(-1, pixels)


def matched(picture):
    """Judges two lists of masks."""
    width, height = Image.open(picture).size

    def judge(ours, theirs):
        ours, theirs = bitmaps(ours, width * height), bitmaps(theirs, width * height)
        both = ours @ theirs.T
        iou = both / (ours.sum(1)[:, None] + theirs.sum(1)[None] - both)
        least = min(iou.max(axis).mean() for axis in (0, 1))
        if not least >= LEAST_IOU:
            raise SystemExit(f"{picture}: our masks match theirs by {least:.3f} only")
        return {"iou": round(float(least), 4), "masks": [len(ours), len(theirs)]}

    return judge


def to_mark():
    """A picture, and an annotation file of masks that overlap, each of some discs."""
    FILES.mkdir(parents=True, exist_ok=True)
    picture, file = FILES / "picture.png", FILES / "masks.json"
    Image.open(PICTURES["demo"]).convert("RGB").resize((SIZE, SIZE), Image.BICUBIC).save(picture)
    rng = np.random.default_rng(1)
    ys, xs = np.mgrid[:SIZE, :SIZE]
    annotations = []
    for number in range(1, MASKS + 1):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        x, y = rng.integers(60, SIZE - 60, 2)
        radius = rng.integers(15, 80)
        for _ in range(3):
            mask |= (xs - x) ** 2 + (ys - y) ** 2 <= radius**2
            x, y = x + rng.integers(-radius, radius), y + rng.integers(-radius, radius)
        runs = coco_mask.encode(np.asfortranarray(mask))
        runs = {"size": [SIZE, SIZE], "counts": runs["counts"].decode()}
        bbox = [float(side) for side in coco_mask.toBbox(runs)]
        annotation = {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": bbox}
        annotations.append(annotation | {"area": int(mask.sum()), "segmentation": runs})
    image = {"id": 1, "file_name": picture.name, "width": SIZE, "height": SIZE}
    categories = [{"id": 1, "name": "disc"}]
    text = json.dumps({"images": [image], "annotations": annotations, "categories": categories})
    file.write_text(text)
    return picture, file


def alike(ours, theirs, least):
    """Judges marks: by the points that they are placed by, where both tell, and by the pictures."""

    def judge(found, expected):
        if expected and found != expected:
            raise SystemExit(f"we mark {found}, they mark {expected}")
        a, b = (np.asarray(Image.open(path)).astype(int) for path in (ours, theirs))
        share = float((abs(a - b).max(2) <= NEAR).mean())
        if share < least:
            raise SystemExit(f"{ours} and {theirs} are the same in {share:.2f} of their pixels only")
        return {"alike": round(share, 3)}

    return judge


def peer(name, *more):
    return [sys.executable, ROOT / f"bench/peers/{name}.py", *more]


build()
pulled = subprocess.run([OURS / "quintet", "pull", "mobile-sam"], check=True, capture_output=True, text=True)
model = pulled.stdout.split()[0]
for name, picture in PICTURES.items():
    points = POINTS[name]
    work = [model, picture, points]
    ours, theirs = [OURS / "segment", *work], peer("mobile_sam_masks", *work)
    compare(f"masks/{name}-{points}x{points}", "mobile-sam", ours, theirs, warm=1, judge=matched(picture))
for what, name, unit in [("encode", "encode/demo", "s"), (SIDE, "prompts/demo", f"s for {SIDE**2} prompts")]:
    work = [model, PICTURES["demo"], what]
    compare(name, "mobile-sam", [OURS / "prompt", *work], peer("mobile_sam_prompts", *work), unit=unit)
picture, file = to_mark()
for name, least in MARKERS.items():
    work = [picture, file, COLOURS, ROUNDS]
    outs = [FILES / "ours.png", FILES / f"{name}.png"]
    ours, theirs = [OURS / "mark", *work, outs[0]], peer("marker", name, *work, outs[1])
    unit = f"s for {ROUNDS} pictures"
    compare(f"mark/{MASKS}-masks-{SIZE}", name, ours, theirs, unit=unit, judge=alike(*outs, least))
