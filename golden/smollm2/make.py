"""What SmolLM2 answers greedily, computed by `transformers` from the weights that Quintet chats with.

    quintet pull smollm2
    python golden/smollm2/make.py --gguf FILE.gguf --out golden/smollm2

`transformers` dequantises the file with the package `gguf`. Writes `greedy.json`: for each question
the ids of the prompt under the chat template, those of the answer, and its text.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

QUESTIONS = [
    "What is the capital of France?",
    "Name three primary colours.",
]
TOKENS = 32


def answer(model, tokenizer, question):
    message = {"role": "user", "content": question}
    prompt = tokenizer.apply_chat_template(
        [message], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    made = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=TOKENS,
        output_logits=True,
        return_dict_in_generate=True,
    )
    best = torch.stack(made.logits).topk(2).values
    margin = (best[..., 0] - best[..., 1]).min().item()
    ids = made.sequences[0, prompt.shape[1] :].tolist()
    print(f"{question}: smallest greedy margin {margin:.4f}")
    return {
        "question": question,
        "prompt": prompt[0].tolist(),
        "answer": ids,
        "text": tokenizer.decode(ids, skip_special_tokens=True),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    source = dict(gguf_file=args.gguf.name)
    folder = args.gguf.parent
    tokenizer = AutoTokenizer.from_pretrained(folder, **source)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", **source
    ).eval()
    digest = hashlib.sha256(args.gguf.read_bytes()).hexdigest()
    answers = [answer(model, tokenizer, question) for question in QUESTIONS]
    args.out.mkdir(parents=True, exist_ok=True)
    content = {"sha256": digest, "answers": answers}
    text = json.dumps(content, indent=1)
    (args.out / "greedy.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
