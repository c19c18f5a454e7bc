"""The rate of building scenes with their questions, which has no peer: of the drawings inside the
program, or, as `bench/scenes/run full`, of all styles and photographs (fetched on first use)."""

import sys

from pair import OURS, PAIRS, Contestant, build, report_alone

COUNT = 1_000

build()
for which in sys.argv[1:] or ["bundled"]:
    scenes = Contestant(OURS / "scenes", which, COUNT)
    scenes.run()
    seconds = [scenes.run()["seconds"] for _ in range(PAIRS)]
    scenes.end()
    report_alone(f"scenes/{which}-160", seconds, f"s for {COUNT} scenes")
