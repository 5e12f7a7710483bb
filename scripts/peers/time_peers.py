"""Times only the peers in the table of `comparison.py`; prints rows of CSV.

    python scripts/peers/time_peers.py target/peers/fixtures [--budget 1.0]

The peers and their inputs are listed in `comparison.py`.
"""

import argparse
import warnings
from pathlib import Path

from measure import Bench

import numpy as np
from baseline import PAIRS, diagrams, time_jensen_shannon, time_matching, time_persistence
from comparison import COMPARISONS

warnings.filterwarnings("ignore")
PYTHON_TOOLS = ("ripser", "giotto", "gudhi", "oineus", "torch-topological")


def main():
    """Measures each peer on each input that a comparison names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fixtures", type=Path)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds per measurement")
    options = parser.parse_args()
    load = lambda prefix, kind, n: np.load(options.fixtures / f"{prefix}_{kind}_{n}.npy")
    places = {}
    for comparison in COMPARISONS:
        places.setdefault((comparison.n, comparison.kind), []).append(comparison.peer)
    for (n, kind), tools in places.items():
        if all(tool.startswith("ours") for tool in tools):
            continue
        # The functions of baseline.py time every tool; this leaves only those that the table has.
        bench = Bench(options.budget, tools)
        if any(tool.startswith("scipy") for tool in tools):
            time_jensen_shannon(bench, (n, kind), load("attn", kind, n), [1])
        if any(tool.startswith(PYTHON_TOOLS) for tool in tools):
            time_persistence(bench, (n, kind), load("jsnat", kind, n), [1])
        if any(tool.startswith("POT") for tool in tools):
            pair, dim = kind.rsplit(" H", 1)
            sides = [diagrams(load("jsnat", side, n))[int(dim)] for side in pair.split("/")]
            assert tuple(pair.split("/")) in PAIRS
            time_matching(bench, (n, kind), *sides)
        for row in bench.rows:
            # The bench also accepts tools whose longer names contain a wanted name.
            if row.tool in tools:
                print(row.line(), flush=True)


if __name__ == "__main__":
    main()
