"""Public benchmarks in their official layouts, and the scores that public programs give to answers.

    python -m venv target/benchmarks-venv
    target/benchmarks-venv/bin/pip install --no-deps lmms-eval==0.7.3 llava-torch==1.2.2.post1
    target/benchmarks-venv/bin/pip install loguru==0.7.3 numpy==2.4.6 pandas==3.1.1 pyyaml==6.0.4
    target/benchmarks-venv/bin/python golden/benchmarks/make.py --out golden/benchmarks

Questions, answers and judge's replies are our own, written to be misread. `expected.json` holds, for
each benchmark and mode, the scores, SHA-256 of what a judge is asked, and the ids of the items that
the modes read differently. Which program gives them:

| benchmark | official | harness |
|---|---|---|
| POPE | llava-torch: `eval_pope.py`, the rule of POPE's `evaluate.py` | lmms-eval: `tasks/pope` |
| MME | our statement of `eval_tool/calculation.py`, which is in no package | lmms-eval: `tasks/mme` |
| SEED-Bench | our statement of `eval.py` and of `convert_seed_for_submission.py`, which are in no package | lmms-eval: `tasks/seedbench`; of option scores, our statement of its `api/task.py` |
| LLaVA-Bench | llava-torch: `eval_gpt_review_bench.py`, then `summarize_gpt_review.py` | lmms-eval: `tasks/llava-in-the-wild` |
| MM-Vet | our statement of `mm-vet_evaluator.ipynb`, which is in no package | lmms-eval: `tasks/mmvet` |

Only the network is replaced: where a program asks a model, it gets the next recorded reply.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import io
import json
import math
import runpy
import sys
import time
import types
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

POPE_ANSWERS = [
    "Yes", "No", "Yes, there is.", "no", "I'm not sure", "Not really", "NO", "no\n", " yes ", "No, there is not.",
    "Yes. There is no doubt", "There isn't any", "", "yes.", "Maybe, not", "YES", "nope", "It is, no question", "no.", "Yes, no dogs",
]
MME_ANSWERS = [
    "Yes", "No", "Yes, it is.", "no.", "Not at all", "know", "   yes", "y", "N", "...no", "The answer is yes", "", "nO", "None", "Yep", "It is no",
    " No", "YES!", "n.", "Of course not", "no idea", "y e s", "eyes", "Unknown",
]
SEED_TRUTHS = "ABBBCDBADABCDBCD"
SEED_ANSWERS = ["A", "B", "b", "B.", " C", "(D)", "The answer is B.", "Blue", "D\n", "", "E", "C, because", "d)", "A or B", "B", "D"]
LLAVA_REPLIES = [
    "8 9\nBoth are good.", "8, 9", "7,6\nThe first is better.", "9 5 \nfine", "Assistant 1: 8, Assistant 2: 9", "8/10 6/10", "10 3.5\r\nx",
    "I cannot rate these.", "\n9 9", "8.5 7.25", "", "6;7", "9 8 7",
]
MMVET_REPLIES = [
    ["1.0"], ["0.5 because"], ["The", "0.7"], ["a", "b", "c", "d", "0.3"], ["a", "b", "c", "d", "e"], ["0.1"], ["1.5", "0.9"], ["", "0.4"],
    ["0.8\n"], ["x", "0.25"], ["0"], [".6"], ["0.35"], [" 0.6", "0.2"],
]
CAPABILITIES = [
    ["rec"], ["ocr", "math"], ["gen", "rec", "know"], ["rec"], ["ocr"], ["ocr", "spat"], ["math", "ocr"], ["rec", "know"], ["spat", "rec"],
    ["ocr", "rec", "spat", "math"], ["ocr"], ["know", "gen", "rec"], ["rec", "spat"], ["gen"],
]
PERCEPTION = ["existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR"]
COGNITION = ["commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"]
NESTED = ["posters", "celebrity", "scene", "landmark", "artwork"]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def read_lines(path):
    return [json.loads(line) for line in open(path)]


def load(package, file):
    """A module of an installed package by its file, without what the package imports."""
    path = next(distribution(package).locate_file(f) for f in distribution(package).files if str(f) == file)
    spec = importlib.util.spec_from_file_location(Path(file).stem + "_" + hashlib.sha256(file.encode()).hexdigest()[:8], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


# --- POPE


def pope(out):
    out = out / "pope"
    objects = ["dog", "cat", "bus", "red car", "cup"]
    scores, different = {"official": {}, "harness": {}}, []
    everything = []
    official = load("llava-torch", "llava/eval/eval_pope.py")
    harness = load("lmms-eval", "lmms_eval/tasks/pope/utils.py")
    names = ["accuracy", "precision", "recall", "f1", "yes_ratio"]
    aggregates = [harness.pope_aggregate_accuracy, harness.pope_aggregate_precision, harness.pope_aggregate_recall, harness.pope_aggregate_f1_score, harness.pope_aggregate_yes_ratio]
    for number, split in enumerate(["random", "popular", "adversarial"]):
        asked = [
            {"question_id": i + 1, "image": f"COCO_val2014_{i // 2:012}.jpg", "text": f"Is there a {objects[i % 5]} in the image?", "label": ["yes", "no"][(i + i // 5 + number) % 2]}
            for i in range(len(POPE_ANSWERS))
        ]
        said = [POPE_ANSWERS[(i + 7 * number) % len(POPE_ANSWERS)] for i in range(len(asked))]
        write(out / f"coco_pope_{split}.json", lines(asked))
        write(out / "answers" / f"{split}.json", lines({"question": q["text"], "answer": a} for q, a in zip(asked, said)))

        answers = [{"text": a} for a in said]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            official.eval_pope(answers, out / f"coco_pope_{split}.json")
        values = dict(line.split(": ") for line in printed.getvalue().splitlines() if ": " in line)
        theirs = ["Accuracy", "Precision", "Recall", "F1 score", "Yes ratio"]
        scores["official"] |= {f"{split}.{name}": float(values[their]) for name, their in zip(names, theirs)}

        results = [harness.pope_process_results({"answer": q["label"], "question_id": q["question_id"]}, [a])["pope_accuracy"] for q, a in zip(asked, said)]
        everything += results
        scores["harness"] |= {f"{split}.{name}": float(f(results)) for name, f in zip(names, aggregates)}
        different += [f"{split}/{q['question_id']}" for q, a, r in zip(asked, answers, results) if r["prediction"] != a["text"]]
    for mode in scores.values():
        for name in names:
            mode[f"mean.{name}"] = sum(mode[f"{split}.{name}"] for split in ["random", "popular", "adversarial"]) / 3
    scores["harness"] |= {f"all.{name}": float(f(everything)) for name, f in zip(names, aggregates)}
    prompt = harness.pope_doc_to_text({"question": "Is there a dog in the image?"}, {"post_prompt": "\nAnswer the question using a single word or phrase."})
    return {"scores": scores, "different": different, "first_prompt": {"official": "Is there a dog in the image?", "harness": prompt}}


# --- MME


def mme_reads(text):
    """What `calculation.py` of MME's `eval_tool` makes of an answer in the last column of a line."""
    text = (text + "\n").lower()
    if text in ["yes", "no"]:
        return text
    return next((word for word in ["yes", "no"] if word in text[:4]), "other")


def mme(out):
    out = out / "mme"
    harness = load("lmms-eval", "lmms_eval/tasks/mme/utils.py")
    official, results, different, said = {}, [], [], 0
    for category in PERCEPTION + COGNITION:
        rows, rights = [], []
        for picture in range(3):
            name = f"{picture:04}"
            folder = out / "questions" / category / ("questions_answers_YN" if category in NESTED else "")
            pair = [(f"Is this a {category} of kind {picture}{k}? Please answer yes or no.", ["Yes", "No"][(k + picture) % 2]) for k in range(2)]
            write(folder / f"{name}.txt", "".join(f"{q}\t{a}\n" for q, a in pair))
            for k, (question, truth) in enumerate(pair):
                # A line of a results file holds no line ends or tabs.
                answer = MME_ANSWERS[(said * 5 + said // 24) % len(MME_ANSWERS)]
                said += 1
                rows.append(f"{name}.jpg\t{question}\t{truth}\t{answer}\n")
                theirs = harness.mme_process_results({"answer": truth, "category": category, "question_id": f"{category}/{name}.jpg"}, [answer])
                [[key, value]] = theirs.items()
                results.append((key, value))
                right = mme_reads(answer) == truth.lower()
                rights.append(right)
                if right != (value["score"] == 1.0):
                    different.append(f"{category}/{name}.jpg#{k + 1}")
        write(out / "results" / f"{category}.txt", "".join(rows))
        acc, plus = sum(rights) / len(rights), sum(a and b for a, b in zip(rights[::2], rights[1::2])) / 3
        official |= {f"{category}.acc": acc, f"{category}.acc_plus": plus, f"{category}.score": acc * 100 + plus * 100}
    official["perception"] = sum(official[f"{c}.score"] for c in PERCEPTION)
    official["cognition"] = sum(official[f"{c}.score"] for c in COGNITION)
    theirs = {name: harness.mme_aggregate_results([r for key, r in results if key == f"mme_{name}_score"]) for name in ["perception", "cognition"]}
    for category in PERCEPTION + COGNITION:
        theirs[f"{category}.score"] = harness.mme_aggregate_results([r for _, r in results if r["category"] == category])
    kwargs = {"pre_prompt": "", "post_prompt": "\nAnswer the question using a single word or phrase."}
    first = "Is this a existence of kind 00? Please answer yes or no."
    prompts = {"official": first, "harness": harness.mme_doc_to_text({"question": first}, kwargs)}
    return {"scores": {"official": official, "harness": theirs}, "different": different, "first_prompt": prompts}


# --- SEED-Bench


def seed(out):
    out = out / "seed"
    harness = load("lmms-eval", "lmms_eval/tasks/seedbench/utils.py")
    types_ = {"Scene Understanding": 1, "Instance Identity": 2, "Text Understanding": 9, "Action Recognition": 10}
    questions, answers, options = [], [], []
    for i, said in enumerate(SEED_ANSWERS):
        choices = [f"option {k} of {i}" for k in "wxyz"]
        if i == 14:
            # The right option has the text of another, which lmms-eval holds for the right one.
            choices[2] = choices[1]
        truth = SEED_TRUTHS[i]
        questions.append({
            "answer": truth, **{f"choice_{k}": c for k, c in zip("abcd", choices)}, "data_id": f"{i}_picture", "data_type": "image",
            "question": f"What is in picture {i}?", "question_id": str(1000 + i), "question_type_id": [1, 2, 9][i % 3],
        })
        answers.append({"question_id": 1000 + i, "text": said})
        tokens = [1 + (i * k + k) % 5 for k in range(4)]
        options.append([{"log_likelihood": -0.3 - ((7 * i + 5 * k * k + 3 * k) % 11) / 4, "tokens": tokens[k]} for k in range(4)])
    questions.append({**questions[0], "data_type": "video", "question_id": "v1", "question_type_id": 10, "data_id": "a.webm"})
    write(out / "SEED-Bench.json", json.dumps({"questions": questions, "question_type": types_}, indent=1))
    write(out / "answers.jsonl", lines(answers))
    write(out / "options.jsonl", lines({"id": q["question_id"], "options": o} for q, o in zip(questions, options)))

    of_image = questions[:-1]
    names = {number: name for name, number in types_.items()}

    def percent(rights):
        groups = {"overall": rights}
        for question, right in zip(of_image, rights):
            groups.setdefault(names[question["question_type_id"]], []).append(right)
        return {name: sum(group) / len(group) * 100 for name, group in groups.items()}

    rights = [row["text"] == question["answer"] for row, question in zip(answers, of_image)]
    results = [harness.seed_process_result(q, [a["text"]])["seed_image"] for q, a in zip(of_image, answers)]
    theirs = [harness.seed_aggregation_result([r]) == 1 for r in results]
    by_text = {"official": percent(rights), "harness": percent(theirs)}
    by_text["harness"]["overall"] = harness.seed_aggregation_result(results) * 100
    different = [q["question_id"] for q, a, b in zip(of_image, rights, theirs) if a != b]

    # eval.py: losses summed over tokens, the smallest wins. lmms-eval: the model's loss, which is
    # a mean over tokens; the right option is the first with the right text.
    sums = ["ABCD"[int(np.argmin([-o["log_likelihood"] for o in row]))] == q["answer"] for row, q in zip(options, of_image)]
    means = [
        int(np.argmin([-o["log_likelihood"] / o["tokens"] for o in row])) == harness.seed_doc_to_choice(q).index(harness.seed_doc_to_mc_target(q))
        for row, q in zip(options, of_image)
    ]
    by_options = {"official": percent(sums), "harness": percent(means)}
    prompt = harness.seed_doc_to_text(of_image[0])
    return {
        "scores": by_text, "different": different, "first_prompt": {"official": prompt, "harness": prompt},
        "options": {"scores": by_options, "different": [q["question_id"] for q, a, b in zip(of_image, sums, means) if a != b]},
    }


# --- LLaVA-Bench


def fake_judge(reply):
    """lmms-eval's judges with `reply(text, temperature)` in place of the network."""
    protocol = load("lmms-eval", "lmms_eval/llm_judge/protocol.py")
    package = types.ModuleType("lmms_eval.llm_judge")
    package.__path__ = []

    class Server:
        def __init__(self, server_name=None, config=None):
            self.config = config

        def evaluate(self, request):
            [message] = request.messages
            content = reply(message["content"], (request.config or self.config).temperature)
            return protocol.Response(content=content.strip(), model_used="recorded")

    package.Request, package.ServerConfig, package.get_server = protocol.Request, protocol.ServerConfig, Server
    sys.modules["lmms_eval.llm_judge"], sys.modules["lmms_eval.llm_judge.protocol"] = package, protocol


def llava(out):
    out = out / "llava"
    questions, contexts, references, answers = [], [], [], []
    for i in range(len(LLAVA_REPLIES)):
        questions.append({"question_id": i, "image": f"{i // 2:03}.jpg", "text": f"Describe thing {i}.", "category": ["conv", "detail", "complex"][i % 3]})
        references.append({"question_id": i, "text": f"Reference {i}.\nIt has two lines.", "answer_id": f"r{i}", "metadata": {}})
        answers.append({"question_id": i, "prompt": f"Describe thing {i}.", "text": f"Thing {i} is – well – a thing.", "answer_id": f"a{i}", "metadata": {}})
    for i in range((len(LLAVA_REPLIES) + 1) // 2):
        caption = f"Picture {i}.\nSeen från above." if i % 2 else [f"Picture {i}.", "Seen from below."]
        contexts.append({"id": i, "image": f"{i:03}.jpg", "caption": caption})
    for name, rows in [("questions", questions), ("context", contexts), ("answers_gpt4", references), ("answers", answers)]:
        write(out / f"{name}.jsonl", lines(rows))
    write(out / "replies.jsonl", lines({"id": i, "reply": reply} for i, reply in enumerate(LLAVA_REPLIES)))

    asked = {"official": [], "harness": []}
    openai = types.ModuleType("openai")

    def create(messages, temperature, max_tokens, model):
        asked["official"].append(json.dumps([messages[0]["content"], messages[1]["content"], temperature, max_tokens], ensure_ascii=False, separators=(",", ":")))
        return {"choices": [{"message": {"content": LLAVA_REPLIES[len(asked["official"]) - 1]}}]}

    openai.ChatCompletion = types.SimpleNamespace(create=create)
    sys.modules["openai"] = openai
    site = Path(distribution("llava-torch").locate_file("llava/eval"))
    rule = Path(distribution("lmms-eval").locate_file("lmms_eval/tasks/llava-in-the-wild/rule.json"))
    reviews = out / "reviews.jsonl"
    reviews.unlink(missing_ok=True)

    def run(script, *arguments):
        printed, argv = io.StringIO(), sys.argv
        sys.argv = [script, *map(str, arguments)]
        with contextlib.redirect_stdout(printed):
            runpy.run_path(str(site / script), run_name="__main__")
        sys.argv = argv
        return printed.getvalue()

    run("eval_gpt_review_bench.py", "-q", out / "questions.jsonl", "-c", out / "context.jsonl", "-a", out / "answers_gpt4.jsonl", out / "answers.jsonl", "-r", rule, "-o", reviews)
    official = {}
    for line in run("summarize_gpt_review.py", "-f", reviews).splitlines()[1:-1]:
        name, relative, reference, model = line.split()
        name = name.removeprefix("llava_bench_")
        official |= {name: float(relative), f"{name}.reference": float(reference), f"{name}.model": float(model)}

    calls = []

    def reply(content, temperature):
        asked["harness"].append(json.dumps([None, content, temperature, 1024], ensure_ascii=False, separators=(",", ":")))
        return LLAVA_REPLIES[len(asked["harness"]) - 1]

    fake_judge(reply)
    module = load("lmms-eval", "lmms_eval/tasks/llava-in-the-wild/utils.py")
    captions = {context["image"]: context["caption"] for context in contexts}
    for question, reference, answer in zip(questions, references, answers):
        doc = {"question": question["text"], "gpt_answer": reference["text"], "caption": captions[question["image"]], "category": question["category"], "question_id": question["question_id"]}
        calls.append(module.llava_process_results(doc, [answer["text"]]))
    harness = {}
    for name in ["all", "conv", "detail", "complex"]:
        harness[name] = module.llava_aggregation([call[f"gpt_eval_llava_{name}"] for call in calls], name)
    pairs = [review["tuple"] for review in read_lines(reviews)]
    theirs = [call["gpt_eval_llava_all"]["scores"] for call in calls]
    return {
        "scores": {"official": official, "harness": harness},
        "different": [str(i) for i, (a, b) in enumerate(zip(pairs, theirs)) if a != b],
        "unreadable": {"official": [str(i) for i, a in enumerate(pairs) if a == [-1, -1]], "harness": [str(i) for i, a in enumerate(theirs) if a == [-1, -1]]},
        "asked": {mode: [digest(text) for text in texts] for mode, texts in asked.items()},
    }


# --- MM-Vet


def mm_vet(out):
    out = out / "mm_vet"
    questions = {}
    for i, capability in enumerate(CAPABILITIES):
        truth = ["5", "table lamp<OR>desk lamp", "1<AND>2"][i % 3]
        questions[f"v1_{i}"] = {"imagename": f"v1_{i}.png", "question": f"What is {i}?", "answer": truth, "imagesource": "none", "capability": capability}
    answers = {id: f"It is {id}." for id in questions}
    write(out / "mm-vet.json", json.dumps(questions, indent=1))
    write(out / "results.json", json.dumps(answers, indent=1))
    recorded = dict(zip(questions, MMVET_REPLIES))
    write(out / "replies.jsonl", lines({"id": id, "attempt": i, "reply": r} for id, replies in recorded.items() for i, r in enumerate(replies)))

    def number(text):
        try:
            return float(text.split(" ")[0].strip())
        except ValueError:
            return None

    # The evaluator reads five replies, the first to its prompt, the others to a longer one.
    prompt = (Path(__file__).parents[2] / "crates/eval/assets/benchmarks/mm-vet.txt").read_text()
    asked, official = {"official": [], "harness": []}, {}
    for id, question in questions.items():
        parts = [question["question"], question["answer"].replace("<AND>", " <AND> ").replace("<OR>", " <OR> "), answers[id], ""]
        official[id] = 0.0
        for attempt, text in enumerate(recorded[id][:5]):
            user = prompt + "\n" + " | ".join(parts) + ("\nPredict the correctness of the answer (digit): " if attempt else "")
            asked["official"].append(digest(json.dumps([None, user, max(attempt - 1, 0) * 0.5, 3], ensure_ascii=False, separators=(",", ":"))))
            value = number(text)
            if value is not None and 0 <= value <= 1:
                official[id] = value
                break

    def report(score):
        groups = {}
        for id, question in questions.items():
            names = sorted(question["capability"], key=["rec", "ocr", "know", "gen", "spat", "math"].index)
            for name in [*names, "only." + "_".join(names), "total"]:
                groups.setdefault(name, []).append(id)
        return {name: score(ids) for name, ids in groups.items()}

    # As the notebook rounds: round() of a numpy number.
    ours = report(lambda ids: float(round((np.array([sum(official[id] for id in ids)]) / len(ids) * 100).mean(), 1)))

    state = {}

    def reply(content, temperature):
        # After a reply that is no number lmms-eval makes a call whose reply it does not look at.
        if state["skip"]:
            state["skip"] = False
            return "0.123"
        replies, state["next"] = recorded[state["id"]], state["next"] + 1
        text = replies[state["next"] - 1] if state["next"] <= len(replies) else "none"
        asked["harness"].append(digest(json.dumps([None, content, temperature, 128], ensure_ascii=False, separators=(",", ":"))))
        state["skip"] = bool(text) and number(text.strip()) is None
        if not text:
            # An empty reply is asked for three times.
            state["next"] -= 1
            if state.setdefault("empty", 0) < 2:
                state["empty"] += 1
                asked["harness"].pop()
        return text

    fake_judge(reply)
    time.sleep = lambda seconds: None
    module = load("lmms-eval", "lmms_eval/tasks/mmvet/utils.py")
    results = {}
    for id, question in questions.items():
        state.update(id=id, next=0, skip=False)
        doc = {**question, "question_id": id, "capability": ",".join(question["capability"])}
        results[id] = module.mmvet_process_results(doc, [answers[id]])["gpt_eval_score"]
    theirs = report(lambda ids: module.mmvet_aggregate_results([results[id] for id in ids]))
    kwargs = module.config["lmms_eval_specific_kwargs"]["default"]
    first = questions["v1_0"]
    return {
        "scores": {"official": ours, "harness": theirs},
        "different": [id for id in questions if official[id] != results[id]["score"]],
        "asked": asked,
        "first_prompt": {"official": first["question"], "harness": module.doc_to_text(first, kwargs)},
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    expected = {name: make(args.out) for name, make in [("pope", pope), ("mme", mme), ("seed-bench", seed), ("llava-bench", llava), ("mm-vet", mm_vet)]}
    for name, benchmark in expected.items():
        for scores in benchmark["scores"].values():
            assert all(math.isfinite(value) for value in scores.values()), name
    write(args.out / "expected.json", json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
