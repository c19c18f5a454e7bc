"""Tiny random decoders and what `transformers` computes with them.

    python golden/backbones/make.py --seed 0 --out golden/backbones

Each directory holds a checkpoint as `save_pretrained` writes it and `expected.safetensors`:

    ids, mask       a left-padded batch of two, [2, t]
    logits          [2, t, vocab]
    hidden.N        [2, t, d], N = 0 .. layers        (models marked so below)
    attention.N     [2, h, t, t], N = 0 .. layers - 1 (the same)
    greedy          32 tokens after each row, [2, 32]

Directories without a weight file use the weights of the model that `weights_from` names.
`llama_lora` is an adapter that PEFT wrote, and what the model computes with it.
`llama_gguf` is the same model as llama.cpp's converter writes it (package `gguf`); `qwen2_gguf` has
biases, `llama_q8_gguf` matrices in blocks of 8 bits.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gguf
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Qwen2Config,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny  # noqa: E402

SIZES = dict(
    vocab_size=48,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
LLAMA = dict(SIZES, intermediate_size=32, num_key_value_heads=2, max_position_embeddings=64)
OPT = dict(SIZES, ffn_dim=32, max_position_embeddings=48, dropout=0.0)
TOKENS = 8
GREEDY = 32
# Two scores closer than this could change places by rounding.
MARGIN = 2e-3

MODELS = {
    "llama": (LlamaConfig(**LLAMA), torch.bfloat16),
    "mistral": (MistralConfig(**LLAMA, sliding_window=5, head_dim=12), torch.float16),
    "qwen2": (
        Qwen2Config(
            **LLAMA,
            tie_word_embeddings=True,
            use_sliding_window=True,
            sliding_window=4,
            max_window_layers=1,
        ),
        torch.bfloat16,
    ),
    "opt": (OPTConfig(**OPT), torch.float16),
    "opt_post": (
        OPTConfig(**OPT, word_embed_proj_dim=16, do_layer_norm_before=False, enable_bias=False),
        torch.float16,
    ),
}
# Context and scaling. Dynamic: shorter than the prompt, so that it is in force from the start.
# LLaMA 3: one frequency kept, one blended, the others divided.
SCALINGS = {
    "linear": (64, {"rope_type": "linear", "factor": 4.0}),
    "dynamic": (4, {"rope_type": "dynamic", "factor": 2.0}),
    "llama3": (
        64,
        {
            "rope_type": "llama3",
            "factor": 4.0,
            "low_freq_factor": 0.4,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    ),
    "yarn": (2048, {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}),
}


def randomise(model, dtype, generator):
    """Weights at which attention and logits are far from uniform, exact in `dtype`.

    The model itself stays in f32: converting it would round its rotary frequencies too.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
                weight.copy_(centre + 0.2 * noise)
            elif "embed_" in name:
                weight.copy_(noise)
            else:
                weight.copy_(1.5 * noise / weight.shape[1] ** 0.5)
            weight.copy_(weight.to(dtype))


def expected(model, with_hidden, generator):
    lengths = [TOKENS - 3, TOKENS]
    ids = torch.randint(3, SIZES["vocab_size"], (2, TOKENS), generator=generator)
    mask = torch.tensor([[0] * (TOKENS - n) + [1] * n for n in lengths])
    ids = ids * mask
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        out = model(
            ids,
            attention_mask=mask,
            position_ids=positions,
            output_hidden_states=True,
            output_attentions=True,
        )
        made = model.generate(
            ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=GREEDY,
            output_logits=True,
            return_dict_in_generate=True,
        )
    best = torch.stack(made.logits).topk(2).values
    margin = (best[..., 0] - best[..., 1]).min().item()
    tensors = {"ids": ids, "mask": mask, "logits": out.logits}
    tensors["greedy"] = made.sequences[:, TOKENS:].contiguous()
    if with_hidden:
        tensors |= {f"hidden.{i}": h.contiguous() for i, h in enumerate(out.hidden_states)}
        tensors |= {f"attention.{i}": a.contiguous() for i, a in enumerate(out.attentions)}
    return tensors, margin


def small(tensors):
    return {k: v if v.is_floating_point() else v.to(torch.int32) for k, v in tensors.items()}


def sensitivity(model, tensors):
    ids, mask = tensors["ids"], tensors["mask"]
    positions = (mask.cumsum(1) - 1).clamp(min=0)

    def logits(model):
        return model(ids, attention_mask=mask, position_ids=positions).logits[mask.bool()]

    return tiny.sensitivity(model, logits)


def draw(make, with_hidden, generator, tries=200):
    """The first draw whose greedy choices are all clear, and that rounding does not move far."""
    for _ in range(tries):
        model = make().eval()
        tensors, margin = expected(model, with_hidden, generator)
        if margin > MARGIN and sensitivity(model, tensors) < tiny.MOST_SENSITIVE:
            return model, small(tensors), margin
    raise SystemExit(f"no draw in {tries} had margins above {MARGIN} and was insensitive")


def write_gguf(model, path, matrices=gguf.GGMLQuantizationType.BF16):
    """What `convert_hf_to_gguf.py` of llama.cpp writes of a LLaMA or Qwen2, without a tokenizer."""
    config = model.config
    writer = gguf.GGUFWriter(path, config.model_type)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    heads = {}
    if config.model_type == "llama":
        writer.add_rope_dimension_count(config.head_dim)
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    architecture = gguf.MODEL_ARCH[config.model_type.upper()]
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        weight = weight.float()
        for part, count in heads.items():
            if part in name:
                # Rotated pairs become neighbours (`LlamaModel.permute` of the converter).
                halves = weight.reshape(count, 2, -1, weight.shape[1])
                weight = halves.transpose(1, 2).reshape(weight.shape)
        array = weight.contiguous().numpy()
        kind = gguf.GGMLQuantizationType.F32
        if weight.ndim == 2:
            kind = matrices
            array = gguf.quants.quantize(array, kind)
        key = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(key, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf_and_expected(folder, make, matrices, generator):
    model, tensors, margin = draw(make, False, generator)
    folder.mkdir(parents=True, exist_ok=True)
    write_gguf(model, folder / "model.gguf", matrices)
    save_file(tensors, folder / "expected.safetensors")
    print(f"{folder.name}: smallest greedy margin {margin:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(args.seed)

    for name, (config, dtype) in MODELS.items():
        folder = args.out / name

        def make():
            model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
            randomise(model, dtype, generator)
            return model

        model, tensors, margin = draw(make, True, generator)
        model.to(dtype).save_pretrained(folder)
        save_file(tensors, folder / "expected.safetensors")
        print(f"{name}: smallest greedy margin {margin:.4f}")

    for name, (context, scaling) in SCALINGS.items():
        folder = args.out / f"llama_{name}"
        sizes = dict(LLAMA, max_position_embeddings=context)

        def make():
            config = LlamaConfig(**sizes, rope_parameters={"rope_theta": 10000.0, **scaling})
            return AutoModelForCausalLM.from_pretrained(
                args.out / "llama", config=config, dtype=torch.float32, attn_implementation="eager"
            )

        model, tensors, margin = draw(make, False, generator)
        folder.mkdir(parents=True, exist_ok=True)
        model.config.save_pretrained(folder)
        (folder / "weights_from").write_text("llama\n")
        save_file(tensors, folder / "expected.safetensors")
        print(f"{folder.name}: smallest greedy margin {margin:.4f}")

    folder = args.out / "llama_gguf"
    folder.mkdir(parents=True, exist_ok=True)
    plain = AutoModelForCausalLM.from_pretrained(args.out / "llama", dtype=torch.float32)
    write_gguf(plain, folder / "model.gguf")

    def make():
        model = AutoModelForCausalLM.from_pretrained(
            args.out / "llama", dtype=torch.float32, attn_implementation="eager"
        )
        lora = LoraConfig(
            r=2,
            lora_alpha=6,
            target_modules=["q_proj", "v_proj", "down_proj"],
            rank_pattern={"down_proj": 3},
            alpha_pattern={"layers.1.self_attn.q_proj": 5},
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(model, lora)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_" in name:
                    weight.copy_(0.4 * torch.randn(weight.shape, generator=generator))
        return model

    folder = args.out / "llama_lora"
    model, tensors, margin = draw(make, False, generator)
    model.peft_config["default"].base_model_name_or_path = "llama"
    model.save_pretrained(folder)
    (folder / "weights_from").write_text("llama\n")
    save_file(tensors, folder / "expected.safetensors")
    print(f"llama_lora: smallest greedy margin {margin:.4f}")

    # GGUF files have no sliding windows.
    def make():
        config = Qwen2Config(**LLAMA, tie_word_embeddings=True)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        randomise(model, torch.bfloat16, generator)
        return model

    write_gguf_and_expected(args.out / "qwen2_gguf", make, gguf.GGMLQuantizationType.BF16, generator)

    blocks = gguf.GGMLQuantizationType.Q8_0

    def make():
        model = AutoModelForCausalLM.from_pretrained(
            args.out / "llama", dtype=torch.float32, attn_implementation="eager"
        )
        with torch.no_grad():
            for weight in model.parameters():
                if weight.ndim == 2:
                    packed = gguf.quants.quantize(weight.numpy(), blocks)
                    weight.copy_(torch.from_numpy(gguf.quants.dequantize(packed, blocks)))
        return model

    write_gguf_and_expected(args.out / "llama_q8_gguf", make, blocks, generator)

    for extra in args.out.glob("*/README.md"):
        extra.unlink()
    for extra in args.out.glob("*/generation_config.json"):
        extra.unlink()


if __name__ == "__main__":
    main()
