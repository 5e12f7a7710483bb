"""Times training steps of this library and of PyTorch in alternation, and prints a table of ratios.

    python scripts/peers/compare_steps.py target/release/examples/time_step [--pairs 5]

A pair is one process of each library, one after the other. Its ratio is that of their minimum times; the
table has the median and the range over the pairs. Exits with 1 if a required ratio is missed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TORCH_STEP = Path(__file__).parent / "torch_step.py"


@dataclass
class Shape:
    """Shape of a model and a batch, with the required ratios.

    Ratios are relative to PyTorch's step without a penalty, except the last: the step of torch-topological
    relative to ours with penalties.
    """

    arguments: dict
    plain: float
    penalised: float
    burn_linear: float
    torch_topological: float

    def options(self):
        """Command-line options of the shape."""
        return [text for name, value in self.arguments.items() for text in (f"--{name}", str(value))]


SMALL = {"dim": 64, "layers": 4, "heads": 4, "batch": 64}
LARGE = {"tokens": 197, "dim": 192, "layers": 12, "heads": 3, "batch": 4}
SHAPES = [
    Shape({"tokens": 17, **SMALL}, plain=0.85, penalised=1.05, burn_linear=1.0, torch_topological=28),
    Shape({"tokens": 65, **SMALL}, plain=0.85, penalised=1.15, burn_linear=1.15, torch_topological=20),
    Shape(LARGE, plain=0.9, penalised=1.25, burn_linear=1.1, torch_topological=16),
]


def least_times(command, threads):
    """Minimum time of each kind of step in ms, from lines of `name minimum median`."""
    # The thread pool of the library reads this variable; PyTorch gets its number as an option.
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return {name: float(least) for name, least, _ in map(str.split, output.splitlines())}


def pair(shape, options):
    """Minimum times of one process of each kind."""
    ours = [options.program, *shape.options(), "--steps", "20"]
    torch = [sys.executable, TORCH_STEP, *shape.options(), "--threads", str(options.threads)]
    # One after the other, so that a slow phase of the machine hits both libraries.
    found = {
        "ours": least_times(ours, options.threads),
        "torch": least_times(torch, options.threads),
        "burn_linear": least_times([*ours, "--only", "plain", "--burn-linear"], options.threads),
    }
    print(json.dumps(shape.arguments), json.dumps(found), file=sys.stderr, flush=True)
    return found


def row(name, ratios, bar, is_least):
    """Line of the table, and whether the required ratio is reached."""
    median = statistics.median(ratios)
    reached = median >= bar if is_least else median <= bar
    relation = "at least" if is_least else "at most"
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"| {name} | {median:.2f} | {spread} | {relation} {bar} | {'yes' if reached else 'NO'} |", reached


def rows(shape, pairs):
    """Lines of the table for one shape."""
    plain = [found["torch"]["plain"] for found in pairs]
    ours = [found["ours"] for found in pairs]
    over_plain = lambda times: [time / of_torch for time, of_torch in zip(times, plain)]
    against = [found["torch"]["penalised"] / found["ours"]["penalised"] for found in pairs]
    yield row("plain / PyTorch", over_plain([times["plain"] for times in ours]), shape.plain, False)
    penalised = over_plain([times["penalised"] for times in ours])
    yield row("penalised / PyTorch plain", penalised, shape.penalised, False)
    of_burn = over_plain([found["burn_linear"]["plain"] for found in pairs])
    yield row("plain with Burn's Linear / PyTorch", of_burn, shape.burn_linear, False)
    yield row("torch-topological / penalised", against, shape.torch_topological, True)


def main():
    """Measures every shape, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="build of tools/time_step.rs")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, help="time only the shape with this number of tokens")
    options = parser.parse_args()
    lines, is_reached = [], True
    for shape in SHAPES:
        if options.tokens not in (None, shape.arguments["tokens"]):
            continue
        pairs = [pair(shape, options) for _ in range(options.pairs)]
        milliseconds = {
            name: min(found[side][kind] for found in pairs)
            for name, side, kind in (
                ("ours", "ours", "plain"),
                ("ours penalised", "ours", "penalised"),
                ("PyTorch", "torch", "plain"),
                ("torch-topological", "torch", "penalised"),
            )
        }
        times = ", ".join(f"{name} {time:.1f}" for name, time in milliseconds.items())
        settings = ", ".join(f"{name} {value}" for name, value in shape.arguments.items())
        lines += ["", f"{settings}; minimum times in ms: {times}", ""]
        lines += ["| ratio | median | range | required | reached |", "|---|---|---|---|---|"]
        for line, reached in rows(shape, pairs):
            lines.append(line)
            is_reached &= reached
    print("\n".join(lines).strip())
    sys.exit(not is_reached)


if __name__ == "__main__":
    main()
