"""Checks that TensorBoard reads a run's event files as the run meant them.

    python golden/tensorboard/check.py RUN_DIR

Every value of `metrics.jsonl` must be found by TensorBoard's own reader under the same tag and step,
and nothing else: events of killed sittings beyond the resumed step must be gone. Needs the package
`tensorboard`.
"""

import json
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    run = Path(sys.argv[1])
    reader = EventAccumulator(str(run), size_guidance={"scalars": 0})
    reader.Reload()
    found = {
        (tag, event.step): event.value
        for tag in reader.Tags()["scalars"]
        for event in reader.Scalars(tag)
    }
    expected = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        step, kind = row.pop("step"), row.pop("kind")
        for name, value in row.items():
            expected[f"{kind}/{name}", step] = struct.unpack("f", struct.pack("f", value))[0]
    if not expected:
        sys.exit(f"{run}: metrics.jsonl is empty")
    if found != expected:
        differ = sorted(set(found.items()) ^ set(expected.items()))
        sys.exit(f"{run}: TensorBoard and metrics.jsonl differ in {differ[:5]}")
    print(f"{run}: {len(found)} values agree")


if __name__ == "__main__":
    main()
