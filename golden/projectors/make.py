"""Tiny random input projectors, and what they give for random features.

    python golden/projectors/make.py --seed N --out DIR

The modules are those of `transformers`, except MiniGPT-v2's, which is written here after
`encode_img` of `minigpt4/models/minigpt_v2.py`. Writes per case `config.json` (ours),
`model.safetensors` and `expected.safetensors` (`features`, `projected`).
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import tiny  # noqa: E402

import torch  # noqa: E402
import transformers  # noqa: E402
from torch import nn  # noqa: E402
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler  # noqa: E402
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector  # noqa: E402
from transformers.models.paligemma.modeling_paligemma import (  # noqa: E402
    PaliGemmaMultiModalProjector,
)

ENCODER, LLM, TOKENS = 16, 24, 12


def linear():
    config = transformers.PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", "hidden_size": ENCODER, "projection_dim": LLM},
        text_config={"model_type": "gemma", "hidden_size": LLM},
        projection_dim=LLM,
    )
    module = tiny.randomise(PaliGemmaMultiModalProjector(config))
    return {"type": "linear", "input_dim": ENCODER, "output_dim": LLM}, module, module


def mlp(activation, bias):
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(hidden_size=ENCODER, num_attention_heads=4),
        text_config=transformers.LlamaConfig(hidden_size=LLM, num_attention_heads=4),
        projector_hidden_act=activation,
        multimodal_projector_bias=bias,
    )
    module = tiny.randomise(LlavaMultiModalProjector(config))
    ours = {
        "type": "mlp",
        "input_dim": ENCODER,
        "output_dim": LLM,
        "projector_hidden_act": activation,
        "multimodal_projector_bias": bias,
    }
    return ours, module, module


class TokenMerge(nn.Module):
    """MiniGPT-v2 after the encoder, CLS dropped."""

    def __init__(self):
        super().__init__()
        self.llama_proj = nn.Linear(4 * ENCODER, LLM)

    def forward(self, features):
        batch, tokens, width = features.shape
        return self.llama_proj(features.view(batch, tokens // 4, width * 4))


def token_merge():
    module = tiny.randomise(TokenMerge())
    return {"type": "token_merge", "input_dim": ENCODER, "output_dim": LLM}, module, module


def perceiver_resampler(norms):
    config = transformers.IdeficsConfig(
        vision_config={"embed_dim": ENCODER},
        perceiver_config={"qk_layer_norms_perceiver": norms},
    )
    sizes = dict(depth=2, n_heads=3, head_dim=8, n_latents=5)
    module = tiny.randomise(IdeficsPerceiverResampler(config, embed_dim=ENCODER, **sizes))
    ours = {"type": "perceiver_resampler", "input_dim": ENCODER, "qk_layer_norms_perceiver": norms}
    ours.update({f"resampler_{name}": size for name, size in sizes.items()})
    return ours, module, module


def qformer():
    """The path from image features to the LLM of `Blip2ForConditionalGeneration`."""
    sizes = dict(
        hidden_size=20,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=28,
        encoder_hidden_size=ENCODER,
    )
    config = transformers.Blip2Config(
        vision_config={
            "hidden_size": ENCODER,
            "num_attention_heads": 4,
            "intermediate_size": 8,
            "num_hidden_layers": 1,
            "image_size": 14,
        },
        qformer_config=sizes,
        text_config=transformers.OPTConfig(
            hidden_size=LLM,
            word_embed_proj_dim=LLM,
            ffn_dim=8,
            num_hidden_layers=1,
            num_attention_heads=4,
            vocab_size=8,
            max_position_embeddings=8,
        ),
        num_query_tokens=6,
    )
    model = tiny.randomise(transformers.Blip2ForConditionalGeneration(config))

    def project(features):
        queries = model.query_tokens.expand(features.shape[0], -1, -1)
        out = model.qformer(query_embeds=queries, encoder_hidden_states=features)
        return model.language_projection(out.last_hidden_state)

    ours = {"type": "qformer", **sizes, "num_query_tokens": 6, "output_dim": LLM}
    return ours, model, project


CASES = {
    "linear": linear,
    "mlp": lambda: mlp("gelu", True),
    "mlp_without_bias": lambda: mlp("gelu_pytorch_tanh", False),
    "token_merge": token_merge,
    "perceiver_resampler": lambda: perceiver_resampler(False),
    "perceiver_resampler_qk_norms": lambda: perceiver_resampler(True),
    "qformer": qformer,
}


def main():
    args = tiny.arguments(pathlib.Path(__file__).parent)
    for name, build in CASES.items():
        config, module, project = build()
        features = torch.randn(2, TOKENS, ENCODER)
        with torch.no_grad():
            projected = project(features)
        weights = {
            key: tensor
            for key, tensor in module.state_dict().items()
            if not key.startswith(("vision_model.", "language_model."))
        }
        tiny.save(args.out / name / "model.safetensors", weights)
        expected = {"features": features, "projected": projected}
        tiny.save(args.out / name / "expected.safetensors", expected)
        (args.out / name / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()
