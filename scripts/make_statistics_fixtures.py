"""Writes tests/data_files/statistics.json, the reference results for the tests of the module `statistics`.

Permutation tests, bootstrap and t intervals come from scipy; Holm's adjustment, equivalence tests and
power from statsmodels; the bootstrap over two factors from numpy. Run it with the three installed:

    python scripts/make_statistics_fixtures.py
"""

import json
import math
from pathlib import Path

import numpy as np
from scipy import special, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

TARGET = Path(__file__).parent.parent / "tests/data_files/statistics.json"
N_RESAMPLES = 100_000


def tables(rng):
    """Yields tables of differences: few and many seeds, one or several units, ties, and values far from 0."""
    for n_seeds in (2, 3, 5, 8, 12, 15):
        yield rng.normal(0.3, 1.0, (n_seeds, 1))
    yield rng.integers(-3, 5, (7, 1)).astype(float)
    yield rng.integers(-1, 2, (13, 1)) / 10
    yield rng.normal(1000.0, 3.0, (6, 1))
    yield 1e-6 * rng.standard_t(3, (10, 1))
    yield rng.normal(0.2, 1.0, (5, 1)) + rng.normal(0.0, 0.5, (5, 7))
    yield rng.integers(0, 2, (9, 12)) - rng.integers(0, 2, (9, 12)) * 0.5


def hedges_correction(m):
    return math.exp(special.gammaln(m / 2) - special.gammaln((m - 1) / 2)) / math.sqrt(m / 2)


def case(differences):
    by_seed = differences.mean(axis=1)
    n = len(by_seed)
    # No limit of resamples: all flips of signs are tried, so that the p-value is exact.
    permutation = stats.permutation_test(
        (by_seed,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    test = stats.ttest_1samp(by_seed, 0.0)
    margin = abs(by_seed.mean()) + 0.5 * by_seed.std(ddof=1)
    baseline = np.zeros(n)
    d_z = by_seed.mean() / by_seed.std(ddof=1)
    return {
        "differences": differences.tolist(),
        "mean": by_seed.mean(),
        "sign_flip": permutation.pvalue,
        "t_intervals": [
            {"confidence": confidence, "ends": list(test.confidence_interval(confidence))}
            for confidence in (0.5, 0.9, 0.95, 0.999)
        ],
        "margin": margin,
        "equivalence": ttost_paired(by_seed, baseline, -margin, margin)[0],
        "d_z": d_z,
        "corrected": d_z * hedges_correction(n - 1) if n > 2 else None,
    }


def power_cases():
    power = TTestPower()
    for d_z in (0.0, 0.1, 0.5, 0.8, 1.0, 1.5, 3.0):
        for n in (2, 3, 5, 10, 34, 200):
            for alpha in (0.05, 0.001):
                result = power.power(d_z, n, alpha, alternative="two-sided")
                # Near a power of 1, scipy's noncentral t sometimes returns NaN.
                if math.isfinite(result):
                    yield {"d_z": d_z, "n_seeds": n, "alpha": alpha, "power": float(result)}


def seed_cases():
    solver = TTestPower()
    for d_z in (0.05, 0.1, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0):
        for power in (0.8, 0.95):
            needed = solver.solve_power(effect_size=d_z, alpha=0.05, power=power)
            yield {"d_z": d_z, "power": power, "seeds": math.ceil(float(np.squeeze(needed)))}


def holm_cases(rng):
    families = [[0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.5], [0.0, 1.0], [0.02]]
    families += [rng.uniform(0.0, 0.2, n).tolist() for n in (3, 6, 20)]
    for family in families:
        yield {"p_values": family, "adjusted": multipletests(family, method="holm")[1].tolist()}


def expanded_tail(n, confidence):
    # Percentiles of few seeds are too narrow; the tail is widened as in Hesterberg, 2015.
    quantile = stats.t.ppf((1 - confidence) / 2, n - 1)
    return stats.norm.cdf(math.sqrt(n / (n - 1)) * quantile)


def bootstrap_cases(rng):
    for n_seeds, n_units in ((6, 1), (10, 1), (25, 1), (8, 30), (12, 50)):
        table = rng.normal(0.2, 1.0, (n_seeds, 1)) + rng.normal(0.0, 0.7, (1, n_units))
        table = np.round(table + rng.normal(0.0, 0.5, (n_seeds, n_units)), 4)
        tail = expanded_tail(n_seeds, 0.95)
        if n_units == 1:
            interval = stats.bootstrap(
                (table[:, 0],), np.mean, n_resamples=N_RESAMPLES, confidence_level=1 - 2 * tail,
                method="percentile", rng=rng,
            ).confidence_interval
            ends = [interval.low, interval.high]
        else:
            means = np.empty(N_RESAMPLES)
            for k in range(N_RESAMPLES):
                seeds = rng.integers(0, n_seeds, n_seeds)
                units = rng.integers(0, n_units, n_units)
                means[k] = table[np.ix_(seeds, units)].mean()
            ends = np.quantile(means, [tail, 1 - tail]).tolist()
        yield {"differences": table.tolist(), "ends": ends}


def main():
    rng = np.random.default_rng(7)
    fixtures = {
        "tables": [case(table) for table in tables(rng)],
        "powers": list(power_cases()),
        "seeds": list(seed_cases()),
        "holm": list(holm_cases(rng)),
        "bootstrap": list(bootstrap_cases(rng)),
    }
    lists = (
        f'"{name}": [\n' + ",\n".join(json.dumps(item, allow_nan=False) for item in items) + "\n]"
        for name, items in fixtures.items()
    )
    TARGET.write_text("{\n" + ",\n".join(lists) + "\n}\n")
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
