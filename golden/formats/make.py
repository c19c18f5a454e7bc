"""Dataset files as pyarrow and pycocotools write and read them.

    python golden/formats/make.py --seed 0 --out golden/formats

Writes Parquet files with nested structs (`image.parquet`, `images.parquet`), what is in them
(`parquet.json`), and COCO annotations with every kind of mask (`coco.json`) beside the pixels
pycocotools gives them (`masks.json`, runs of 0 and 1 down the columns).
"""

import argparse
import hashlib
import io
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pycocotools import mask as coco_mask

TEXTS = ["What is it?", "naïve 東京\n\"quoted\"", "", "Is it red?", "a\n\nb"]


def png(rng):
    size = (rng.randint(1, 9), rng.randint(1, 9))
    out = io.BytesIO()
    Image.frombytes("RGB", size, rng.randbytes(size[0] * size[1] * 3)).save(out, "PNG")
    return out.getvalue()


def rows(rng, count, several):
    out = []
    for i in range(count):
        pictures = [{"bytes": png(rng), "path": rng.choice([None, f"{i}.png"])} for _ in range(rng.randint(0, 3 if several else 1))]
        turns = []
        for turn in range(rng.randint(1, 3)):
            value = rng.choice(TEXTS)
            if turn == 0:
                value = "<image>\n" * len(pictures) + value
            turns += [("human", value), ("gpt", rng.choice(TEXTS))]
        out.append({"id": f"row-{i}", "pictures": pictures, "turns": turns})
    return out


def write(rows, path, several, names, **options):
    first, second = names
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    turn = pa.struct([(first, pa.string()), (second, pa.string())])
    image = [r["pictures"] if several else (r["pictures"] or [None])[0] for r in rows]
    table = pa.table({
        "score": pa.array([float(i) for i in range(len(rows))]),
        "id": pa.array([r["id"] for r in rows]),
        "images" if several else "image": pa.array(image, pa.list_(picture) if several else picture),
        "messages" if first == "role" else "conversations": pa.array([[{first: a, second: b} for a, b in r["turns"]] for r in rows], pa.list_(turn)),
        "tags": pa.array([[["x"], []] for _ in rows], pa.list_(pa.list_(pa.string()))),
    })
    pq.write_table(table, path, row_group_size=7, **options)


def coco(rng):
    images, annotations, masks = [], [], {}
    for number in range(12):
        width, height = rng.randint(3, 60), rng.randint(3, 60)
        images.append({"id": number + 1, "file_name": f"{number}.jpg", "width": width, "height": height, "license": 1})
        for kind in ("polygon", "polygons", "runs", "packed", "none"):
            name = len(annotations) + 1
            box = [1.5, 2.0, 1.0, 1.0]
            entry = {"id": name, "image_id": number + 1, "category_id": 18, "bbox": box, "area": 1.0, "iscrowd": 0}
            pixels = None
            if kind.startswith("polygon"):
                polygons = [
                    [round(rng.uniform(-2, (width, height)[k % 2] + 2), 2) for k in range(2 * rng.randint(3, 8))]
                    for _ in range(1 if kind == "polygon" else 3)
                ]
                entry["segmentation"] = polygons
                pixels = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)))
            elif kind != "none":
                pixels = (np.random.default_rng(rng.randrange(1 << 30)).random((height, width)) < rng.choice([0.02, 0.5])).astype(np.uint8)
                packed = coco_mask.encode(np.asfortranarray(pixels))["counts"].decode()
                counts = packed if kind == "packed" else runs(pixels)
                entry["segmentation"] = {"size": [height, width], "counts": counts}
                entry["iscrowd"] = 1
                if kind == "runs":
                    masks[f"{name}-packed"] = packed
            annotations.append(entry)
            masks[str(name)] = None if pixels is None else runs(pixels)
    categories = [{"id": 18, "name": "dog", "supercategory": "animal"}]
    return {"info": {"year": 2017}, "images": images, "annotations": annotations, "categories": categories}, masks


def runs(pixels):
    flat = pixels.flatten(order="F").tolist()
    out, value, length = [], 0, 0
    for pixel in flat:
        if pixel != value:
            out.append(length)
            value, length = pixel, 0
        length += 1
    return out + [length]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.seed)
    expected = {}
    files = [
        ("image.parquet", False, ("from", "value"), {}),
        ("images.parquet", True, ("role", "content"), {"compression": "zstd", "data_page_version": "2.0"}),
    ]
    for name, several, names, options in files:
        content = rows(rng, 20, several)
        if names[0] == "role":
            for row in content:
                row["turns"] = [({"human": "user", "gpt": "assistant"}[a], b) for a, b in row["turns"]]
        write(content, args.out / name, several, names, **options)
        expected[name] = [
            {"id": r["id"], "pictures": [hashlib.sha256(p["bytes"]).hexdigest() for p in r["pictures"]], "turns": r["turns"]} for r in content
        ]
    annotations, masks = coco(rng)
    dump = lambda name, value: (args.out / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    dump("parquet.json", expected)
    dump("coco.json", annotations)
    dump("masks.json", masks)


if __name__ == "__main__":
    main()
