"""Fits the planes that bound a Jensen-Shannon divergence from both sides.

An outcome with the masses p and q adds f to the divergence of two rows, a = (sqrt p - sqrt q)^2 to the squared
distance A between their square roots, and

    b = p + q - 2 sqrt(p q) cos(W ln(p / q))

to the squared distance B between the vectors of sqrt(p) cos(W ln p) and sqrt(p) sin(W ln p). If c1 a + c2 b <= f at every
ratio of the masses, then c1 A + c2 B is a lower bound of the divergence, and if c0 (p + q) + c1 a + c2 b >= f, then
c0 s + c1 A + c2 B is an upper bound, where s is the sum of both rows. For given s, A and B a linear program finds the
plane with the closest bound. The script solves it for pairs of softmax rows, chooses the few planes that together
are closest on average, moves them outward by more than the errors of the grid and of rounding to single precision, and
prints them as they stand in src/distance/divergence_planes.rs.

Run it with numpy and scipy installed; it takes about a minute:

    python scripts/fit_jensen_shannon_bounds.py
"""

import numpy as np
from scipy.optimize import linprog

W = 0.6
N_PLANES = 8
N_PAIRS = 600
N_OUTCOMES = 257
SAFETY = 2e-6
SERIES_TERMS = 24


def terms(log_ratio):
    """Returns f, a and b at p + q = 1 for l = ln(p / q) >= 0, each without cancellation."""
    l = log_ratio
    sech = 1.0 / np.cosh(l / 2.0)
    delta = np.tanh(l / 2.0)
    k = np.arange(1, SERIES_TERMS + 1)
    u = delta * delta
    series = u * np.polynomial.polynomial.polyval(u, 1.0 / (k * (2 * k - 1)))
    complement = 2.0 / (1.0 + np.exp(l))
    exact = (1.0 + delta) * np.log1p(delta) + complement * np.log(complement)
    # Up to delta = 0.3 the first term that is left out is below 1e-26.
    f = 0.25 * np.where(delta < 0.3, series, exact)
    a = 2.0 * np.sinh(l / 4.0) ** 2 * sech
    b = a + 2.0 * sech * np.sin(W * l / 2.0) ** 2
    return f, a, b


def relative_terms(log_ratio):
    """Returns the rows (1 / f, a / f, b / f) of a grid, with the limits of equal and of disjoint masses."""
    f, a, b = terms(log_ratio)
    # Equal masses: a / f and b / f are the ratios of the leading terms, and 1 / f is infinite, which helps upper planes.
    equal = [1e300, 2.0, 2.0 + 8.0 * W * W]
    disjoint = [2.0 / np.log(2.0)] * 3
    return np.vstack([equal, np.column_stack([1.0 / f, a / f, b / f]), disjoint])


def moments():
    """Returns s, A and B of pairs of softmax rows, from nearly equal to nearly disjoint ones."""
    random = np.random.default_rng(0)
    rows = []
    for _ in range(N_PAIRS):
        sharpness = 10.0 ** random.uniform(-0.5, 0.9)
        correlation = random.uniform(0.0, 0.99)
        first, other = random.normal(size=(2, N_OUTCOMES))
        second = correlation * first + np.sqrt(1.0 - correlation**2) * other
        p, q = (np.exp(sharpness * x) / np.exp(sharpness * x).sum() for x in (first, second))
        roots = np.sqrt(p * q)
        rows.append([2.0, 2.0 - 2.0 * roots.sum(), 2.0 - 2.0 * (roots * np.cos(W * np.log(p / q))).sum()])
    return np.array(rows)


def closest_planes(pairs, grid):
    """Returns the lower and the upper planes that are closest for each pair."""
    lower, upper = [], []
    for s, a, b in pairs:
        low = linprog([-a, -b], A_ub=grid[:, 1:], b_ub=np.ones(len(grid)), bounds=[(None, None)] * 2)
        # Scaled so that no coefficient of a constraint exceeds 1, because 1 / f is large for nearly equal masses.
        scale = 1.0 / grid.max(axis=1)
        high = linprog(
            [s, a, b], A_ub=-grid * scale[:, None], b_ub=-scale, bounds=[(0.0, None), (None, None), (None, None)]
        )
        if low.status == 0 and high.status == 0:
            lower.append([0.0, *low.x])
            upper.append(high.x)
    return np.array(lower), np.array(upper)


def choose(values, best):
    """Returns the indices of the planes whose largest value is closest to the best one on average, one after the other."""
    chosen, attained = [], np.full(len(values), -np.inf)
    for _ in range(N_PLANES):
        loss = [np.minimum((best - np.maximum(attained, column)) / np.abs(best), 1.0).mean() for column in values.T]
        chosen.append(int(np.argmin(loss)))
        attained = np.maximum(attained, values[:, chosen[-1]])
    return chosen, attained


def main():
    """Prints the planes and how close their bounds are."""
    coarse = relative_terms(np.concatenate([np.geomspace(1e-4, 1.0, 200), np.linspace(1.0, 70.0, 1200)]))
    fine = relative_terms(np.concatenate([np.geomspace(1e-6, 1.0, 100_000), np.linspace(1.0, 200.0, 400_000)]))
    pairs = moments()
    lower, upper = closest_planes(pairs, coarse)
    # What the fine grid shows beyond the coarse one, and the margin.
    lower /= np.maximum((fine @ lower.T).max(axis=0), 1.0)[:, None] * (1.0 + SAFETY)
    upper *= (1.0 + SAFETY) / np.minimum((fine @ upper.T).min(axis=0), 1.0)[:, None]
    low, high = pairs @ lower.T, pairs @ upper.T
    chosen_lower, attained_low = choose(low, low.max(axis=1))
    chosen_upper, attained_high = choose(-high, -high.min(axis=1))
    width = (-attained_high - attained_low) / -attained_high
    print(f"width of the bounds, relative: median {np.median(width):.1e}, largest {width.max():.1e}")
    for name, planes, first in [("LOWER_PLANES", lower[chosen_lower], 1), ("UPPER_PLANES", upper[chosen_upper], 0)]:
        print(f"const {name}: [[f32; {3 - first}]; {N_PLANES}] = [")
        for plane in planes.astype(np.float32):
            print(f"    [{', '.join(str(x) for x in plane[first:])}],")
        print("];")


if __name__ == "__main__":
    main()
