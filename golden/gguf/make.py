"""Reference values for the GGUF reader, from the `gguf` Python package.

Writes
  blocks.safetensors  per quantised type: random raw blocks and what they decode to
  small.gguf          a whole file with every kind of metadata, a tokenizer and some tensors
  small.safetensors   the values of its tensors

Usage: python make.py --seed N --out DIR
"""

import argparse
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from safetensors.numpy import save_file

BLOCKS = 6
TYPES = [T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K]
# Where each type keeps its half-precision scales; everywhere else any byte is valid.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}


def random_blocks(rng, kind):
    _, size = gguf.GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in HALVES[kind]:
        scale = rng.normal(0, 0.1, (BLOCKS, 1)).astype(np.float16)
        raw[:, at : at + 2] = scale.view(np.uint8)
    return raw


def blocks(rng, out):
    tensors = {}
    for kind in TYPES:
        raw = random_blocks(rng, kind)
        tensors[f"{kind.name}.raw"] = raw
        tensors[f"{kind.name}.values"] = gguf.dequantize(raw, kind).astype(np.float32)
    save_file(tensors, out / "blocks.safetensors")


def small(rng, out):
    writer = gguf.GGUFWriter(out / "small.gguf", "llama")
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4_000_000_000)
    writer.add_int32("test.i32", -2_000_000_000)
    writer.add_uint64("test.u64", 2**63 + 5)
    writer.add_int64("test.i64", -(2**62))
    writer.add_float32("test.f32", 0.25)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.text", "Grüße, 世界")
    writer.add_array("test.ints", [1, -2, 3])
    writer.add_custom_alignment(64)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["<s>", "</s>", "a", "b", "ab"])
    writer.add_token_scores([0.0, 0.0, -1.0, -2.0, -3.5])
    writer.add_token_types([3, 3, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{{ messages[0].content }}")

    matrix = rng.normal(size=(3, 5)).astype(np.float32)
    cube = rng.normal(size=(2, 3, 4)).astype(np.float16)
    brain = gguf.quantize(rng.normal(size=(4, 8)).astype(np.float32), T.BF16)
    packed = random_blocks(rng, T.Q4_K)[:4].reshape(2, -1)
    writer.add_tensor("matrix.f32", matrix)
    writer.add_tensor("cube.f16", cube)
    writer.add_tensor("brain.bf16", brain, raw_dtype=T.BF16)
    writer.add_tensor("packed.q4_k", packed, raw_dtype=T.Q4_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(
        {
            "matrix.f32": matrix,
            "cube.f16": cube.astype(np.float32),
            "brain.bf16": gguf.dequantize(brain, T.BF16).astype(np.float32),
            "packed.q4_k": gguf.dequantize(packed, T.Q4_K).astype(np.float32),
        },
        out / "small.safetensors",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    blocks(rng, args.out)
    small(rng, args.out)
