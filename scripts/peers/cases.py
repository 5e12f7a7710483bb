"""Random matrices and pairs of diagrams, by family and seed; imported by `../fuzz_peers.py`.

Every case depends only on (seed, number), so that a failing case can be reproduced.
"""

import numpy as np
from scipy.sparse.csgraph import shortest_path

from peers.fixtures import KINDS, attention, jensen_shannon

ORDERS = [1.0, 1.5, 2.0, 3.0, np.inf]
NORMS = [np.inf, 2.0, 1.0]


def euclidean(points):
    """Euclidean distances of points in f32, exactly symmetric."""
    points = np.asarray(points, np.float64)
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1)).astype(np.float32)


def symmetric(values):
    """Symmetric matrix from the upper triangle, with zeros on the diagonal."""
    upper = np.triu(np.asarray(values, np.float32), 1)
    return upper + upper.T


def uniform(rng, n):
    """Independent entries: no triangle inequality, many short bars."""
    return symmetric(rng.uniform(0.0, 1.0, (n, n)))


def integers(rng, n):
    """Few distinct lengths: many ties, no triangle inequality."""
    return symmetric(rng.integers(1, rng.integers(2, 12), (n, n)))


def nearly_metric(rng, n):
    """Entries between 1 and 2: every such matrix is a metric."""
    return symmetric(rng.uniform(1.0, 2.0, (n, n)))


def cloud(rng, n):
    """Points of a normal distribution in up to 6 dimensions."""
    return euclidean(rng.normal(size=(n, rng.integers(1, 7))))


def clusters(rng, n):
    """Tight clusters far apart."""
    centres = rng.normal(size=(rng.integers(2, 6), 3)) * 10
    return euclidean(centres[rng.integers(0, len(centres), n)] + 0.1 * rng.normal(size=(n, 3)))


def grid(rng, n):
    """Points of a square grid in random order: ties and many equal squares."""
    side = int(np.ceil(np.sqrt(n)))
    positions = rng.permutation(side * side)[:n]
    return euclidean(np.stack([positions // side, positions % side], -1))


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
    """Bipartite: 1 between the two sides and 2 within, sometimes perturbed; a quarter of n^2 births."""
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
    """Hamming distances between random words of bits."""
    words = rng.integers(0, 2, (n, rng.integers(2, 8)))
    return symmetric((words[:, None] != words[None]).sum(-1))


def duplicates(rng, n):
    """Repeated points: zeros off the diagonal."""
    points = rng.normal(size=(max(1, n // 3), 2))
    return euclidean(points[rng.integers(0, len(points), n)])


def zeros(rng, n):
    """Independent entries, a third of them zero, which no metric allows."""
    return symmetric(rng.uniform(0.0, 1.0, (n, n)) * (rng.random((n, n)) < 0.67))


def cut(rng, n):
    """A cloud of points in which all distances beyond some length are infinite."""
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
    """Family and matrix of case `number`: first those of LARGE, then the families in turn."""
    rng = np.random.default_rng([seed, number])
    if number < len(LARGE):
        family, n = LARGE[number]
    else:
        family = FAMILIES[number % len(FAMILIES)]
        # Half of the matrices are small, where ties of different kinds occur together.
        n = int(rng.integers(1, 16 if rng.random() < 0.5 else largest + 1))
    return family.__name__, family(rng, n)


def small_matrix_case(seed, number, largest):
    """Like `matrix_case`, without the large matrices."""
    return matrix_case(seed, len(LARGE) + number, largest)


def bars(rng, size, kind):
    """Diagram of one kind."""
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
    """Kind and two diagrams: every kind in all sizes, some pairs nearly equal, some with essential bars."""
    rng = np.random.default_rng([seed, number, 1])
    kind = ["tied", "generic", "components", "noise"][number % 4]
    most = int(rng.choice([4, 12, 60]))
    first, second = (bars(rng, int(rng.integers(0, most + 1)), kind) for _ in range(2))
    # Equal or nearly equal diagrams in another order have many short pairs to choose from.
    if rng.random() < 0.2:
        second = first[rng.permutation(len(first))]
        if kind != "tied":
            second = second + [0.0, 1e-3] * rng.random((len(second), 1))
    if rng.random() < 0.2:
        n_essential = int(rng.integers(1, 4))
        # Unequal numbers of essential bars, whose distance is infinite, also occur.
        counts = n_essential, n_essential + int(rng.random() < 0.2)
        first, second = (
            np.vstack([side, np.stack([rng.uniform(0, 2, k), np.full(k, np.inf)], -1)])
            for side, k in zip((first, second), counts)
        )
    return kind, first, second
