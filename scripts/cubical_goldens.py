"""Writes tests/data_files/cubical.json, the reference results for the tests of cubical persistence.

Bars of images and volumes come from GUDHI's CubicalComplex in both constructions, Betti matchings of pairs of images
from the program of its authors, https://github.com/nstucki/Betti-Matching-3D, built with its CMakeLists.txt. Run it
with numpy and gudhi installed and the directory of the built module as the argument:

    python scripts/cubical_goldens.py BETTI_MATCHING_BUILD
"""

import json
import sys
from pathlib import Path

import gudhi
import numpy as np

TARGET = Path(__file__).parent.parent / "tests/data_files/cubical.json"


def finite_bars(values, construction, n_dims):
    """Finite bars of the superlevel filtration by dimension, births above deaths."""
    # Sublevel sets of the negated values; 0.0 - x and not -x, which would make a -0.
    complex = gudhi.CubicalComplex(**{construction: 0.0 - values})
    complex.compute_persistence(homology_coeff_field=2, min_persistence=0.0)
    bars = []
    for dim in range(n_dims):
        pairs = complex.persistence_intervals_in_dimension(dim)
        bars.append([[0.0 - b, 0.0 - d] for b, d in pairs.tolist() if np.isfinite(d) and b < d])
    return bars


def shapes_and_values(rng):
    """Yields arrays of noise, of few levels, smooth, constant, and of one row or column."""
    for shape in [(1, 1), (1, 9), (8, 1), (5, 6), (9, 9), (12, 7)]:
        yield np.round(rng.random(shape), 4)
    for shape in [(6, 6), (9, 8), (12, 12)]:
        yield rng.integers(0, 3, shape) / 2.0
        yield rng.integers(0, 2, shape) * 1.0
    y, x = np.mgrid[0:14, 0:14]
    yield np.round(np.sin(0.9 * x) * np.cos(0.7 * y) + 0.2 * np.sin(x + 2.0 * y), 3)
    yield np.full((4, 5), 0.5)
    for shape in [(2, 3, 4), (3, 4, 5), (4, 4, 4), (1, 5, 6), (6, 1, 5)]:
        yield np.round(rng.random(shape), 4)
        yield rng.integers(0, 4, shape) / 2.0


def gudhi_cases(rng):
    for values in shapes_and_values(rng):
        case = {"shape": values.shape, "values": values.ravel().tolist()}
        for key, construction in [("top_cells", "top_dimensional_cells"), ("vertices", "vertices")]:
            case[key] = finite_bars(values, construction, values.ndim)
        yield case


def matched_bars(betti_matching, first, second):
    """Births and deaths of all matched pairs by dimension, of sublevel sets in the V-construction."""
    result = betti_matching.compute_matching(first, second)
    matched = []
    for dim in range(2):
        ends = [
            (first, result.input1_matched_birth_coordinates[dim]),
            (first, result.input1_matched_death_coordinates[dim]),
            (second, result.input2_matched_birth_coordinates[dim]),
            (second, result.input2_matched_death_coordinates[dim]),
        ]
        columns = [image[tuple(coordinates.T)].tolist() for image, coordinates in ends]
        matched.append([list(row) for row in zip(*columns)])
    return matched


def pairs_of_images(rng):
    for shape in [(2, 2), (5, 6), (8, 8), (10, 9), (12, 12)]:
        yield np.round(rng.random(shape), 4), np.round(rng.random(shape), 4)
        first = np.round(rng.random(shape), 3)
        yield first, np.round(first + 0.2 * rng.random(shape), 3)
        # A mask as the second image, which has many ties.
        yield first, (rng.random(shape) < 0.5) * 1.0
        yield rng.integers(0, 4, shape) / 4.0, rng.integers(0, 3, shape) / 2.0


def main():
    sys.path.insert(0, sys.argv[1])
    import betti_matching

    matchings = [
        {
            "shape": first.shape,
            "first": first.ravel().tolist(),
            "second": second.ravel().tolist(),
            "matched": matched_bars(betti_matching, first, second),
        }
        for first, second in pairs_of_images(np.random.default_rng(2))
    ]
    goldens = {"gudhi": list(gudhi_cases(np.random.default_rng(1))), "betti_matching": matchings}
    lines = [
        f'"{key}": [\n' + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]"
        for key, cases in goldens.items()
    ]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
