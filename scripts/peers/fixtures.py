"""Writes attention-like matrices and their exact Jensen-Shannon distances as .npy files.

    python scripts/peers/fixtures.py target/peers/fixtures [--sizes 17,65,197,257]

For each kind and size: attn_* (attention rows, f32), jsnat_* (distances, natural logarithm, f32),
jsref_* (the same in f64) and jsb2_* (base 2, f32). Kinds:

    random_t1, random_t4     no structure, at a low and a high inverse temperature
    smooth_t1, smooth_t3     tokens on a grid; queries and keys are noisy Fourier features of the position
    vit_t1                   like smooth_t1, with a strong attention sink at the class token
    collapse_t1              all rows nearly equal
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.special import rel_entr

KINDS = ["random_t1", "random_t4", "smooth_t1", "smooth_t3", "vit_t1", "collapse_t1"]
HEAD_DIM = 64


def jensen_shannon(attention):
    """Distances between all rows: square root of the divergence, natural logarithm, in f64."""
    rows = attention.astype(np.float64)
    rows /= rows.sum(1, keepdims=True)
    distances = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        mean = 0.5 * (row + rows)
        divergence = 0.5 * (rel_entr(row, mean) + rel_entr(rows, mean)).sum(1)
        # Rounding may leave a negative number near 0.
        distances[i] = np.sqrt(np.maximum(divergence, 0))
    distances = 0.5 * (distances + distances.T)
    np.fill_diagonal(distances, 0)
    return distances


def softmax(logits):
    """Softmax of each row."""
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def embeddings(n, rng):
    """A class token and a square grid of tokens, as random Fourier features of their positions."""
    side = int(np.ceil(np.sqrt(n - 1)))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)[: n - 1]
    frequencies = rng.normal(size=(2, HEAD_DIM)) * 2.5
    phases = rng.uniform(0, 6.28, HEAD_DIM)
    features = 1.4 * np.cos(grid / side @ frequencies + phases)
    return np.vstack([rng.normal(size=(1, HEAD_DIM)), features])


def attention(n, kind, rng):
    """Attention matrix of n tokens."""
    name, _, inverse_temperature = kind.partition("_t")
    queries, keys = rng.normal(size=(n, HEAD_DIM)), rng.normal(size=(n, HEAD_DIM))
    if name != "random":
        tokens = embeddings(n, rng)
        queries, keys = tokens + 0.5 * queries, tokens + 0.5 * keys
    logits = queries @ keys.T / np.sqrt(HEAD_DIM) * float(inverse_temperature)
    if name == "vit":
        logits[:, 0] += 2.0
    if name == "collapse":
        logits = 0.01 * logits + rng.normal(size=(1, n))
    return softmax(logits).astype(np.float32)


def write(folder, n, number, kind):
    """Writes the files of one kind and size, and prints a summary of the distances."""
    # A seed of its own for each file, so that it does not depend on the other files.
    rows = attention(n, kind, np.random.default_rng(1000 * n + number))
    distances = jensen_shannon(rows)
    arrays = {
        "attn": rows,
        "jsref": distances,
        "jsnat": distances.astype(np.float32),
        "jsb2": (distances / np.sqrt(np.log(2))).astype(np.float32),
    }
    for prefix, array in arrays.items():
        np.save(folder / f"{prefix}_{kind}_{n}.npy", array)
    pairs = distances[np.triu_indices(n, 1)]
    radius = distances.max(1).min()
    print(
        f"{kind:12s} n={n:4d} least {pairs.min():.3e} median {np.median(pairs):.3e} "
        f"largest {pairs.max():.3e} enclosing radius {radius:.3e} "
        f"fraction within it {np.mean(pairs <= radius):.2f}"
    )


def main():
    """Writes all kinds in all sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("target/peers/fixtures"))
    parser.add_argument("--sizes", default="17,65,197,257")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for n in map(int, arguments.sizes.split(",")):
        for number, kind in enumerate(KINDS):
            write(arguments.folder, n, number, kind)


if __name__ == "__main__":
    main()
