"""Makes the goldens of picture decoding and image processing.

    python golden/images/make.py --seed 0 --out golden/images

Writes small pictures (`*.png`, `*.jpg`, ...), animations, and

- `pixels.safetensors`: for each picture `<file>` the array that PIL gives for
  `ImageOps.exif_transpose(Image.open(f)).convert("RGB")`, uint8 [h, w, 3]; for those with
  transparency also `<file>@white`, as transformers' processors composite it; for each animation
  `<file>#<frame>`.
- `processors.safetensors`: `<config>/<file>`: what the processor that `<config>.json` configures
  makes of the RGB picture, as uint8 [3, h, w] before normalisation; for some also
  `<config>/rgb.png@values`, the float32 values themselves.
- `<config>.json`: what transformers' `save_pretrained` writes (plus hand-written old forms).

Needs pillow, numpy, torch, torchvision, transformers 5, safetensors.
"""

import argparse
import json
import os
import struct
import zlib
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file
from transformers import BitImageProcessor, CLIPImageProcessor, SiglipImageProcessor, ViTImageProcessor
from transformers.image_transforms import convert_to_rgb
from transformers.models.llava.image_processing_llava import LlavaImageProcessor

ORIENTATION = 0x0112


def smooth(rng, h, w, channels):
    """A picture with gradients, edges and noise."""
    y, x = np.mgrid[0:h, 0:w]
    phase = rng.uniform(0, 6, channels)
    waves = [127 + 90 * np.sin(x / 6 + p) + 60 * np.cos(y / 4 - 2 * p) for p in phase]
    picture = np.stack(waves, -1) + rng.normal(0, 10, (h, w, channels))
    picture[h // 3 : h // 2, w // 4 : w // 2] = rng.integers(0, 2, channels) * 255
    return picture.clip(0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(path, samples):
    """A 16-bit PNG; PIL writes only grey ones. `samples` is uint16 [h, w, channels]."""
    h, w, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", w, h, 16, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def make_stills(rng, out):
    def rgb(h, w):
        return Image.fromarray(smooth(rng, h, w, 3))

    def alpha(h, w):
        samples = smooth(rng, h, w, 4)
        samples[: h // 2, : w // 3, 3] = 0
        samples[h // 2 :, w // 2 :, 3] = 255
        return Image.fromarray(samples, "RGBA")

    rgb(33, 47).save(out / "rgb.png")
    rgb(1, 1).save(out / "one_pixel.png")
    rgb(52, 23).save(out / "tall.bmp")
    Image.fromarray(smooth(rng, 31, 24, 1)[..., 0]).save(out / "grey.png")
    Image.fromarray(smooth(rng, 23, 31, 1)[..., 0] > 127).save(out / "bilevel.png")
    Image.fromarray(smooth(rng, 19, 33, 2), "LA").save(out / "grey_alpha.png")
    alpha(22, 29).save(out / "alpha.png")
    rgb(20, 25).quantize(37).save(out / "palette.png")
    palette = rgb(27, 39).quantize(16)
    palette.save(out / "palette_transparent.png", transparency=3)
    wide = lambda c: rng.integers(0, 65536, (17, 21, c), dtype=np.uint16)
    png16(out / "grey16.png", wide(1) // np.uint16(150))
    png16(out / "grey_alpha16.png", wide(2))
    png16(out / "rgb16.png", wide(3))
    png16(out / "alpha16.png", wide(4))

    rgb(27, 38).save(out / "lossless.webp", lossless=True)
    rgb(27, 38).save(out / "lossy.webp", quality=80)
    alpha(19, 28).save(out / "alpha.webp", lossless=True, exact=True)
    rgb(21, 27).quantize(32).save(out / "still.gif")
    palette = rgb(21, 27).quantize(32)
    palette.save(out / "transparent.gif", transparency=5)

    for subsampling, name in enumerate(["444", "422", "420"]):
        rgb(29, 37).save(out / f"ycc{name}.jpg", quality=88, subsampling=subsampling)
    rgb(50, 3).save(out / "narrow.jpg", quality=90)
    rgb(35, 43).save(out / "progressive.jpg", quality=85, progressive=True)
    rgb(24, 40).save(out / "restarts.jpg", quality=85, restart_marker_blocks=3)
    rgb(21, 19).save(out / "keep_rgb.jpg", quality=92, keep_rgb=True)
    Image.fromarray(smooth(rng, 27, 22, 1)[..., 0]).save(out / "grey.jpg", quality=85)
    Image.frombytes("CMYK", (40, 28), smooth(rng, 28, 40, 4).tobytes()).save(out / "cmyk.jpg", quality=90)
    adobe_ycck(out / "cmyk.jpg", out / "ycck.jpg")

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        rgb(12, 19).save(out / f"exif{orientation}.jpg", quality=90, exif=exif)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    rgb(14, 20).save(out / "exif6.png", exif=exif)
    exif[ORIENTATION] = 8
    rgb(14, 20).save(out / "exif8.webp", lossless=True, exif=exif)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="3"/></x:xmpmeta>'
    rgb(14, 20).save(out / "xmp3.jpg", quality=90, xmp=xmp)


def adobe_ycck(source, target):
    """The same coefficients declared as YCCK: PIL cannot write that."""
    data = source.read_bytes()
    at = data.index(b"\xff\xee") + 4
    assert data[at : at + 5] == b"Adobe"
    target.write_bytes(data[: at + 11] + b"\x02" + data[at + 12 :])


def make_animations(rng, out):
    frames = [Image.fromarray(smooth(rng, 14, 20, 3)).quantize(24) for _ in range(7)]
    frames[0].save(out / "anim.gif", save_all=True, append_images=frames[1:], duration=40)
    frames = [Image.fromarray(smooth(rng, 11, 16, 3)) for _ in range(6)]
    frames[0].save(out / "anim.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames = [Image.fromarray(smooth(rng, 11, 16, 3)) for _ in range(3)]
    frames[0].save(out / "anim.png", save_all=True, append_images=frames[1:])


def expected_pixels(out):
    pixels = {}
    for path in sorted(out.iterdir()):
        if path.suffix in {".json", ".safetensors", ".py"}:
            continue
        with Image.open(path) as image:
            if path.stem == "anim":
                for index in range(image.n_frames):
                    image.seek(index)
                    pixels[f"{path.name}#{index}"] = np.array(image.convert("RGB"))
                continue
            upright = ImageOps.exif_transpose(image)
            pixels[path.name] = np.array(upright.convert("RGB"))
            if "A" in image.getbands() or "transparency" in image.info:
                pixels[f"{path.name}@white"] = convert_to_rgb(upright, return_numpy=True)
    return pixels


def processors():
    clip = dict(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    yield "clip", CLIPImageProcessor(**clip)
    yield "clip_wide_crop", CLIPImageProcessor(size={"shortest_edge": 20}, crop_size={"height": 31, "width": 24})
    yield "siglip", SiglipImageProcessor(size={"height": 32, "width": 32})
    yield "siglip_bilinear", SiglipImageProcessor(size={"height": 24, "width": 40}, resample=2)
    yield "dinov2", BitImageProcessor(
        size={"shortest_edge": 32},
        crop_size={"height": 28, "width": 28},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    yield "vit", ViTImageProcessor(size={"height": 18, "width": 18})
    yield "lanczos", SiglipImageProcessor(size={"height": 20, "width": 20}, resample=1)
    yield "nearest", SiglipImageProcessor(size={"height": 20, "width": 20}, resample=0)
    yield "longest_edge", SiglipImageProcessor(size={"shortest_edge": 24, "longest_edge": 30})
    yield "no_resize", CLIPImageProcessor(do_resize=False, crop_size={"height": 24, "width": 24}, do_normalize=False)
    yield "llava_pad", LlavaImageProcessor(do_pad=True, **clip)


# The same processors in forms that older releases wrote.
OLD_FORMS = {
    "clip_old": (
        "clip",
        {
            "crop_size": 28,
            "do_center_crop": True,
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor",
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "resample": 3,
            "size": 28,
        },
    ),
    "siglip_old": (
        "siglip",
        {"image_processor_type": "SiglipImageProcessor", "size": {"height": 32, "width": 32}, "image_mean": None},
    ),
}

INPUTS = ["rgb.png", "tall.bmp", "one_pixel.png", "cmyk.jpg"]
MORE_INPUTS = {"clip": ["grey.png", "exif6.png", "alpha.png"]}
WITH_VALUES = {"clip", "no_resize"}


def levels(values, processor):
    """Undoes normalisation and rescaling: 8-bit samples."""
    values = values.astype(np.float64)
    if processor.do_normalize:
        std, mean = (np.array(c).reshape(3, 1, 1) for c in (processor.image_std, processor.image_mean))
        values = values * std + mean
    return np.ascontiguousarray((values / processor.rescale_factor).round().astype(np.uint8))


def expected_values(out, pixels):
    values = {}
    for name, processor in processors():
        (out / f"{name}.json").write_text(processor.to_json_string())
        for file in INPUTS + MORE_INPUTS.get(name, []):
            image = Image.fromarray(pixels[file])
            result = processor(images=image, return_tensors="np")["pixel_values"][0]
            values[f"{name}/{file}"] = levels(result, processor)
            if file == "rgb.png" and name in WITH_VALUES:
                values[f"{name}/{file}@values"] = np.ascontiguousarray(result, dtype=np.float32)
    for name, (same_as, config) in OLD_FORMS.items():
        (out / f"{name}.json").write_text(json.dumps(config, indent=2) + "\n")
        values[f"{name}/rgb.png"] = values[f"{same_as}/rgb.png"].copy()
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    make_stills(rng, args.out)
    make_animations(rng, args.out)
    pixels = expected_pixels(args.out)
    save_file(pixels, args.out / "pixels.safetensors")
    save_file(expected_values(args.out, pixels), args.out / "processors.safetensors")
    for path in args.out.glob("*.safetensors"):
        path.chmod(0o644)


if __name__ == "__main__":
    main()
