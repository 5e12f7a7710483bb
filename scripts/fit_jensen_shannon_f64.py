"""Fits the two polynomials of the double-precision Jensen-Shannon kernel.

The divergence of two rows is half the sum over outcomes of s H, where s = p + q, delta = |p - q| / s and
2 H = (1 + delta) ln(1 + delta) + (1 - delta) ln(1 - delta). Below a limit of delta the kernel multiplies
delta^2 by a polynomial in delta^2, and above it H = ln(1 + delta) - min(p, q) / s ln(max(p, q) / min(p, q))
takes the first logarithm from a polynomial in delta. At this limit both fits are equally good. The
script prints the coefficients, lowest power first, as they stand in src/distance/jensen_shannon_f64.rs, and
the largest errors relative to H.

Run it with mpmath installed:

    python scripts/fit_jensen_shannon_f64.py
"""

from mpmath import chebyfit, log, mp, mpf, nstr, sqrt

LIMIT = mpf(9) / 16
SMALLEST_DELTA_SQUARE = mpf("1e-8")


def quotient(square):
    """Returns H / delta^2 at a given delta^2, by the start of its series where the logarithms would cancel."""
    if square < SMALLEST_DELTA_SQUARE:
        return mpf(1) / 2 + square / 12 + square**2 / 30
    delta = sqrt(square)
    return ((1 + delta) * log(1 + delta) + (1 - delta) * log(1 - delta)) / (2 * square)


def show(name, coefficients):
    """Prints an array of Rust, from coefficients whose highest power comes first."""
    print(f"const {name}: [f64; {len(coefficients)}] = [")
    for value in reversed(coefficients):
        print(f"    {float(value)!r},")
    print("];")


def main():
    """Prints both polynomials and the errors that they attain."""
    mp.dps = 40
    near, near_error = chebyfit(quotient, [0, LIMIT**2], 12, error=True)
    far, far_error = chebyfit(lambda delta: log(1 + delta), [LIMIT, 1], 12, error=True)
    show("NEAR", near)
    show("FAR", far)
    # The least values of H / delta^2 and of H bound the relative errors.
    least = quotient(LIMIT**2) * LIMIT**2
    print(f"largest relative errors: near {nstr(2 * near_error, 2)}, far {nstr(far_error / least, 2)}")


if __name__ == "__main__":
    main()
