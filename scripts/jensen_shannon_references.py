"""Prints Jensen-Shannon distances of hard rows to 60 digits, the reference for the tests of the f64 kernel.

Both rows have 27 outcomes whose masses follow simple formulas in double precision, which the function
`hard_rows` in src/distance/row_distance/tests.rs repeats. Only the standard library is needed:

    python scripts/jensen_shannon_references.py
"""

import sys
from decimal import Decimal, localcontext

N_OUTCOMES = 27
SCALES = ["1.0", "1e-30", "1e-300", "1e-310", "1e-320", "f64::MAX / 8.0"]
SHAPES = ["nearly equal", "apart", "disjoint", "one outcome", "few outcomes"]


def rows(shape, scale):
    """Returns the two rows of one test."""
    p, q = [], []
    for k in range(N_OUTCOMES):
        mass = (k * 37 % 101 + 1) / 128
        pair = {
            "nearly equal": (mass, mass * (1 + 1e-7 * (k % 3 - 1))),
            "apart": (mass, mass * (k + 1) / 32),
            "disjoint": (mass * (k % 2), mass * (1 - k % 2)),
            "one outcome": (float(k == 4), mass),
            "few outcomes": (mass * (k % 5 == 0), mass * (k % 3 == 0)),
        }[shape]
        p.append(pair[0] * scale)
        q.append(pair[1] * scale)
    return p, q


def distance(p, q):
    """Returns the square root of the divergence of two rows."""
    divergence = Decimal(0)
    for p_k, q_k in zip(map(Decimal, p), map(Decimal, q)):
        for mass in (p_k, q_k):
            if mass:
                divergence += mass * (2 * mass / (p_k + q_k)).ln() / 2
    return divergence.sqrt()


def main():
    """Prints one line of Rust for each pair of rows."""
    with localcontext() as context:
        context.prec = 60
        for name in SCALES:
            scale = sys.float_info.max / 8 if name.startswith("f64") else float(name)
            for shape in SHAPES:
                print(f'    ("{shape}", {name}, {float(distance(*rows(shape, scale)))!r}),')


if __name__ == "__main__":
    main()
