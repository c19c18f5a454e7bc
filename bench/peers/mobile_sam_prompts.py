"""`mobile_sam_prompts.py MODEL PICTURE encode|SIDE`: as `bench/ours/src/bin/prompt.rs`, with
MobileSAM's own code."""

import sys

import numpy as np
from mobile_sam import SamPredictor, sam_model_registry
from peer import serve
from PIL import Image

STEP = 4099  # numbers of the embedding from one of the sample to the next
path, picture, what = sys.argv[1:]
predictor = SamPredictor(sam_model_registry["vit_t"](checkpoint=path).eval())
image = np.asarray(Image.open(picture).convert("RGB"))


def encode():
    predictor.set_image(image)
    embedding = predictor.get_image_embedding()[0].flatten(1).T.flatten()
    return embedding[::STEP].tolist()


def ask():
    values = []
    for point in points:
        masks, scores, _ = predictor.predict(point[None], np.array([1]), multimask_output=True)
        values += np.stack([masks.sum((1, 2)), scores], 1).ravel().tolist()
    return values


if what == "encode":
    serve(encode)
else:
    side = int(what)
    height, width = image.shape[:2]
    points = [
        np.array([(x + 0.5) / side * width, (y + 0.5) / side * height])
        for y in range(side)
        for x in range(side)
    ]
    predictor.set_image(image)
    serve(ask)
