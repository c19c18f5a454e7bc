"""`llamacpp.py MODEL.gguf PROMPT_TOKENS NEW_TOKENS`: as `bench/ours/src/bin/decode.rs`, with
llama.cpp. The tokens are greedy; the seconds are those of the prompt, the new tokens, loading."""

import os
import sys
import time

import llama_cpp
import numpy as np
from peer import ids, serve

path, prompt, new = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
threads = len(os.sched_getaffinity(0))
begun = time.perf_counter()
model = llama_cpp.Llama(
    path, n_ctx=prompt + new, n_batch=prompt, n_ubatch=prompt, n_threads=threads,
    n_threads_batch=threads, verbose=False,
)
loading = time.perf_counter() - begun
text = ids(1, prompt, model.n_vocab())[0]
context, vocabulary = model._ctx.ctx, model.n_vocab()


def choose():
    scores = llama_cpp.llama_get_logits_ith(context, -1)
    return int(np.ctypeslib.as_array(scores, shape=(vocabulary,)).argmax())


def evaluate(tokens):
    array = (llama_cpp.llama_token * len(tokens))(*tokens)  # the batch points into it
    batch = llama_cpp.llama_batch_get_one(array, len(tokens))
    if llama_cpp.llama_decode(context, batch) != 0:
        raise SystemExit("llama_decode failed")


def work():
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    begun = time.perf_counter()
    evaluate(text)
    found = [choose()]
    first = time.perf_counter() - begun
    while len(found) < new:
        evaluate(found[-1:])
        found.append(choose())
    return [first, time.perf_counter() - begun - first, loading, *found]


serve(work)
