"""Chat templates, tokens and GGUF vocabularies: what `transformers` and `tokenizers` make of them.

    python golden/chat/make.py --seed 0 --out golden/chat

Writes two small tokenizers (`bytelevel/`, `metaspace/`), `cases.json` (conversations rendered by
`apply_chat_template`, with their ids) and `gguf.json` (vocabularies in GGUF's form, with the ids the
original tokenizer gives).
"""

import argparse
import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

WORDS = """the a cat dog red blue picture shows left right above Paris France capital what where how
many is there in of and naïve café Straße 東京 猫 мир 123 45 7 2024 don't we'll it's I'm hello world
box number tree house emoji 🙂 👩‍👩‍👧 x = y + 1; print("hi") \n \n\n \t""".split(" ")

SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "[INST]", "[/INST]", "<image>", "<video>"]

# The templates of the models named, as they ship with their tokenizers or processors.
TEMPLATES = {
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "mistral": "{%- if messages[0][\"role\"] == \"system\" %}\n    {%- set system_message = messages[0][\"content\"] %}\n    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n\n{{- bos_token }}\n{%- for message in loop_messages %}\n    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\n        {{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}\n    {%- endif %}\n    {%- if message[\"role\"] == \"user\" %}\n        {%- if loop.first and system_message is defined %}\n            {{- \" [INST] \" + system_message + \"\\n\\n\" + message[\"content\"] + \" [/INST]\" }}\n        {%- else %}\n            {{- \" [INST] \" + message[\"content\"] + \" [/INST]\" }}\n        {%- endif %}\n    {%- elif message[\"role\"] == \"assistant\" %}\n        {{- \" \" + message[\"content\"] + eos_token}}\n    {%- else %}\n        {{- raise_exception(\"Only user and assistant roles are supported, with the exception of an initial optional system message!\") }}\n    {%- endif %}\n{%- endfor %}\n",
    "llava": "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    "vision": "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<image>{% elif content['type'] == 'video' or 'video' in content %}{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<video>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "features": """{%- set ns = namespace(count=0, last='') -%}
{% macro turn(message) %}
<|im_start|>{{ message.role | title }}
{{ message.content | trim }}<|im_end|>
{% endmacro %}
{%- if messages[0].role != 'system' %}
    {{- bos_token ~ 'default ' }}{{ {'role': 'system', 'tools': [1, 2.5, none, true], 'text': "it's <b>&\\u00e9"} | tojson }}
{%- endif %}
{% for message in messages %}
    {%- if message.role == 'system' %}{% continue %}{% endif %}
    {%- set ns.count = ns.count + 1 %}
    {%- set ns.last = message.content.split(' ')[-1] %}
{{ turn(message) }}
    {%- if loop.last %}[{{ ns.count }}|{{ ns.last | upper }}|{{ message.content | length }}|{{ loop.index0 % 2 == 0 }}]{% endif %}
{% endfor %}
{{ messages | map(attribute='role') | join(',') }} {{ messages[-1] | tojson(indent=2) }} {{ messages[::-1][0].role }} {{ none }} {{ 1 / 2 }}
{%- for key, value in messages[0].items() %} {{ key }}={{ value[:3] }}{% endfor %}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}""",
}
TAKES_PARTS = {"llava", "vision"}
SPLITS = {
    "smollm": [("digits", None), ("gpt2", None)],
    "gpt-2": [("gpt2", None)],
    "qwen2": [("regex", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")],
    "llama-bpe": [("regex", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")],
}


def sentence(rng, n=12):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, n)))


def specials():
    return [AddedToken(t, special=True, normalized=False) for t in SPECIAL]


def train(tokenizer, corpus, size, alphabet):
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials(), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)


def byte_level(corpus, pre="smollm", size=420):
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    steps = []
    for kind, pattern in SPLITS[pre]:
        if kind == "digits":
            steps.append(pre_tokenizers.Digits(individual_digits=True))
        elif kind == "gpt2":
            steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
        else:
            steps.append(pre_tokenizers.Split(Regex(pattern), "isolated"))
            steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, corpus, size, sorted(pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def metaspace(corpus, size=700):
    """LLaMA-2's arrangement: Prepend and Replace, byte fallback, BOS by template."""
    trained = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokens = [AddedToken(t, special=True, normalized=False) for t in SPECIAL[:3]]
    extra = [f"<0x{b:02X}>" for b in range(256)] + SPECIAL[3:]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=tokens + [AddedToken(t, normalized=False) for t in extra], show_progress=False, max_token_length=8)
    trained.train_from_iterator((s for s in corpus if "東" not in s and "猫" not in s), trainer)
    # The bytes are pieces of the model, not added tokens.
    data = json.loads(trained.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    for token in data["added_tokens"]:
        token["special"] = True
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def conversation(rng, parts):
    system = rng.random() < 0.5
    messages = [{"role": "system", "content": sentence(rng)}] if system else []
    for turn in range(rng.randint(1, 3)):
        for role in ("user", "assistant"):
            messages.append({"role": role, "content": sentence(rng)})
    if rng.random() < 0.5:
        messages.pop()
    if parts:
        for message in messages:
            content = [{"type": "text", "text": message["content"]}]
            if message["role"] == "user":
                content = [{"type": "image"}] * rng.randint(0, 2) + content
            message["content"] = content
    return messages


def chat_cases(rng, tokenizers):
    cases = []
    for name, template in TEMPLATES.items():
        for kind, tokenizer in tokenizers.items():
            for _ in range(4):
                messages = conversation(rng, name in TAKES_PARTS)
                prompt = messages[-1]["role"] != "assistant"
                text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=prompt)
                ids = tokenizer(text, add_special_tokens=False)["input_ids"]
                cases.append({
                    "template": name, "tokenizer": kind, "messages": messages, "add_generation_prompt": prompt,
                    "text": text, "ids": ids, "ids_with_special": tokenizer(text)["input_ids"],
                    "decoded": tokenizer.decode(ids, skip_special_tokens=True),
                })
    return cases


def gguf_bpe(rng, corpus, pre):
    tokenizer = byte_level(corpus, pre, 380)
    data = json.loads(tokenizer.to_str())
    vocab = sorted(data["model"]["vocab"].items(), key=lambda item: item[1])
    special = {t["content"] for t in data["added_tokens"]}
    return {
        "model": "gpt2", "pre": pre, "tokens": [t for t, _ in vocab],
        "merges": [m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]],
        "scores": [], "token_types": [3 if t in special else 1 for t, _ in vocab],
        "bos": 1, "eos": 2, "unk": 0, "add_bos": False, "texts": texts(rng, tokenizer, False),
    }


def texts(rng, tokenizer, add_special):
    out = []
    for text in [sentence(rng, 20) for _ in range(8)] + ["", " ", "  two  spaces ", "<|im_start|>user\nHi<|im_end|>", "e\u0301 12345 3.14"]:
        encoding = tokenizer.encode(text, add_special_tokens=add_special)
        out.append({"text": text, "ids": encoding.ids, "decoded": tokenizer.decode(encoding.ids, skip_special_tokens=True)})
    return out


def gguf_llama(rng, tokenizer):
    """The vocabulary of `metaspace` with scores, and merges as `transformers` derives them."""
    data = json.loads(tokenizer.to_str())
    vocab = [t for t, _ in sorted(data["model"]["vocab"].items(), key=lambda item: item[1])]
    types = [3 if t in SPECIAL else 6 if t.startswith("<0x") else 1 for t in vocab]
    types[0] = 2
    scores = [0.0 if kind != 1 else -float(i) for i, kind in enumerate(types)]
    merges = generate_merges({t: i for i, t in enumerate(vocab)}, dict(zip(vocab, scores)))
    data["model"]["merges"] = [list(merge) for merge in merges]
    data["added_tokens"] = [t for t in data["added_tokens"] if t["content"] != "<unk>"]
    reference = Tokenizer.from_str(json.dumps(data))
    return {"model": "llama", "pre": None, "tokens": vocab, "merges": [], "scores": scores, "token_types": types,
            "bos": 1, "eos": 2, "unk": 0, "add_bos": True, "texts": texts(rng, reference, True)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    corpus = [sentence(rng, 30) for _ in range(400)]
    raw = {"bytelevel": byte_level(corpus), "metaspace": metaspace(corpus)}
    wrapped = {}
    for name, tokenizer in raw.items():
        wrapped[name] = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<|endoftext|>",
            clean_up_tokenization_spaces=False)
        wrapped[name].save_pretrained(args.out / name)
    dump = lambda name, value: (args.out / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    dump("cases.json", {"templates": TEMPLATES, "cases": chat_cases(rng, wrapped)})
    dump("gguf.json", [gguf_bpe(rng, corpus, pre) for pre in SPLITS] + [gguf_llama(rng, raw["metaspace"])])


if __name__ == "__main__":
    main()
