"""Prints the table of ratios from rows of times: the work, the peer, and the required ratio.

    python scripts/peers/comparison.py --ours OURS.csv... --peers PEERS.csv --rust RUST.csv

Rows of the Rust programs are `name,n,kind,min_ms,median_ms[,note]`. If several files have the same
row, the minimum time counts. Exits with 1 if a required ratio is missed or an accuracy check fails.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import parse_program_row, parse_row

# Largest relative error of a result in single precision.
ACCURACY = 1e-6


@dataclass
class Comparison:
    """Line of the table: our row, the peer's row on the same input, and the required ratio."""

    ours: str
    peer: str
    n: int
    kind: str
    least_ratio: float


def has_avx512():
    """True if the processor has AVX-512; false if this is unknown."""
    information = Path("/proc/cpuinfo")
    return information.exists() and "avx512f" in information.read_text()


def persistence(peer, kind, n, least_ratio):
    """H0 and H1 of one matrix, with critical edges."""
    return Comparison("ours H0+H1", peer, n, kind, least_ratio)


def components(peer, kind, n, least_ratio):
    """H0 of one matrix, with critical edges."""
    return Comparison("ours H0", peer, n, kind, least_ratio)


def rows(dims, kind, n, least_ratio):
    """Diagrams of the rows of attention, from the distances that they need instead of from all."""
    return Comparison(f"ours rows to {dims}", f"ours rows to {dims} by all distances", n, kind, least_ratio)


def matching(pair, dim, least_ratio):
    """2-Wasserstein distance of two diagrams of 197 points."""
    peer = "POT (gudhi.wasserstein) W2"
    return Comparison("ours Wasserstein order 2", peer, 197, f"{pair} H{dim}", least_ratio)


# Heads of a pretrained transformer, see real_attention.py.
REAL = ["dinov2s_l0_h1", "dinov2s_l3_h0", "dinov2s_l6_h3", "dinov2s_l11_h4"]

# The required ratios are below the smallest ones of an Intel Xeon (Sapphire Rapids) and an AMD EPYC (Zen 5).
COMPARISONS = [
    *(persistence("ripser.py H1", kind, 257, 40) for kind in REAL),
    *(persistence("ripser.py H1", kind, 1370, 35) for kind in REAL),
    persistence("giotto-ph H1 with generators", REAL[2], 257, 20),
    persistence("gudhi RipsPersistence (its Ripser over Z/2) H1", REAL[2], 257, 15),
    persistence("oineus cohomology in radius H1", REAL[2], 257, 500),
    persistence("holos-tda H0+H1", REAL[2], 257, 4.5),
    components("ripser.py H0", REAL[2], 257, 50),
    components("giotto-ph H0 n_threads=1", REAL[2], 257, 15),
    components("gudhi RipsPersistence (its Ripser over Z/2) H0", REAL[2], 257, 15),
    *(rows("H0", kind, n, 5) for n in (257, 1370) for kind in REAL),
    *(rows("H0+H1", kind, n, 1.3) for n in (257, 1370) for kind in REAL),
    persistence("ripser.py H1", "smooth_t1", 197, 80),
    persistence("ripser.py H1", "random_t4", 197, 100),
    persistence("ripser.py H1", "collapse_t1", 197, 60),
    persistence("ripser.py H1", "smooth_t1", 65, 35),
    persistence("ripser.py H1", "smooth_t1", 17, 18),
    persistence("giotto-ph H1 with generators", "smooth_t1", 197, 25),
    persistence("holos-tda H0+H1", "smooth_t1", 197, 7),
    Comparison(
        "ours pairwise Jensen-Shannon", "scipy pdist f64", 197, "smooth_t1", 22 if has_avx512() else 10
    ),
    matching("smooth_t1/vit_t1", 0, 20),
    matching("smooth_t1/vit_t1", 1, 4),
    Comparison(
        "ours layer forward + backward",
        "torch-topological H1 forward + backward",
        197,
        "smooth_t1",
        15,
    ),
    Comparison("ours H0+H1 batch on 2", "ours H0+H1 batch on 1", 197, "smooth_t1", 1.8),
]


def note_value(row):
    """Number in a note such as distance=1.5."""
    return float(row.note.partition("=")[2])


def accuracy(ours, peer):
    """Relative difference of a value from the peer's, or from the exact one; None if no value is noted."""
    if ours.note.startswith("relative_error="):
        return note_value(ours)
    if ours.note.startswith("distance=") and peer.note.startswith("distance="):
        return abs(note_value(ours) / note_value(peer) - 1)
    return None


def least_rows(rows):
    """Row with the minimum time of each tool and input."""
    best = {}
    for row in rows:
        key = (row.tool, row.n, row.kind)
        # Runs before and after the peers have the same keys; the faster one counts.
        if key not in best or row.least < best[key].least:
            best[key] = row
    return best


def table_line(comparison, rows):
    """Fields of one line, and whether its requirements are met; None if it was not measured."""
    place = (comparison.n, comparison.kind)
    ours, peer = rows.get((comparison.ours, *place)), rows.get((comparison.peer, *place))
    work = f"{comparison.ours.removeprefix('ours ')}, {comparison.kind}, n = {comparison.n}"
    if ours is None or peer is None:
        return [work, comparison.peer, "-", "-", "-", f"{comparison.least_ratio:g}", "not measured"], None
    ratio, error = peer.least / ours.least, accuracy(ours, peer)
    exact = error is None or error <= ACCURACY
    reached = ratio >= comparison.least_ratio
    verdict = ("yes" if reached else "no") + ("" if error is None else f", error {error:.0e}")
    times = [f"{ours.least:.4g}", f"{peer.least:.4g}", f"{ratio:.3g}"]
    return [work, comparison.peer, *times, f"{comparison.least_ratio:g}", verdict], reached and exact


def read(paths, parse):
    """All rows of several files."""
    lines = [line for path in paths for line in path.read_text().splitlines()]
    return [parse(line) for line in lines]


def main():
    """Prints the table as Markdown; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", type=Path, nargs="+", required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--rust", type=Path, required=True)
    options = parser.parse_args()
    rows = read([*options.ours, options.rust], parse_program_row) + read([options.peers], parse_row)
    best = least_rows(rows)
    print("| work | peer | ours, ms | peer, ms | ratio | required | reached |\n|---|---|---|---|---|---|---|")
    good = []
    for comparison in COMPARISONS:
        fields, is_good = table_line(comparison, best)
        good.append(is_good)
        print("| " + " | ".join(fields) + " |")
    # None stands for a line that was not measured, such as that of a tool that has failed.
    return 1 if False in good else 0


if __name__ == "__main__":
    sys.exit(main())
