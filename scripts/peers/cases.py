"""Matrices and pairs of diagrams to fuzz with, by family and seed; `../fuzz_peers.py` imports it.

Every case is a function of (seed, number) alone, so that one that fails can be made again.
"""

import numpy as np
from scipy.sparse.csgraph import shortest_path

from peers.fixtures import KINDS, attention, jensen_shannon

ORDERS = [1.0, 1.5, 2.0, 3.0, np.inf]
NORMS = [np.inf, 2.0, 1.0]


def euclidean(points):
    """Distances of points in f32, the same above and below the diagonal."""
    points = np.asarray(points, np.float64)
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1)).astype(np.float32)


def symmetric(values):
    """The upper triangle on both sides, zeros between."""
    upper = np.triu(np.asarray(values, np.float32), 1)
    return upper + upper.T


def uniform(rng, n):
    """Independent entries: no triangle inequality, many short bars."""
    return symmetric(rng.uniform(0.0, 1.0, (n, n)))


def integers(rng, n):
    """Few different lengths: ties everywhere, no triangle inequality."""
    return symmetric(rng.integers(1, rng.integers(2, 12), (n, n)))


def nearly_metric(rng, n):
    """Between 1 and 2, where every dissimilarity is a metric."""
    return symmetric(rng.uniform(1.0, 2.0, (n, n)))


def cloud(rng, n):
    """Points of a normal distribution in up to 6 dimensions."""
    return euclidean(rng.normal(size=(n, rng.integers(1, 7))))


def clusters(rng, n):
    """Tight groups far apart."""
    centres = rng.normal(size=(rng.integers(2, 6), 3)) * 10
    return euclidean(centres[rng.integers(0, len(centres), n)] + 0.1 * rng.normal(size=(n, 3)))


def grid(rng, n):
    """Points of a square grid, in some order: ties and many equal squares."""
    side = int(np.ceil(np.sqrt(n)))
    places = rng.permutation(side * side)[:n]
    return euclidean(np.stack([places // side, places % side], -1))


def circle(rng, n):
    """A circle, exact or noisy."""
    angles = 2 * np.pi * np.arange(n) / max(n, 1)
    noise = rng.choice([0.0, 0.05]) * rng.normal(size=(n, 2))
    return euclidean(np.stack([np.cos(angles), np.sin(angles)], -1) + noise)


def sphere(rng, n):
    """Points of the 2-sphere."""
    points = rng.normal(size=(n, 3))
    return euclidean(points / np.linalg.norm(points, axis=1, keepdims=True))


def bipartite(rng, n):
    """1 across two sides and 2 within, sometimes with different lengths: a quarter of n^2 births."""
    sides = rng.permutation(np.arange(n) % 2)
    lengths = np.where(sides[:, None] == sides[None], 2.0, 1.0)
    if rng.random() < 0.5:
        lengths = lengths + rng.uniform(0.0, 0.5, (n, n))
    return symmetric(lengths)


def graph(rng, n):
    """Steps in a sparse random graph; infinite between its components."""
    joined = rng.random((n, n)) < 2.5 / max(n, 1)
    return symmetric(shortest_path(np.triu(joined, 1), directed=False, unweighted=True))


def hamming(rng, n):
    """Numbers of different bits of random words."""
    words = rng.integers(0, 2, (n, rng.integers(2, 8)))
    return symmetric((words[:, None] != words[None]).sum(-1))


def duplicates(rng, n):
    """Points that stand there several times: zeros off the diagonal."""
    points = rng.normal(size=(max(1, n // 3), 2))
    return euclidean(points[rng.integers(0, len(points), n)])


def zeros(rng, n):
    """Independent entries, a third of them zero, which no metric allows."""
    return symmetric(rng.uniform(0.0, 1.0, (n, n)) * (rng.random((n, n)) < 0.67))


def cut(rng, n):
    """A cloud where everything beyond some length is infinite."""
    distances = cloud(rng, n)
    beyond = np.quantile(distances, rng.uniform(0.1, 0.9)) if n else 0.0
    return np.where(distances > beyond, np.float32(np.inf), distances)


def apart(rng, n):
    """Independent entries, some of them infinite."""
    lengths = rng.uniform(0.0, 1.0, (n, n))
    return symmetric(np.where(rng.random((n, n)) < rng.uniform(0.1, 0.9), np.inf, lengths))


def rounded(rng, n):
    """A cloud with distances rounded to few levels."""
    return np.round(cloud(rng, n) * 4) / np.float32(4)


def extreme(rng, n):
    """A cloud in another unit, down to subnormal numbers."""
    return cloud(rng, n) * np.float32(rng.choice([1e-42, 1e-38, 1e-20, 1e20, 1e37]))


def of_attention(rng, n):
    """Jensen-Shannon distances between rows of attention."""
    return jensen_shannon(attention(max(n, 2), str(rng.choice(KINDS)), rng)).astype(np.float32)


FAMILIES = [
    uniform, integers, nearly_metric, cloud, clusters, grid, circle, sphere, bipartite, graph,
    hamming, duplicates, zeros, cut, apart, rounded, extreme, of_attention,
]  # fmt: skip

# Those of n = 600 take ripser.py the longest; independent entries take it minutes from 300 on.
LARGE = [
    (bipartite, 128), (bipartite, 300), (bipartite, 300), (circle, 600), (grid, 600), (sphere, 600),
    (clusters, 600), (graph, 600), (cut, 500), (rounded, 400), (integers, 300), (duplicates, 600),
    (hamming, 500), (uniform, 197), (uniform, 220), (nearly_metric, 197), (of_attention, 257),
    (of_attention, 400), (apart, 220), (cloud, 500),
]  # fmt: skip


def matrix_case(seed, number, largest=80):
    """Family and matrix of case `number`: one of LARGE first, then the families in turn."""
    rng = np.random.default_rng([seed, number])
    if number < len(LARGE):
        family, n = LARGE[number]
    else:
        family = FAMILIES[number % len(FAMILIES)]
        # Half of them small: there, ties of all kinds meet.
        n = int(rng.integers(1, 16 if rng.random() < 0.5 else largest + 1))
    return family.__name__, family(rng, n)


def small_matrix_case(seed, number, largest):
    """As `matrix_case`, without the large ones."""
    return matrix_case(seed, len(LARGE) + number, largest)


def bars(rng, size, kind):
    """A diagram of one kind."""
    if kind == "tied":
        births = rng.integers(0, 4, size) / 2
        return np.stack([births, births + rng.integers(0, 5, size) / 2], -1)
    births, lengths = rng.uniform(0, 2, size), rng.uniform(0.01, 2, size)
    if kind == "components":
        births = np.zeros(size)
    if kind == "noise":
        lengths = rng.exponential(0.05, size)
    return np.stack([births, births + lengths], -1)


def pair_case(seed, number):
    """Kind and two diagrams: each kind in all sizes, some nearly equal, some with essential bars."""
    rng = np.random.default_rng([seed, number, 1])
    kind = ["tied", "generic", "components", "noise"][number % 4]
    most = int(rng.choice([4, 12, 60]))
    first, second = (bars(rng, int(rng.integers(0, most + 1)), kind) for _ in range(2))
    if rng.random() < 0.2:
        second = first[rng.permutation(len(first))]
        if kind != "tied":
            second = second + [0.0, 1e-3] * rng.random((len(second), 1))
    if rng.random() < 0.2:
        n_essential = int(rng.integers(1, 4))
        counts = n_essential, n_essential + int(rng.random() < 0.2)
        first, second = (
            np.vstack([side, np.stack([rng.uniform(0, 2, k), np.full(k, np.inf)], -1)])
            for side, k in zip((first, second), counts)
        )
    return kind, first, second
