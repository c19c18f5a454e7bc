"""Runs two contestants in turn and prints how they compare, one JSON line a comparison.

A contestant is a process that prints a line when it is ready, does its work once for each line it
reads, and prints for each {"seconds": .., "values": [..]}; at the end {"peak_bytes": ..}.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
THREADS = len(os.sched_getaffinity(0))
OURS = TARGET / "release"
PAIRS = int(os.environ.get("PAIRS", "7"))


class Contestant:
    def __init__(self, *command):
        threads = str(THREADS)
        settings = {"RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "TQDM_DISABLE": "1"}
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )
        self.read()

    def read(self):
        while line := self.process.stdout.readline():
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self.process.args[0]} stopped with {self.process.wait()}")

    def run(self):
        print(file=self.process.stdin, flush=True)
        return self.read()

    def end(self):
        self.process.stdin.close()
        return self.read()


def close(ours, theirs, tolerance):
    return len(ours) == len(theirs) and all(
        abs(a - b) <= tolerance * max(1.0, abs(b)) for a, b in zip(ours, theirs)
    )


def report(bench, peer, ours, theirs, unit, **more):
    """`ours` and `theirs` are costs of the same rounds; a ratio above 1 means ours is better."""
    ratios = sorted(b / a for a, b in zip(ours, theirs))
    line = {
        "bench": bench,
        "peer": peer,
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(ratios[0], 3),
        "ratio_max": round(ratios[-1], 3),
        "ours": statistics.median(ours),
        "theirs": statistics.median(theirs),
        "unit": unit,
        "pairs": len(ratios),
        "threads": THREADS,
        **more,
    }
    print(json.dumps(line), flush=True)


def report_alone(bench, seconds, unit, **more):
    """What nobody else does: without a peer."""
    line = {
        "bench": bench,
        "ours": statistics.median(seconds),
        "ours_min": min(seconds),
        "ours_max": max(seconds),
        "unit": unit,
        "rounds": len(seconds),
        "threads": THREADS,
        **more,
    }
    print(json.dumps(line), flush=True)


def compare(bench, peer, ours, theirs, tolerance=1e-3, warm=2, unit="s", judge=None):
    """Alternates the two; the first rounds are for warming up and for checking the outputs: `judge`
    stops where they are not alike, and tells what else to report; by default values are compared."""

    def within(found, expected):
        if not close(found, expected, tolerance):
            raise SystemExit(f"{bench}: we compute {found}, {peer} computes {expected}")
        return {}

    ours, theirs = Contestant(*ours), Contestant(*theirs)
    seconds, more = ([], []), {}
    for round in range(warm + PAIRS):
        order = (ours, theirs) if round % 2 == 0 else (theirs, ours)
        results = {contestant: contestant.run() for contestant in order}
        found, expected = results[ours]["values"], results[theirs]["values"]
        if round < warm:
            more = (judge or within)(found, expected)
        else:
            seconds[0].append(results[ours]["seconds"])
            seconds[1].append(results[theirs]["seconds"])
    report(bench, peer, *seconds, unit, **more)
    peaks = [contestant.end()["peak_bytes"] for contestant in (ours, theirs)]
    report(f"{bench}/memory", peer, [peaks[0]], [peaks[1]], "bytes")


def build():
    """Our contestants, and the command line: together, so that features are resolved once."""
    command = ["cargo", "build", "--release", "--package=quintet", "--package=quintet-bench"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def rust(package, name):
    """A contestant of `bench/peers`, built for this processor."""
    target = TARGET / f"bench-{package}"
    settings = {"CARGO_TARGET_DIR": str(target), "RUSTFLAGS": "-C target-cpu=native"}
    command = ["cargo", "build", "--release", "--bin", name]
    folder = ROOT / "bench/peers" / package
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr, env={**os.environ, **settings})
    return target / "release" / name


def candle(name):
    """A contestant of candle's."""
    return rust("candle", name)
