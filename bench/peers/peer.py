"""The peers' side of `bench/pair.py`."""

import json
import resource
import sys
import time


def serve(work):
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        values = work()
        print(json.dumps({"seconds": time.perf_counter() - begun, "values": values}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak_bytes": peak}), flush=True)


def ids(batch, tokens, vocabulary):
    return [
        [(i * i * 31 + i * 7919) % vocabulary for i in range(row * tokens, (row + 1) * tokens)]
        for row in range(batch)
    ]


def noise(count):
    return [i / 254.0 - 1.0 for i in ids(1, count, 509)[0]]
