"""`marker.py detectron2|supervision PICTURE MASKS COLOURS ROUNDS OUT`: as
`bench/ours/src/bin/mark.rs`. The visualizer of microsoft/SoM is detectron2's with one method more,
which tints and edges a mask, as detectron2 does it, and writes its number at the inmost point; the
same is done here. supervision writes at the centre of mass, which is the nearest that it has."""

import sys
import warnings

import cv2
import numpy as np
from peer import serve
from PIL import Image
from pycocotools.coco import COCO

ALPHA, POINTS = 0.1, 18  # opacity of masks, size of numbers


def detectron2(image, masks, colours):
    sys.path.append(f"{sys.prefix}/detectron2")  # where bench/env puts it
    from detectron2.utils.visualizer import Visualizer

    visualizer = Visualizer(image)
    visualizer._default_font_size = POINTS
    anchors = []
    for number, (mask, colour) in enumerate(zip(masks, colours), 1):
        colour = [part / 255 for part in colour]
        visualizer.draw_binary_mask(mask, colour, alpha=ALPHA)
        distance = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        ys, xs = np.where(distance == distance.max())
        x, y = (int(places[len(places) // 2]) for places in (xs, ys))
        lighter = visualizer._change_color_brightness(colour, brightness_factor=0.7)
        visualizer.draw_text(str(number), (x + 2, y - 6), color=lighter)
        anchors += [x, y]
    return visualizer.get_output().get_image(), anchors


def supervision(image, masks, colours):
    import supervision as sv

    palette = sv.ColorPalette([sv.Color(*colour) for colour in colours])
    found = sv.Detections(
        xyxy=sv.mask_to_xyxy(masks.astype(bool)), mask=masks.astype(bool), class_id=np.arange(len(masks))
    )
    numbers = [str(number) for number in range(1, len(masks) + 1)]
    drawn = sv.MaskAnnotator(palette, opacity=ALPHA).annotate(image[..., ::-1].copy(), found)
    drawn = sv.PolygonAnnotator(palette, thickness=1).annotate(drawn, found)
    label = sv.LabelAnnotator(
        sv.Color.BLACK, text_color=palette, text_scale=0.8, text_thickness=2, text_padding=2,
        text_position=sv.Position.CENTER_OF_MASS,
    )
    return label.annotate(drawn, found, numbers)[..., ::-1], []


warnings.filterwarnings("ignore")
peer, picture, file, colours, rounds, out = sys.argv[1:]
draw = {"detectron2": detectron2, "supervision": supervision}[peer]
image = np.asarray(Image.open(picture).convert("RGB"))
annotations = COCO(file)
masks = np.stack([annotations.annToMask(annotation) for annotation in annotations.anns.values()])
masks = masks[np.argsort(-masks.sum((1, 2)), kind="stable")]
colours = [tuple(bytes.fromhex(colour[1:])) for colour in colours.split(",")]
colours = [colours[i % len(colours)] for i in range(len(masks))]
Image.fromarray(draw(image, masks, colours)[0]).save(out)


def work():
    for _ in range(int(rounds)):
        _, anchors = draw(image, masks, colours)
    return anchors


serve(work)
