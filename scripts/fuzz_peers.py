"""Compares this library with its peers on random input, and saves every case that differs.

    python scripts/fuzz_peers.py target/release/examples/fuzz_answers [--matrices 1200] [--pairs 500]
    python scripts/fuzz_peers.py FUZZ_ANSWERS --write-fixtures tests/data_files/peers.json

Checks that bars of dimensions 0 to 2 are the same multiset of f32 as those of ripser.py, that every
critical edge has the length of its birth or death, that Wasserstein distances of every order and norm
equal those of POT, that bottleneck distances equal those of hera and of the definition (brute force
where feasible), and that the returned matching attains the distance. Exits with 1 on a difference, and
saves the case in target/peers/differences. The environment is that of `peers/README.md`.
"""

import argparse
import itertools
import json
import sys
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from peers import measure  # noqa: F401  sets one thread for all libraries, before numpy

import numpy as np
from peers.answers import ask, bar_set, encode_matrix, encode_pair
from peers.cases import FAMILIES, NORMS, ORDERS, matrix_case, pair_case, small_matrix_case, symmetric
from peers.matchings import combined, matching_lengths, references

warnings.filterwarnings("ignore")
ACCURACY = 1e-6
DIFFERENCES = Path("target/peers/differences")


class Tally:
    """Counts cases and differences by family, and saves the inputs that differ."""

    def __init__(self, title, expected):
        self.title, self.expected = title, expected
        self.cases, self.differences, self.largest = Counter(), Counter(), Counter()

    def add(self, family, size, complaint, **inputs):
        """Adds one case; `complaint` is None if there is no difference."""
        self.cases[family] += 1
        self.largest[family] = max(self.largest[family], size)
        if complaint:
            self.differences[family] += 1
            DIFFERENCES.mkdir(parents=True, exist_ok=True)
            path = DIFFERENCES / f"{self.title.replace(' ', '_')}_{self.cases.total() - 1}.npz"
            np.savez(path, complaint=complaint, family=family, **inputs)
            print(f"DIFFERENCE {self.title} {family}, {path}: {complaint}", flush=True)
        if self.cases.total() % 100 == 0 or self.cases.total() == self.expected:
            print(
                f"{self.title}: {self.cases.total()} of {self.expected}, "
                f"{self.differences.total()} differences",
                flush=True,
            )

    def lines(self):
        """Lines of the table: one for each family, and their sum."""
        for family, count in self.cases.items():
            largest, differences = self.largest[family], self.differences[family]
            yield f"{self.title:14s} {family:16s} {count:7d} {largest:8d} {differences:12d}"
        yield f"{self.title:14s} {'all':16s} {self.cases.total():7d} {'':8s} {self.differences.total():12d}"


def ripser_bars(case):
    """Bars of ripser.py, as multisets."""
    from ripser import ripser

    distances, max_dim = case
    diagrams = ripser(distances, distance_matrix=True, maxdim=max_dim)["dgms"]
    return [bar_set(diagram) for diagram in diagrams]


def edge_complaint(distances, dim, bars):
    """Returns the error in the critical edges of one dimension, or None."""
    for birth, death, birth_edge, death_edge in bars:
        if (birth_edge is None) != (dim == 0) or (dim == 0 and birth != 0):
            return f"birth {birth} at {birth_edge} in dimension {dim}"
        if (death_edge is None) != (death == np.inf):
            return f"death {death} at {death_edge}"
        for value, edge in ((birth, birth_edge), (death, death_edge)):
            if edge and not (edge[0] < edge[1] and distances[tuple(edge)] == np.float32(value)):
                return f"{value} is not the length of edge {edge}"
    for which in (2, 3):
        edges = [tuple(bar[which]) for bar in bars if bar[which]]
        # In higher dimensions several simplices enter with their one longest edge.
        if dim + which <= 3 and len(set(edges)) < len(edges):
            return "one edge joins two components twice, or gives birth to two cycles"
    return None


def bars_complaint(distances, answer, expected):
    """Returns the error in the bars of one answer, or None."""
    if "diagrams" not in answer:
        return str(answer)
    if len(answer["diagrams"]) != len(expected):
        return f"{len(answer['diagrams'])} diagrams"
    for dim, (bars, reference) in enumerate(zip(answer["diagrams"], expected)):
        actual = bar_set(bars)
        if not np.array_equal(actual, reference):
            return f"H{dim}: {len(actual)} bars, but ripser.py has {len(reference)}, or other ones"
        complaint = edge_complaint(distances, dim, bars)
        if complaint:
            return f"H{dim}: {complaint}"
    return None


def fuzz_bars(options, title, cases, max_dim):
    """Compares bars of matrices with ripser.py; every fourth matrix is computed in double precision."""
    encoded = [
        encode_matrix(distances, max_dim, 64 if number % 4 == 3 else 32)
        for number, (_, distances) in enumerate(cases)
    ]
    answers = ask(options.program, encoded)
    if answers and "unsupported" in answers[0]:
        print(f"{title}: skipped, the library does not have {answers[0]['unsupported']} yet")
        return []
    tally = Tally(title, len(cases))
    with ProcessPoolExecutor(options.jobs) as pool:
        expected = pool.map(ripser_bars, [(distances, max_dim) for _, distances in cases])
        # A crash ends the answers early; the last answer is that of the crash.
        for (family, distances), answer, reference in zip(cases, answers, expected):
            complaint = bars_complaint(distances, answer, reference)
            tally.add(family, len(distances), complaint, distances=distances)
    return [tally]


def pair_complaint(first, second, measure_as, answer):
    """Returns the error in one distance, or None."""
    order, norm = measure_as
    if "distance" not in answer:
        return str(answer)
    actual = answer["distance"]
    expected = references(first, second, order, norm)
    if np.isinf(actual):
        return None if all(map(np.isinf, expected.values())) else f"inf, references {expected}"
    lengths = matching_lengths(first, second, answer["pairs"], norm)
    if lengths is None:
        return f"a bar is in no pair, or in several: {answer['pairs']}"
    if abs(combined(lengths, order) - actual) > 1e-12 * max(actual, 1e-300):
        return f"{actual}, but its matching costs {combined(lengths, order)}"
    finite = [bar for side in (first, second) for bar in side.ravel() if np.isfinite(bar)]
    scale = max(finite, default=0.0)
    for name, value in expected.items():
        # POT takes the root of a sum of costs; close to 0, the root magnifies the rounding error of the sum.
        rounding = scale * 1e-14 ** (1 / order) if name == "POT" else 1e-12 * scale
        above = actual > value * (1 + ACCURACY) + 1e-12 * scale
        if above or actual < value * (1 - ACCURACY) - rounding:
            return f"{actual}, {name} has {value}"
    return None


def fuzz_pairs(options):
    """Compares distances of diagrams in every order and norm."""
    pairs = [pair_case(options.seed, number) for number in range(options.pairs)]
    distances = list(itertools.product(NORMS, ORDERS))
    encoded = [encode_pair(x, y, order, norm) for norm, order in distances for _, x, y in pairs]
    answers = ask(options.program, encoded)
    tallies, missing = {}, set()
    cases = [(norm, order, pair) for norm, order in distances for pair in pairs]
    for (norm, order, (kind, first, second)), answer in zip(cases, answers):
        title = f"L{norm:g} distance"
        if "unsupported" in answer:
            missing.add(answer["unsupported"])
            continue
        tally = tallies.setdefault(title, Tally(title, len(pairs) * len(ORDERS)))
        complaint = pair_complaint(first, second, (order, norm), answer)
        size = max(len(first), len(second))
        inputs = {"first": first, "second": second, "order": order, "norm": norm}
        tally.add(f"{kind}, W{order:g}", size, complaint, **inputs)
    for feature in sorted(missing):
        print(f"distances: skipped, the library does not have {feature} yet")
    return list(tallies.values())


def sixteenths(values):
    """Values in units of 1/16, as integers, which are exact as text; None for infinity."""
    return [None if np.isinf(value) else int(value * 16) for value in np.ravel(values)]


def fixture_matrix(number):
    """Small matrix from one of the families, rounded to multiples of 1/16."""
    while True:
        # Seeds of their own, here and in pair_fixtures: the fixtures are not among the cases of a run.
        rng = np.random.default_rng([77, number])
        family = FAMILIES[number % len(FAMILIES)]
        n = int(rng.integers(4, 13))
        distances = family(rng, n)
        finite = distances[np.isfinite(distances)]
        scale = max(float(finite.max()), 1e-300)
        # A coarse grid of lengths also produces ties.
        steps = int(rng.choice([24, 400]))
        coarse = np.round(distances.astype(np.float64) / scale * steps) / 16
        return family.__name__, symmetric(coarse)


def matrix_fixtures(count):
    """Matrices with the bars of ripser.py in dimensions 0 to 2."""
    for number in range(count):
        family, distances = fixture_matrix(number)
        upper = distances[np.triu_indices(len(distances), 1)]
        bars = [sixteenths(diagram) for diagram in ripser_bars((distances, 2))]
        yield {"family": family, "n": len(distances), "upper": sixteenths(upper), "bars": bars}


def pair_fixtures(count, norms):
    """Pairs of diagrams with their distances in every order and norm."""
    number = 0
    for _ in range(count):
        first = second = np.zeros((20, 2))
        # Small diagrams keep the file small.
        while max(len(first), len(second)) > 12:
            _, first, second = pair_case(99, number)
            number += 1
        first, second = (np.round(side * 16) / 16 for side in (first, second))
        distances = []
        for norm, order in itertools.product(norms, ORDERS):
            by_method = references(first, second, order, norm)
            value = by_method.get("brute force", next(iter(by_method.values())))
            key = {"norm": f"{norm:g}", "order": None if np.isinf(order) else order}
            distances.append({**key, "distance": None if np.isinf(value) else value})
        yield {"first": sixteenths(first), "second": sixteenths(second), "distances": distances}


def write_fixtures(options):
    """Writes the fixed cases of `tests/topology/peers.rs`."""
    empty = np.zeros((0, 2))
    answers = ask(options.program, [encode_pair(empty, empty, 1.0, norm) for norm in NORMS])
    norms = [norm for norm, answer in zip(NORMS, answers) if "distance" in answer]
    one_per_line = lambda items: ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
    matrices, pairs = one_per_line(matrix_fixtures(40)), one_per_line(pair_fixtures(30, norms))
    options.write_fixtures.parent.mkdir(parents=True, exist_ok=True)
    options.write_fixtures.write_text(
        f'{{"matrices":[\n{matrices}\n],"pairs":[\n{pairs}\n]}}\n', encoding="ascii"
    )


def arguments():
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="build of tools/fuzz_answers.rs")
    parser.add_argument("--matrices", type=int, default=1200)
    parser.add_argument("--matrices-h2", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="number of processes for ripser.py")
    parser.add_argument("--write-fixtures", type=Path, metavar="FILE")
    return parser.parse_args()


def main():
    """Runs all comparisons and prints a table; returns the exit code."""
    options = arguments()
    if options.write_fixtures:
        write_fixtures(options)
        return 0
    matrices = [matrix_case(options.seed, number) for number in range(options.matrices)]
    small = [small_matrix_case(options.seed, number, 24) for number in range(options.matrices_h2)]
    tallies = fuzz_bars(options, "H0 and H1", matrices, 1)
    tallies += fuzz_bars(options, "H0 to H2", small, 2)
    tallies += fuzz_pairs(options)
    print(f"\n{'':14s} {'family':16s} {'cases':>7s} {'largest':>8s} {'differences':>12s}")
    for tally in tallies:
        print(*tally.lines(), sep="\n")
    return 1 if any(tally.differences.total() for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
