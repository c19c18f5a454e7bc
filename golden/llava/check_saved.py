"""Whether `transformers` and PEFT read the models, processors and adapters that Quintet writes.

    QUINTET_SAVED=$PWD/saved cargo test --release -p quintet-models --test llava
    python golden/llava/check_saved.py saved

The processor is loaded by `AutoProcessor` and given the conversation and pictures beside the
model; ids must be equal, pixels within a step of 8 bits, and the logits computed from ours agree.
Adapters are put by PEFT around the model beside them.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoProcessor, LlavaForConditionalGeneration

TOLERANCE = 1e-4


def processor_agrees(folder, ours):
    processor = AutoProcessor.from_pretrained(folder)
    conversation = json.loads((folder / "conversation.json").read_text())
    text = processor.apply_chat_template(conversation, add_generation_prompt=True)
    pictures = [Image.open(path) for path in sorted(folder.glob("picture*.png"))]
    theirs = processor(text=text, images=pictures, return_tensors="pt")
    same = theirs["input_ids"].tolist() == ours["ids"].long().tolist()
    step = 1.001 / 255 / min(processor.image_processor.image_std)
    worst = (theirs["pixel_values"] - ours["pixels"]).abs().max().item()
    print(f"{folder.name}: ids {'equal' if same else 'DIFFER'}, pixels within {worst:.2e}")
    return same and worst <= step


def load(folder):
    model, report = LlavaForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    unread = report["missing_keys"] or report["unexpected_keys"]
    if unread:
        print(f"{folder.name}: keys do not match: {report}")
    return model, not unread


def logits_agree(what, model, ours):
    with torch.no_grad():
        logits = model.eval()(
            input_ids=ours["ids"].long(), pixel_values=ours["pixels"]
        ).logits
    worst = (logits - ours["logits"]).abs().max().item()
    largest = ours["logits"].abs().max().item()
    print(f"{what}: largest difference {worst:.2e} of {largest:.2f}")
    return worst < TOLERANCE


def model_agrees(folder, ours):
    model, read = load(folder)
    return logits_agree(folder.name, model, ours) and read


def adapter_agrees(folder, ours):
    model, read = load(folder)
    adapted = PeftModel.from_pretrained(model, folder / "adapter")
    return logits_agree(f"{folder.name} with adapter", adapted, ours) and read


def main():
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("llava/*/ours.safetensors"))
    good = bool(folders)
    for folder in folders:
        ours = load_file(folder / "ours.safetensors")
        good &= processor_agrees(folder, ours)
        good &= model_agrees(folder, ours)
    folders = sorted(Path(sys.argv[1]).glob("llava-adapters/*/ours.safetensors"))
    good &= bool(folders)
    for path in folders:
        good &= adapter_agrees(path.parent, load_file(path))
    sys.exit(0 if good else "the reference reads something else")


if __name__ == "__main__":
    main()
