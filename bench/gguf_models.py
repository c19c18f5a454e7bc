"""A GGUF file of random weights, quantised by llama.cpp."""

import ctypes

import gguf
import llama_cpp
import numpy as np
from pair import TARGET

# About half a billion parameters.
LAYERS, WIDTH, MLP, HEADS, KV_HEADS = 24, 1024, 4096, 16, 4
BLOCKS = LAYERS * (2 * WIDTH * WIDTH + 2 * WIDTH * WIDTH * KV_HEADS // HEADS + 3 * WIDTH * MLP)


def half_a_billion(vocabulary_of):
    """A LLaMA in Q4_K_M, with the vocabulary of another file."""
    path = TARGET / "bench-models" / "half-a-billion.Q4_K_M.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        plain, part = path.with_suffix(".f16"), path.with_suffix(".part")
        write(plain, gguf.GGUFReader(vocabulary_of))
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
        done = llama_cpp.llama_model_quantize(str(plain).encode(), str(part).encode(), ctypes.byref(params))
        if done != 0:
            raise SystemExit("llama.cpp did not quantise the model")
        plain.unlink()
        part.rename(path)
    return path


def write(path, source):
    writer = gguf.GGUFWriter(path, "llama")
    for field in source.fields.values():
        if field.name.startswith("tokenizer."):
            kind = field.types[0]
            sub = field.types[1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub)
    vocabulary = len(source.fields["tokenizer.ggml.tokens"].data)
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    rng = np.random.default_rng(1)

    def matrix(name, rows, columns):
        values = rng.standard_normal((rows, columns), dtype=np.float32) * columns**-0.5
        writer.add_tensor(f"{name}.weight", values.astype(np.float16))

    def ones(name):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))

    matrix("token_embd", vocabulary, WIDTH)
    for i in range(LAYERS):
        block = f"blk.{i}."
        ones(block + "attn_norm")
        matrix(block + "attn_q", WIDTH, WIDTH)
        matrix(block + "attn_k", WIDTH * KV_HEADS // HEADS, WIDTH)
        matrix(block + "attn_v", WIDTH * KV_HEADS // HEADS, WIDTH)
        matrix(block + "attn_output", WIDTH, WIDTH)
        ones(block + "ffn_norm")
        matrix(block + "ffn_gate", MLP, WIDTH)
        matrix(block + "ffn_up", MLP, WIDTH)
        matrix(block + "ffn_down", WIDTH, MLP)
    ones("output_norm")
    matrix("output", vocabulary, WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
