"""Writes tests/data_files/inspection.json: random attention and its persistence diagrams by GUDHI, over Z/2.

    python3 scripts/make_inspection_goldens.py tests/data_files/inspection.json

The cases combine single and double softmax, the distance and its square root (the fourth root of the divergence), patch
tokens and all tokens, and single heads and their mean. Needs numpy and gudhi.
"""

import json
import pathlib
import sys

import gudhi
import numpy as np

N_LAYERS, N_HEADS, GRID, N_PREFIX = 2, 2, (3, 4), 1


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def jensen_shannon(rows: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distances of all pairs of rows: square roots of the divergences, natural logarithm."""
    p, q = rows[:, None], rows[None, :]
    m = (p + q) / 2
    def part(a):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(a > 0, a * np.log(a / m), 0.0).sum(-1)
    squares = np.maximum(0.5 * part(p) + 0.5 * part(q), 0.0)
    # Rounding would leave small distances of rows from themselves, and differences between (i, j) and (j, i).
    np.fill_diagonal(squares, 0.0)
    return np.sqrt((squares + squares.T) / 2)


def diagrams(distances: np.ndarray) -> list[list[list[float]]]:
    complex_ = gudhi.RipsComplex(distance_matrix=distances).create_simplex_tree(max_dimension=2)
    complex_.compute_persistence(homology_coeff_field=2, min_persistence=0.0)
    by_dimension = []
    for dim in range(2):
        bars = complex_.persistence_intervals_in_dimension(dim)
        # The library leaves out bars of persistence 0, which GUDHI returns.
        bars = [[b, d if np.isfinite(d) else None] for b, d in bars.tolist() if d > b]
        by_dimension.append(sorted(bars, key=lambda bar: (bar[0], np.inf if bar[1] is None else bar[1])))
    return by_dimension


def main() -> None:
    stream = np.random.default_rng(11)
    n_tokens = N_PREFIX + GRID[0] * GRID[1]
    scores = 2.0 * stream.standard_normal((N_LAYERS, N_HEADS, n_tokens, n_tokens))
    # Models store attention in single precision.
    attention = softmax(scores).astype(np.float32)
    cases = []
    for source in ["attention", "double_softmax"]:
        for exponent in [1.0, 0.5]:
            for tokens in ["patches", "all"]:
                for layer in range(N_LAYERS):
                    for head in [None, *range(N_HEADS)]:
                        rows = attention[layer].astype(np.float64)
                        rows = rows.mean(0) if head is None else rows[head]
                        if tokens == "patches":
                            rows = rows[N_PREFIX:, N_PREFIX:]
                        rows = rows / rows.sum(-1, keepdims=True)
                        if source == "double_softmax":
                            rows = softmax(rows)
                        expected = diagrams(jensen_shannon(rows) ** exponent)
                        case = {"source": source, "exponent": exponent, "tokens": tokens}
                        cases.append(case | {"layer": layer, "head": head, "diagrams": expected})
    attention = [float(x) for x in attention.ravel()]
    golden = {"made_by": f"scripts/make_inspection_goldens.py, gudhi {gudhi.__version__}",
              "n_layers": N_LAYERS, "n_heads": N_HEADS, "grid": GRID, "n_prefix_tokens": N_PREFIX,
              "attention": attention, "cases": cases}
    pathlib.Path(sys.argv[1]).write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
