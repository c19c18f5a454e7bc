"""`mobile_sam_masks.py MODEL PICTURE POINTS`: as `bench/ours/src/bin/segment.rs`, with MobileSAM's
own code."""

import sys

import numpy as np
from mobile_sam import SamAutomaticMaskGenerator, sam_model_registry
from peer import serve
from PIL import Image

path, picture, points = sys.argv[1:]
model = sam_model_registry["vit_t"](checkpoint=path).eval()
generator = SamAutomaticMaskGenerator(model, points_per_side=int(points))
image = np.asarray(Image.open(picture).convert("RGB"))


def runs(mask):
    edges = np.flatnonzero(np.diff(np.pad(mask.ravel().astype(np.int8), 1)))
    first, end = edges[::2], edges[1::2]
    return [len(first), *np.stack([first, end - first], 1).ravel().tolist()]


def work():
    return [value for found in generator.generate(image) for value in runs(found["segmentation"])]


serve(work)
