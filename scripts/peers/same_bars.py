"""Checks that this library, ripser.py and the Rust peers compute the same bars on the fixtures.

    python scripts/peers/same_bars.py FUZZ_ANSWERS RUST_PEERS target/peers/fixtures/jsnat_*.npy

The two programs are `tools/fuzz_answers.rs` and `scripts/peers/rust`. Bars of dimensions
0 and 1 are compared exactly, as multisets of f32. Exits with 1 on a difference.
"""

import subprocess
import sys
from pathlib import Path

import measure  # noqa: F401  sets one thread for all libraries, before numpy

import numpy as np
from answers import ask, bar_set, encode_matrix
from ripser import ripser


def rust_peer_bars(program, paths):
    """Bars by tool, n, kind and dimension."""
    answer = subprocess.run([program, "--bars", *paths], check=True, capture_output=True, text=True)
    by_input = {}
    for line in answer.stdout.splitlines():
        tool, n, kind, dim, birth, death = line.split(",")
        bars = by_input.setdefault((tool, int(n), kind), [[], []])
        bars[int(dim)].append((float(birth), float(death)))
    return by_input


def main():
    """Compares the bars, and prints differences; returns the exit code."""
    ours_program, peers_program, *paths = sys.argv[1:]
    matrices = [np.load(path) for path in paths]
    ours = ask(ours_program, [encode_matrix(matrix, 1) for matrix in matrices])
    peers = rust_peer_bars(peers_program, paths)
    differences = 0
    for path, matrix, answer in zip(paths, matrices, ours, strict=True):
        if "diagrams" not in answer:
            sys.exit(f"{path}: {answer}")
        kind = Path(path).stem.split("_", 1)[1].rsplit("_", 1)[0]
        others = {tool: bars for (tool, n, k), bars in peers.items() if (n, k) == (len(matrix), kind)}
        others["ripser.py"] = ripser(matrix, distance_matrix=True, maxdim=1)["dgms"]
        for tool, bars in others.items():
            for dim, reference in enumerate(bars):
                if not np.array_equal(bar_set(answer["diagrams"][dim]), bar_set(reference)):
                    differences += 1
                    print(f"{path}: H{dim} differs from {tool}")
    tools = ", ".join(sorted({tool for tool, _, _ in peers} | {"ripser.py"}))
    print(f"bars of {len(paths)} matrices against {tools}: {differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
