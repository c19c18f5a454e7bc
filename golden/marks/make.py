"""Where microsoft/SoM puts its marks.

    python golden/marks/make.py --seed 0 --out golden/marks

For masks of many shapes, writes to `anchors.json` the mask (COCO's packed runs), the pixel that
`_draw_number_in_mask` of its `task_adapter/utils/visualizer.py` starts from, the squared distance
there, and how many pixels share it: zero padding by one pixel, OpenCV's exact L2 distance
transform, and of all pixels at the greatest distance the one at half their count, row by row.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask


def disc(height, width, x, y, radius):
    ys, xs = np.mgrid[:height, :width]
    return (xs - x) ** 2 + (ys - y) ** 2 <= radius**2


def shapes(rng):
    def rect(height, width, y1, x1, y2, x2):
        mask = np.zeros((height, width), bool)
        mask[y1:y2, x1:x2] = True
        return mask

    yield "pixel", rect(9, 12, 4, 5, 5, 6)
    yield "picture of one pixel", np.ones((1, 1), bool)
    yield "whole picture", np.ones((30, 41), bool)
    yield "whole picture, even", np.ones((20, 20), bool)
    yield "row", rect(20, 50, 7, 3, 8, 44)
    yield "column", rect(50, 20, 0, 7, 50, 8)
    yield "two rows", rect(20, 50, 7, 0, 9, 50)
    yield "wide", rect(30, 90, 5, 10, 16, 85)
    yield "tall, at the corner", rect(60, 40, 0, 0, 60, 12)
    yield "odd square at the lower corner", rect(40, 40, 23, 19, 40, 40)
    yield "diagonal", np.eye(25, dtype=bool)
    yield "thick diagonal", np.abs(np.subtract.outer(np.arange(40), np.arange(40))) < 4
    yield "checkers", np.add.outer(np.arange(12), np.arange(15)) % 2 == 0
    for radius in (1, 2, 5, 9.5, 20):
        yield f"disc {radius}", disc(60, 70, 30, 28, radius)
        yield f"disc {radius} at the border", disc(60, 70, 1, 58, radius)
    yield "half disc", disc(40, 60, 30, 0, 25)
    yield "ring", disc(80, 80, 40, 40, 35) & ~disc(80, 80, 40, 40, 22)
    yield "two equal discs", disc(50, 90, 20, 25, 12) | disc(50, 90, 65, 25, 12)
    yield "four equal discs", sum(disc(80, 80, x, y, 14) for x in (20, 60) for y in (20, 60)) > 0
    yield "dumb-bell", disc(50, 100, 20, 25, 15) | disc(50, 100, 78, 25, 16) | rect(50, 100, 24, 20, 26, 78)
    yield "cross", rect(61, 61, 25, 0, 36, 61) | rect(61, 61, 0, 25, 61, 36)
    yield "stairs", np.tril(np.ones((33, 33), bool))
    for number in range(30):
        height, width = rng.integers(2, 70, 2)
        mask = np.zeros((height, width), bool)
        for _ in range(rng.integers(1, 6)):
            mask |= disc(height, width, rng.integers(width), rng.integers(height), rng.integers(1, 18))
        for _ in range(rng.integers(0, 3)):
            mask &= ~disc(height, width, rng.integers(width), rng.integers(height), rng.integers(1, 9))
        if mask.any():
            yield f"blob {number}", mask
    for density in (0.02, 0.3, 0.7, 0.95, 0.99):
        yield f"noise {density}", rng.random((40, 55)) < density
    large = np.zeros((480, 640), bool)
    for _ in range(12):
        large |= disc(480, 640, rng.integers(640), rng.integers(480), rng.integers(20, 110))
    yield "large", large


def anchor(mask):
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    ys, xs = np.where(distance == distance.max())
    middle = len(xs) // 2
    square = round(float(distance.max()) ** 2)
    assert abs(np.sqrt(square) - distance.max()) < 1e-4
    return [int(xs[middle]), int(ys[middle])], square, len(xs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, mask in shapes(np.random.default_rng(args.seed)):
        place, square, ties = anchor(mask)
        runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        packed = {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode()}
        case = {"name": name, "mask": packed, "anchor": place, "square": square, "ties": ties}
        lines.append(json.dumps(case, separators=(",", ":")))
    (args.out / "anchors.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
