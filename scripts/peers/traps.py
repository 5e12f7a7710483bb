"""Prints the results of the peers in cases where libraries disagree; the tests contain these values.

    python scripts/peers/traps.py

Covers matchings (brute force, POT and hera), essential bars, gradients at special points, diagrams of
small matrices, and Jensen-Shannon distances. Gradients that are NaN or wrong are those of the peers.
"""

import itertools
import subprocess
import sys
import warnings

import measure  # noqa: F401  sets one thread for all libraries, before numpy

import gudhi
import gudhi.hera
import gudhi.wasserstein
import numpy as np
import torch
from gph import ripser_parallel
from ripser import ripser
from scipy.spatial.distance import jensenshannon

warnings.filterwarnings("ignore")
INF = np.inf

DIAGRAMS = {
    "the diagonal beats sorting (H0)": ([[0, 1], [0, 10]], [[0, 10], [0, 30]]),
    "a match just wins": ([[0, 1]], [[0, 2.9]]),
    "the diagonal just wins": ([[0, 1]], [[0, 3.1]]),
    "empty against two": ([], [[0, 2], [1, 4]]),
    "identical": ([[0, 1], [0.5, 2]], [[0, 1], [0.5, 2]]),
    "crossing": ([[0, 4], [3, 5]], [[0, 5], [1, 5]]),
    "unequal counts and noise": ([[0, 3], [1, 1.01], [2, 2.02]], [[0.1, 3.2]]),
    "multiplicity": ([[0, 1], [0, 1], [0, 1]], [[0, 1], [0, 2]]),
    "bars of length zero": ([[1, 1], [0, 2]], [[0, 2], [3, 3], [4, 4]]),
    "GUDHI 3.13 exceeds the all-diagonal 2.5": ([[8, 13], [0, 4], [8, 13]], [[6, 10], [5, 7], [3, 6]]),
    "two longest pairs": ([[0, 2], [10, 12]], [[0, 3], [10, 13]]),
}

ESSENTIAL = [
    ([[0, INF], [0, 1]], [[0, INF], [0, 1]]),
    ([[0.5, INF]], [[0, INF]]),
    ([[0, INF], [0, INF]], [[0, INF]]),
    ([[0, INF], [2, INF]], [[1, INF], [3.5, INF]]),
]

GRADIENTS = {
    "identical W1 Linf": ([[0.0, 1.0]], [[0.0, 1.0]], 1, INF),
    "identical W2 L2": ([[0.0, 1.0]], [[0.0, 1.0]], 2, 2),
    "to the diagonal W1 Linf": ([[0.0, 1.0]], [[0.0, 100.0]], 1, INF),
    "to the diagonal W2 L2": ([[0.0, 1.0]], [[0.0, 100.0]], 2, 2),
    "matched W1 Linf": ([[0.0, 2.0]], [[0.0, 3.0]], 1, INF),
    "tie of birth and death": ([[1.0, 3.0]], [[0.0, 4.0]], 1, INF),
    "W2 Linf, two pairs": ([[0.0, 2.0], [5.0, 9.0]], [[0.0, 3.0], [5.0, 10.0]], 2, INF),
    "W1 L2, diagonal cheaper": ([[0.0, 1.0]], [[1.0, 3.0]], 1, 2),
    "W1 L2, matched": ([[0.0, 4.0]], [[1.0, 5.0]], 1, 2),
}

ROWS = {
    "equal": ([0.5, 0.5], [0.5, 0.5]),
    "disjoint": ([1, 0], [0, 1]),
    "one zero": ([0.5, 0.5, 0], [0.25, 0.25, 0.5]),
    "unnormalised": ([2, 2], [1, 3]),
    "near": ([0.5, 0.5], [0.5 + 1e-7, 0.5 - 1e-7]),
    "all zero": ([0, 0], [0.5, 0.5]),
}


def points(bars):
    """Bars as an array of [birth, death]."""
    return np.array(bars, float).reshape(-1, 2)


def attempt(call):
    """Result of a call, or its error as text."""
    try:
        return call()
    except Exception as error:  # failures of the peers are of interest
        return f"{type(error).__name__}: {str(error)[:80]}"


def pot(first, second, order, norm):
    """Wasserstein distance by POT."""
    sides = points(first), points(second)
    return float(gudhi.wasserstein.wasserstein_distance(*sides, order=order, internal_p=norm))


def hera(first, second, order, norm):
    """Wasserstein distance by hera, in its own process: hera may not return if the distance is 0."""
    code = (
        "import numpy as np, gudhi.hera; from numpy import inf; "
        f"sides = [np.array(s, float).reshape(-1, 2) for s in ({first!r}, {second!r})]; "
        f"print(gudhi.hera.wasserstein_distance(*sides, order={order}, internal_p={norm}, delta=1e-6))"
    )
    command = [sys.executable, "-c", code]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=4, check=True)
    except subprocess.TimeoutExpired:
        return "does not return"
    except subprocess.CalledProcessError as error:
        return error.stderr.splitlines()[-1]
    return f"{float(answer.stdout):.6f}"


def brute_force(first, second, order, norm):
    """Minimum over all partial matchings of finite bars."""
    first, second, best = points(first), points(second), INF
    alone = lambda bar: (bar[1] - bar[0]) / 2 * (1 if norm == INF else 2 ** (1 / norm))
    indices = range(len(first)), range(len(second))
    for size in range(min(len(first), len(second)) + 1):
        for chosen in itertools.combinations(indices[0], size):
            for partners in itertools.permutations(indices[1], size):
                pairs = zip(chosen, partners)
                lengths = [np.linalg.norm(first[i] - second[j], ord=norm) for i, j in pairs]
                lengths += [alone(first[i]) for i in indices[0] if i not in chosen]
                lengths += [alone(second[j]) for j in indices[1] if j not in partners]
                best = min(best, np.linalg.norm(lengths, ord=order) if lengths else 0.0)
    return best


def show_matchings():
    """Prints distances of small diagrams by every method."""
    print("== distances: brute force / POT / hera, and the bottleneck distance: brute force / GUDHI")
    for name, pair in DIAGRAMS.items():
        print(name)
        for order, norm in itertools.product((1, 2), (INF, 2)):
            exact, by_pot = brute_force(*pair, order, norm), pot(*pair, order, norm)
            print(f"    W{order} L{norm}: {exact:.6f} / {by_pot:.6f} / {hera(*pair, order, norm)}")
        by_gudhi = gudhi.bottleneck_distance(points(pair[0]), points(pair[1]), 0.0)
        print(f"    bottleneck: {brute_force(*pair, INF, INF):.6f} / {by_gudhi:.6f}")
    print("== essential bars, W1 Linf and bottleneck")
    for pair in ESSENTIAL:
        sides = points(pair[0]), points(pair[1])
        print(
            *pair, "POT", pot(*pair, 1, INF), "hera", hera(*pair, 1, INF), "GUDHI",
            gudhi.bottleneck_distance(*sides, 0.0), "hera", gudhi.hera.bottleneck_distance(*sides, 0.0),
        )


def gradient(distance, first):
    """Value of a distance and its gradient in the first diagram."""
    tracked = torch.tensor(first, dtype=torch.float64, requires_grad=True)
    value = distance(tracked)
    value.backward()
    return float(value), tracked.grad.tolist()


def show_gradients():
    """Prints gradients of distances in the first diagram."""
    import oineus.diff
    from torch_topological.nn import PersistenceInformation, WassersteinDistance

    print("== gradients: value and derivative in the first diagram")
    for name, (first, second, order, norm) in GRADIENTS.items():
        target = torch.tensor(second, dtype=torch.float64)
        options = {"order": order, "internal_p": norm, "enable_autodiff": True}
        by_pot = lambda x: gudhi.wasserstein.wasserstein_distance(
            x, target, keep_essential_parts=False, **options
        )
        side = lambda x: PersistenceInformation([], x, 0)
        by_torch = lambda x: WassersteinDistance(q=order, p=norm)(side(x), side(target))
        by_oineus = lambda x: oineus.diff.wasserstein_cost(
            x, target, wasserstein_q=float(order), internal_p=float(norm)
        ) ** (1 / order)
        print(name)
        for peer, call in (("gudhi", by_pot), ("torch-topological", by_torch), ("oineus", by_oineus)):
            print(f"    {peer:18s}", attempt(lambda: gradient(call, first)))


def distances(coordinates):
    """Euclidean distances of points."""
    coordinates = np.array(coordinates, float)
    return np.linalg.norm(coordinates[:, None] - coordinates[None], axis=-1)


def changed(matrix, *entries):
    """Copy of a matrix with changed entries (i, j, value)."""
    matrix = np.array(matrix, float)
    for i, j, value in entries:
        matrix[i, j] = value
    return matrix


def matrices():
    """Small matrices, by name."""
    square = distances([[0, 0], [1, 0], [1, 1], [0, 1]])
    angles = np.arange(12) * 2 * np.pi / 12
    sides = np.arange(6) // 3
    bipartite = np.where(sides[:, None] == sides[None], 2.0, 1.0) * (1 - np.eye(6))
    antipodes = [(i, j, 2.0) for i, j in ((0, 1), (1, 0), (2, 3), (3, 2), (4, 5), (5, 4))]
    apart = np.full((4, 4), INF)
    apart[:2, :2] = apart[2:, 2:] = 1
    np.fill_diagonal(apart, 0)
    return {
        "unit square": square,
        "regular 12-gon": distances(np.c_[np.cos(angles), np.sin(angles)]),
        "all equal, n = 5": np.ones((5, 5)) - np.eye(5),
        "all zero, n = 4": np.zeros((4, 4)),
        "K33 (1 across, 2 within)": bipartite,
        "octahedron": changed(np.ones((6, 6)) - np.eye(6), *antipodes),
        "square and a point twice": distances([[0, 0], [0, 0], [1, 0], [1, 1], [0, 1]]),
        "two pairs, inf between": apart,
        "square, a diagonal NaN": changed(square, (0, 2, np.nan), (2, 0, np.nan)),
        "asymmetric: (0, 1) = 5": changed(square, (0, 1, 5.0)),
        "diagonal entry (0, 0) = 0.5": changed(square, (0, 0, 0.5)),
        "n = 1": np.zeros((1, 1)),
        "n = 2": np.array([[0, 3.0], [3.0, 0]]),
        "negative zero": np.array([[0, -0.0, 1], [-0.0, 0, 1], [1, 1, 0]]),
    }


def show_diagrams():
    """Prints diagrams of the small matrices by three libraries."""
    print("== diagrams")
    # Bars have no order of their own, and libraries round differently.
    rounded = lambda sets: [sorted((round(float(b), 6), round(float(d), 6)) for b, d in s) for s in sets]
    for name, matrix in matrices().items():
        # The octahedron is the boundary of a void, which H2 finds.
        dim = 2 if name == "octahedron" else 1

        def simplex_tree():
            tree = gudhi.SimplexTree.create_from_array(matrix)
            tree.expansion(dim + 1)
            # By default, GUDHI leaves out the top dimension of the complex, which few points make low.
            tree.compute_persistence(
                homology_coeff_field=2, min_persistence=0, persistence_dim_max=True
            )
            return rounded(tree.persistence_intervals_in_dimension(k) for k in range(dim + 1))

        by_ripser = attempt(lambda: rounded(ripser(matrix, distance_matrix=True, maxdim=dim)["dgms"]))
        by_giotto = attempt(
            lambda: rounded(ripser_parallel(matrix, metric="precomputed", maxdim=dim)["dgms"])
        )
        by_gudhi = attempt(simplex_tree)
        print(name)
        print("    ripser.py ", by_ripser)
        for peer, answer in (("giotto-ph", by_giotto), ("gudhi", by_gudhi)):
            print(f"    {peer:10s}", "the same" if answer == by_ripser else answer)


def show_jensen_shannon():
    """Prints distances of two rows by scipy, and gradients of a naive implementation."""
    print("== Jensen-Shannon, natural and base 2")
    for name, (p, q) in ROWS.items():
        print(f"    {name:14s} {jensenshannon(p, q):.9g}  {jensenshannon(p, q, 2):.9g}")

    def naive(p, q):
        mean, xlogy = (p + q) / 2, torch.special.xlogy
        return ((xlogy(p, p / mean) + xlogy(q, q / mean)).sum() / 2).sqrt()

    for name, (p, q) in {"equal": ROWS["equal"], "zero entry": ([1.0, 0.0], [0.5, 0.5])}.items():
        target = torch.tensor(q, dtype=torch.float64)
        print(f"    naive gradient in torch, {name}:", gradient(lambda x: naive(x, target), p))


if __name__ == "__main__":
    show_matchings()
    show_gradients()
    show_diagrams()
    show_jensen_shannon()
