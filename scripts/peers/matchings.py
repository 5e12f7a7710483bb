"""Reference distances between diagrams: by POT, by hera, and from the definition."""

import itertools

import gudhi.hera
import numpy as np
from gudhi.wasserstein import wasserstein_distance
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

BRUTE_FORCE_BARS = 4


def to_diagonal(bars, norm):
    """Distance of each bar to the diagonal."""
    return (bars[:, 1] - bars[:, 0]) / 2 * (1.0 if norm == np.inf else 2 ** (1 / norm))


def between(first, second, norm):
    """Distances of all finite bars of two diagrams."""
    return np.linalg.norm(first[:, None] - second[None], ord=norm, axis=-1)


def combined(lengths, order):
    """Distance that a matching with these lengths of pairs has."""
    return float(np.linalg.norm(lengths, ord=order)) if len(lengths) else 0.0


def matching_lengths(first, second, pairs, norm):
    """Length of each pair (i, j), where None is the diagonal; None unless every bar is in exactly one pair."""
    for side, diagram in enumerate((first, second)):
        matched = sorted(pair[side] for pair in pairs if pair[side] is not None)
        if matched != list(range(len(diagram))):
            return None
    lengths = []
    for i, j in pairs:
        if i is None or j is None:
            bar = first[i] if j is None else second[j]
            lengths.append(to_diagonal(bar[None], norm)[0])
        elif np.isinf(first[i][1]) and np.isinf(second[j][1]):
            lengths.append(abs(first[i][0] - second[j][0]))
        else:
            lengths.append(np.linalg.norm(first[i] - second[j], ord=norm))
    return lengths


def essential_lengths(first, second):
    """Differences of births of essential bars, matched in sorted order; None if their numbers differ."""
    births = [np.sort(side[np.isinf(side[:, 1])][:, 0]) for side in (first, second)]
    if len(births[0]) != len(births[1]):
        return None
    return np.abs(births[0] - births[1])


def bottleneck(first, second, norm):
    """Smallest threshold at which finite bars and diagonal points have a perfect matching."""
    n, m = len(first), len(second)
    lengths = np.zeros((n + m, n + m))
    lengths[:n, :m] = between(first, second, norm)
    lengths[:n, m:] = to_diagonal(first, norm)[:, None]
    lengths[n:, :m] = to_diagonal(second, norm)[None]
    # The distance is one of these lengths, so a binary search over them is exact.
    thresholds = np.unique(lengths)
    low, high = 0, len(thresholds) - 1
    while low < high:
        middle = (low + high) // 2
        partners = maximum_bipartite_matching(csr_matrix(lengths <= thresholds[middle]))
        low, high = (low, middle) if (partners >= 0).all() else (middle + 1, high)
    return float(thresholds[low]) if len(thresholds) else 0.0


def brute_force(first, second, order, norm):
    """Minimum over all partial matchings of finite bars."""
    cross, alone = between(first, second, norm), [to_diagonal(side, norm) for side in (first, second)]
    best = np.inf
    for size in range(min(len(first), len(second)) + 1):
        for chosen in itertools.combinations(range(len(first)), size):
            for partners in itertools.permutations(range(len(second)), size):
                lengths = [cross[i, j] for i, j in zip(chosen, partners)]
                lengths += [alone[0][i] for i in range(len(first)) if i not in chosen]
                lengths += [alone[1][j] for j in range(len(second)) if j not in partners]
                best = min(best, combined(lengths, order))
    return best


def references(first, second, order, norm):
    """Distance by each applicable method, by name."""
    essential = essential_lengths(first, second)
    if essential is None:
        return {"definition": np.inf}
    finite = [side[np.isfinite(side[:, 1])] for side in (first, second)]
    found = {}
    if order == np.inf:
        found["definition"] = combined([bottleneck(*finite, norm), *essential], np.inf)
        if norm == np.inf:
            # The bottleneck distance of GUDHI 3.13 itself is too large for several per cent of small diagrams, see
            # `traps.py` and
            # https://github.com/GUDHI/gudhi-devel/pull/1367.
            found["hera"] = gudhi.hera.bottleneck_distance(first, second, 0.0)
    else:
        found["POT"] = float(wasserstein_distance(first, second, order=order, internal_p=norm))
    if max(map(len, finite)) <= BRUTE_FORCE_BARS:
        found["brute force"] = combined([brute_force(*finite, order, norm), *essential], order)
    return found
