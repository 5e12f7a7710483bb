"""Fits the polynomial of the single-precision Jensen-Shannon kernel.

The divergence of two rows is the sum over outcomes of (p - q)^2 / (4 (p + q)) * Q(y), where
y = (1 - delta^2)^(1/4), delta = (p - q) / (p + q), and
Q = ((1 + delta) ln(1 + delta) + (1 - delta) ln(1 - delta)) / delta^2.
All terms are positive, so the largest relative error of Q over y in [0, 1] bounds that of the
divergence, and half of it that of the distance. The script finds the polynomial in t = 2 y - 1
for which that error is least (Remez exchange in the Chebyshev basis) and prints its
coefficients, lowest power first, as they stand in src/distance/jensen_shannon_f32.rs.

Run it with numpy installed:

    python scripts/fit_jensen_shannon.py
"""

import numpy as np
from numpy.polynomial import chebyshev, polynomial

DEGREE = 9
EXCHANGES = 30
GRID = 200_001
SERIES_TERMS = 24


def entropy_quotient(t):
    """Returns Q at t = 2 y - 1, to about 1e-15: by a series near equal outcomes, otherwise by two logarithms."""
    y = (t + 1.0) / 2.0
    u = (1.0 - y) * (1.0 + y) * (1.0 + y * y)
    k = np.arange(1, SERIES_TERMS + 1)
    series = polynomial.polyval(u, 1.0 / (k * (2 * k - 1)))
    delta = np.sqrt(u)
    complement = y**4 / (1.0 + delta)  # 1 - delta without cancellation
    low = complement * np.log(np.where(complement > 0.0, complement, 1.0))
    high = (1.0 + delta) * np.log1p(delta)
    # Up to u = 0.1, the first term that is left out is below 1e-26.
    return np.where(u < 0.1, series, (high + low) / np.where(u > 0.0, u, 1.0))


def equioscillating_fit(nodes):
    """Returns Chebyshev coefficients whose relative errors at the nodes have equal size and alternating signs."""
    values = entropy_quotient(nodes)
    signs = (-1.0) ** np.arange(nodes.size)
    system = np.column_stack([chebyshev.chebvander(nodes, DEGREE), signs * values])
    return np.linalg.solve(system, values)[:-1]


def alternating_extrema(grid, error):
    """Returns the point of the largest error of each run of equal signs: the nodes of the next exchange."""
    starts = np.flatnonzero(np.diff(np.sign(error)) != 0) + 1
    runs = np.split(np.arange(grid.size), starts)
    peaks = np.array([run[np.argmax(np.abs(error[run]))] for run in runs])
    # The next fit needs exactly DEGREE + 2 nodes whose errors alternate: the smaller end goes.
    while peaks.size > DEGREE + 2:
        end = 0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1
        peaks = np.delete(peaks, end)
    return grid[peaks]


def fit():
    """Returns the coefficients in powers of t for which the largest relative error of Q is least."""
    # Dense towards t = -1, where Q has a logarithmic singularity in its fourth derivative.
    grid = -np.cos(np.linspace(0.0, np.pi, GRID))
    exact = entropy_quotient(grid)
    nodes = -np.cos(np.linspace(0.0, np.pi, DEGREE + 2))
    for _ in range(EXCHANGES):
        coefficients = equioscillating_fit(nodes)
        error = chebyshev.chebval(grid, coefficients) / exact - 1.0
        nodes = alternating_extrema(grid, error)
    return chebyshev.cheb2poly(coefficients), grid, exact


def main():
    """Prints the coefficients and the error that they attain."""
    coefficients, grid, exact = fit()
    single = coefficients.astype(np.float32)
    print(f"const ENTROPY_QUOTIENT: [f32; {DEGREE + 1}] = [")
    for value in single:
        print(f"    {value!s},")
    print("];")
    for name, values in [("exact", coefficients), ("f32", single.astype(np.float64))]:
        error = np.abs(polynomial.polyval(grid, values) / exact - 1.0).max()
        print(f"largest relative error of the divergence, {name} coefficients: {error:.3e}")


if __name__ == "__main__":
    main()
