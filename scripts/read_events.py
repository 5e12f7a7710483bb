"""Reads event files with TensorBoard's own loader and prints what is in them.

    python3 scripts/read_events.py RUN/tensorboard [--expect TAG]...

Prints every scalar tag with its count and its first and last step and value. Exits with 1 if there
is no scalar, or an expected tag is missing. Needs the `tensorboard` package.
"""

import argparse
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("--expect", action="append", default=[], metavar="TAG")
    arguments = parser.parse_args()
    events = EventAccumulator(arguments.directory, size_guidance={"scalars": 0})
    events.Reload()
    tags = sorted(events.Tags()["scalars"])
    if not tags:
        print(f"{arguments.directory}: no scalar found", file=sys.stderr)
        return 1
    for tag in tags:
        points = events.Scalars(tag)
        first, last = points[0], points[-1]
        print(
            f"{tag:<52} {len(points):>5} points, step {first.step} to {last.step}, "
            f"value {first.value:.5g} to {last.value:.5g}"
        )
    missing = [tag for tag in arguments.expect if tag not in tags]
    if missing:
        print(f"{arguments.directory}: missing {', '.join(missing)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
