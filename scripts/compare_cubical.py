"""Compares cubical persistence with other libraries on random images, volumes and pairs, and then its time.

    cargo build --release --no-default-features --example cubical_answers
    python scripts/compare_cubical.py target/release/examples/cubical_answers [--betti-matching BUILD] [--times]

Checks that the bars of 1,000 images are the same numbers as those of GUDHI and CubicalRipser in both constructions, except
that CubicalRipser is left out where it is wrong (images of one row or column in the V-construction), that those of 100 volumes are the same as GUDHI's, and that the Betti matchings of 200 pairs are those of the program of its
authors (https://github.com/nstucki/Betti-Matching-3D), whose built module lies in BUILD. Exits with 1 on a difference.
Needs numpy, gudhi, cripser, and scikit-learn for its photographs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cripser
import gudhi
import numpy as np
from sklearn.datasets import load_digits, load_sample_images

CONSTRUCTIONS = {"T": (0, "top_dimensional_cells"), "V": (1, "vertices")}
IMAGE, VOLUME, PAIR, TIMED_IMAGE, TIMED_PAIR = range(5)
SUPERLEVEL, SUBLEVEL = range(2)


def encode(kind, filtration, construction, values):
    shape = values.shape[1:] if kind in (PAIR, TIMED_PAIR) else values.shape
    shape = (1, *shape)[-3:]
    header = np.array([kind, filtration, construction, *shape], dtype="<u4")
    return header.tobytes() + values.astype("<f8").tobytes()


def ask(program, cases):
    """Answers of this library, one for each case."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(cases))
        file.flush()
        output = subprocess.run([program, file.name], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def random_image(rng, family, photographs, digits):
    height, width = rng.integers(1, 40, 2)
    if family == "noise":
        return rng.random((height, width))
    if family == "few levels":
        return rng.integers(0, rng.integers(2, 9), (height, width)) / 4.0
    if family == "mask":
        return (rng.random((height, width)) < rng.random()) * 1.0
    if family == "photograph":
        photograph = photographs[rng.integers(len(photographs))]
        top, left = rng.integers(0, 300), rng.integers(0, 500)
        return photograph[top : top + 2 * height, left : left + 2 * width] / 255.0
    if family == "digit":
        return digits[rng.integers(len(digits))] / 16.0
    if family == "waves":
        y, x = np.mgrid[0:height, 0:width]
        a, b, c = rng.random(3)
        return np.sin(a * x + b * y) * np.cos(c * y - a * x) + 0.2 * rng.random() * np.sin(x + y)
    if family == "constant":
        return np.full((height, width), rng.random())
    if family == "one row or column":
        return rng.integers(0, 6, (1, width) if rng.random() < 0.5 else (height, 1)) / 2.0
    raise ValueError(family)


FAMILIES = {
    "noise": 250,
    "few levels": 200,
    "photograph": 200,
    "mask": 100,
    "digit": 100,
    "waves": 70,
    "one row or column": 50,
    "constant": 30,
}


def bars_of_gudhi(values, construction):
    complex = gudhi.CubicalComplex(**{CONSTRUCTIONS[construction][1]: 0.0 - values})
    complex.compute_persistence(homology_coeff_field=2, min_persistence=0.0)
    return [complex.persistence_intervals_in_dimension(dim) for dim in range(values.ndim)]


def bars_of_cripser(values, construction):
    rows = cripser.compute_ph(0.0 - values, filtration=construction, maxdim=1)
    return [rows[rows[:, 0] == dim][:, 1:3] for dim in range(2)]


def finite_multiset(bars):
    """Finite bars of positive persistence of sublevel sets of negated values, as sorted superlevel bars."""
    return sorted((0.0 - b, 0.0 - d) for b, d in np.asarray(bars).tolist() if b < d and abs(d) < 1e30)


def compare_bars(program, kind, arrays, peers):
    cases, expected = [], []
    for name, values in arrays:
        for construction, (number, _) in CONSTRUCTIONS.items():
            cases.append(encode(kind, SUPERLEVEL, number, values))
            expected.append((name, values, construction))
    answers = ask(program, cases)
    n_bars, differences = 0, dict.fromkeys(peers, 0)
    for answer, (name, values, construction) in zip(answers, expected, strict=True):
        ours = [sorted(map(tuple, bars)) for bars in answer["diagrams"]]
        n_bars += sum(map(len, ours))
        for peer, bars_of in peers.items():
            # CubicalRipser 0.0.37 merges no components of an image of one row or column in the V-construction.
            if peer == "CubicalRipser" and construction == "V" and min(values.shape) == 1:
                continue
            if ours != [finite_multiset(bars) for bars in bars_of(values, construction)]:
                differences[peer] += 1
                print(f"DIFFERENCE to {peer}: {name}, {values.shape}, {construction}-construction")
    print(f"{len(arrays)} arrays in both constructions, {n_bars} finite bars, differences: {differences}")
    return sum(differences.values())


def matched_by_the_authors(betti_matching, pair):
    result = betti_matching.compute_matching(*pair)
    matched = []
    for dim in range(2):
        ends = [
            (pair[0], result.input1_matched_birth_coordinates[dim]),
            (pair[0], result.input1_matched_death_coordinates[dim]),
            (pair[1], result.input2_matched_birth_coordinates[dim]),
            (pair[1], result.input2_matched_death_coordinates[dim]),
        ]
        columns = [image[tuple(coordinates.T)].tolist() for image, coordinates in ends]
        matched.append(sorted(zip(*columns)))
    return matched


def random_pairs(rng, digits):
    for number in range(200):
        shape = tuple(rng.integers(2, 40, 2))
        first = rng.random(shape)
        second = [
            rng.random(shape),
            first + 0.3 * rng.random(shape),
            (rng.random(shape) < 0.5) * 1.0,
            rng.integers(0, 5, shape) / 4.0,
        ][number % 4]
        if number % 5 == 4:
            first, second = (digits[k] / 16.0 for k in rng.integers(0, len(digits), 2))
        yield np.stack([first, second])


def compare_matchings(program, betti_matching, digits):
    pairs = list(random_pairs(np.random.default_rng(5), digits))
    answers = ask(program, [encode(PAIR, SUBLEVEL, 1, pair) for pair in pairs])
    n_matched = n_differences = 0
    for answer, pair in zip(answers, pairs, strict=True):
        ours = [sorted(map(tuple, rows)) for rows in answer["matched"]]
        n_matched += sum(map(len, ours))
        if ours != matched_by_the_authors(betti_matching, pair):
            n_differences += 1
            print(f"DIFFERENCE to the authors' Betti matching: pair of shape {pair.shape[1:]}")
    print(f"{len(pairs)} pairs, {n_matched} matched pairs of bars, differences: {n_differences}")
    return n_differences


def least_time(work):
    """Least processor time of several runs, in seconds."""
    least, started = np.inf, time.monotonic()
    while time.monotonic() - started < 2.0 or least == np.inf:
        begin = time.process_time()
        work()
        least = min(least, time.process_time() - begin)
    return least


def compare_times(program, betti_matching):
    print("processor time of independent noise: this library (f32), the others, and their ratio")
    for side in (16, 64, 512):
        rng = np.random.default_rng(side)
        values = rng.random((side, side)).astype(np.float32).astype(float)
        (answer,) = ask(program, [encode(TIMED_IMAGE, SUPERLEVEL, 0, values)])
        ours = answer["seconds"]
        for peer, bars_of in {"GUDHI": bars_of_gudhi, "CubicalRipser": bars_of_cripser}.items():
            theirs = least_time(lambda: bars_of(values, "T"))
            print(f"image {side} x {side}: {1e6 * ours:.1f} us, {peer} {1e6 * theirs:.0f} us, {theirs / ours:.1f}")
        if betti_matching:
            pair = rng.random((2, side, side))
            (answer,) = ask(program, [encode(TIMED_PAIR, SUBLEVEL, 1, pair)])
            ours = answer["seconds"]
            theirs = least_time(lambda: betti_matching.compute_matching(*pair))
            print(f"pair {side} x {side}: {1e6 * ours:.1f} us, the authors {1e6 * theirs:.0f} us, {theirs / ours:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--betti-matching", metavar="BUILD")
    parser.add_argument("--times", action="store_true", help="compare the times as well")
    arguments = parser.parse_args()
    program = str(arguments.program.resolve())
    betti_matching = None
    if arguments.betti_matching:
        sys.path.insert(0, arguments.betti_matching)
        import betti_matching

    rng = np.random.default_rng(3)
    photographs = [photograph.mean(axis=2).round() for photograph in load_sample_images().images]
    digits = load_digits().images
    images = [
        (family, random_image(rng, family, photographs, digits))
        for family, count in FAMILIES.items()
        for _ in range(count)
    ]
    peers = {"GUDHI": bars_of_gudhi, "CubicalRipser": bars_of_cripser}
    n_differences = compare_bars(program, IMAGE, images, peers)
    volumes = []
    for number in range(100):
        shape = tuple(rng.integers(1, 9, 3))
        noise = rng.random(shape)
        volumes.append(("volume", [noise, np.floor(4 * noise) / 4, (noise < 0.5) * 1.0][number % 3]))
    n_differences += compare_bars(program, VOLUME, volumes, {"GUDHI": bars_of_gudhi})
    if betti_matching:
        n_differences += compare_matchings(program, betti_matching, digits)
    if arguments.times:
        compare_times(program, betti_matching)
    sys.exit(1 if n_differences else 0)


if __name__ == "__main__":
    main()
