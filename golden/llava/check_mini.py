"""Whether `transformers` loads `checkpoints/mini` unchanged and gives the same greedy tokens as
`quintet ask`.

    cargo build --release
    python golden/llava/check_mini.py target/release/quintet

The pictures differ in size, mode and format.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "checkpoints/mini"
PICTURES = [
    "assets/demo.png",
    "golden/images/rgb.png",
    "golden/images/grey.jpg",
    "golden/images/tall.bmp",
]
QUESTIONS = [
    "What colour is the house?",
    "Is there a dog in the picture?",
    "What is in the picture?",
    "Where is the house?",
]
MOST_TOKENS = 64


def conversation(question):
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]


def theirs(model, processor, picture, question):
    text = processor.apply_chat_template(conversation(question), add_generation_prompt=True)
    # The template writes the first token itself.
    inputs = processor(text=text, images=picture, return_tensors="pt", add_special_tokens=False)
    made = model.generate(**inputs, do_sample=False, max_new_tokens=MOST_TOKENS)
    made = made[0, inputs["input_ids"].shape[1] :].tolist()
    # Ours leaves out the token that ends the text.
    return made[:-1] if made[-1] == processor.tokenizer.eos_token_id else made


def ours(quintet, path, question):
    command = [quintet, "ask", "--json", "--max-tokens", str(MOST_TOKENS), path, question]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    said = json.loads(done.stdout)
    return said["ids"], said["answer"]


def main():
    quintet = str(Path(sys.argv[1]).resolve())
    processor = AutoProcessor.from_pretrained(MODEL)
    model, report = LlavaForConditionalGeneration.from_pretrained(
        MODEL, dtype=torch.float32, output_loading_info=True
    )
    model.eval()
    good = not (report["missing_keys"] or report["unexpected_keys"])
    if not good:
        print(f"keys do not match: {report}")
    for path in PICTURES:
        picture = Image.open(ROOT / path).convert("RGB")
        for question in QUESTIONS:
            expected = theirs(model, processor, picture, question)
            ids, answer = ours(quintet, path, question)
            same = expected == ids
            good &= same
            print(f"{path}: {question} {answer!r}" + ("" if same else f", {ids}, but theirs: {expected}"))
    sys.exit(0 if good else "transformers answers something else")


if __name__ == "__main__":
    main()
