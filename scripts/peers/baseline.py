"""Times every peer on the fixtures: persistence, distances of diagrams, pairwise Jensen-Shannon distances.

    python scripts/peers/baseline.py                       everything; a table on stdout
    ... --only persistence,matching,jensen_shannon  --sizes 65,197  --kinds smooth_t1,random_t4
    ... --tools "ripser.py H1,POT"      tools whose name contains one of these
    ... --ours "target/release/examples/time_persistence"   joins the table; fixture paths are appended
    ... --csv out.csv

A cell holds the minimum and median wall time and the minimum processor time in ms for one matrix or one
pair of diagrams in memory. On a shared machine, compare minimum times of one run; ratios are more
reliable than times.
"""

import argparse
import os
import platform
import subprocess
import time
import warnings
from pathlib import Path

from measure import Bench, parse_program_row

import numpy as np

warnings.filterwarnings("ignore")

PAIRS = [("smooth_t1", "vit_t1"), ("random_t1", "random_t4")]
# Largest number of points for tools that are too slow for larger inputs.
LARGEST_FOR_SLOW_TOOLS = 65


def time_persistence(bench, place, distances, threads):
    """Diagrams of one matrix in each library, with critical edges where the library has them."""
    time_ripser_family(bench, place, distances, threads)
    time_simplex_trees(bench, place, distances.astype(np.float64))
    time_differentiable(bench, place, distances)


def time_ripser_family(bench, place, distances, threads):
    """ripser.py, giotto-ph and the Ripser inside GUDHI."""
    from gph import ripser_parallel
    from gudhi.sklearn import RipsPersistence
    from ripser import ripser

    def giotto(maxdim=1, n_threads=1, **options):
        return lambda: ripser_parallel(
            distances, metric="precomputed", maxdim=maxdim, n_threads=n_threads, **options
        )

    section, double = "persistence", distances.astype(np.float64)
    # Here and below: `add` calls the work at once, before its loop variables change.
    for dim in (0, 1):
        bench.add(
            section, f"ripser.py H{dim}", place, lambda: ripser(distances, distance_matrix=True, maxdim=dim)
        )
        for n_threads in threads:
            bench.add(section, f"giotto-ph H{dim} n_threads={n_threads}", place, giotto(dim, n_threads))
        gudhi_ripser = RipsPersistence(
            homology_dimensions=list(range(dim + 1)),
            input_type="full distance matrix",
            num_collapses=0,
            homology_coeff_field=2,
        )
        tool = f"gudhi RipsPersistence (its Ripser over Z/2) H{dim}"
        bench.add(section, tool, place, lambda: gudhi_ripser.fit_transform([double]))
    bench.add(section, "giotto-ph H1 with generators", place, giotto(return_generators=True))
    whole = giotto(thresh=float(distances.max()))
    bench.add(section, "giotto-ph H1 without enclosing radius", place, whole)
    bench.add(section, "giotto-ph H1 with edge collapse", place, giotto(collapse_edges=True))


def time_simplex_trees(bench, place, distances):
    """Libraries that build the 2-skeleton: GUDHI's simplex tree and oineus."""
    import gudhi
    import oineus

    # The enclosing radius, beyond which nothing is born.
    radius = float(distances.max(1).min())

    def simplex_tree(largest, collapse):
        tree = gudhi.SimplexTree.create_from_array(distances, max_filtration=largest)
        if collapse:
            tree.collapse_edges()
        tree.expansion(2)
        tree.compute_persistence(homology_coeff_field=2, min_persistence=0)
        if collapse:
            # After a collapse, the generators are not those of the given matrix.
            return tree.persistence_intervals_in_dimension(1)
        return tree.flag_persistence_generators()

    def oineus_cohomology():
        filtration = oineus.vr_filtration(
            distances, from_pwdists=True, max_dim=2, max_diameter=radius, n_threads=1
        )
        decomposition = oineus.Decomposition(filtration, True)
        parameters = oineus.ReductionParams()
        parameters.n_threads = 1
        parameters.clearing_opt = True
        decomposition.reduce(parameters)
        return decomposition.diagram(filtration)

    section = "persistence"
    if place[0] <= LARGEST_FOR_SLOW_TOOLS:
        work = lambda: simplex_tree(float("inf"), collapse=False)
        bench.add(section, "gudhi SimplexTree H1, generators", place, work)
    work = lambda: simplex_tree(radius, collapse=False)
    bench.add(section, "gudhi SimplexTree in radius H1, generators", place, work)
    work = lambda: simplex_tree(radius, collapse=True)
    bench.add(section, "gudhi SimplexTree in radius, collapsed H1", place, work)
    bench.add(section, "oineus cohomology in radius H1", place, oineus_cohomology)


def time_differentiable(bench, place, distances):
    """Forward and backward of the sum of the squared persistences."""
    import oineus.diff
    import torch
    from torch_topological.nn import VietorisRipsComplex

    torch.set_num_threads(1)
    radius = float(distances.max(1).min())

    def torch_topological(layer):
        tracked = torch.from_numpy(distances.copy()).requires_grad_(True)
        diagrams = [info.diagram for info in layer(tracked, treat_as_distances=True)]
        sum((d[:, 1] - d[:, 0]).pow(2).sum() for d in diagrams).backward()
        return tracked.grad

    def oineus_diff():
        tracked = torch.from_numpy(distances.astype(np.float64)).requires_grad_(True)
        filtration = oineus.diff.vr_filtration(
            tracked, from_pwdists=True, max_dim=2, max_diameter=radius
        )
        diagrams = oineus.diff.persistence_diagram(filtration, include_inf_points=False)
        sum((diagrams[k][:, 1] - diagrams[k][:, 0]).pow(2).sum() for k in (0, 1)).backward()
        return tracked.grad

    section = "persistence"
    for dim in (0, 1):
        layer = VietorisRipsComplex(dim=dim)
        tool = f"torch-topological H{dim} forward + backward"
        bench.add(section, tool, place, lambda: torch_topological(layer))
    if place[0] <= LARGEST_FOR_SLOW_TOOLS:
        bench.add(section, "oineus.diff H1 forward + backward", place, oineus_diff)


def diagrams(distances):
    """Finite bars of dimensions 0 and 1, by ripser.py."""
    from ripser import ripser

    found = ripser(distances, distance_matrix=True, maxdim=1)["dgms"]
    return [bars[np.isfinite(bars[:, 1])].astype(np.float64) for bars in found]


def assignment(first, second, order):
    """Wasserstein distance as an assignment of n + m bars with their diagonal points."""
    from scipy.optimize import linear_sum_assignment

    n, m = len(first), len(second)
    # The corner that stays 0 matches the diagonal with itself.
    cost = np.zeros((n + m, n + m))
    cost[:n, :m] = np.abs(first[:, None] - second[None]).max(-1) ** order
    cost[:n, m:] = ((first[:, 1] - first[:, 0]) / 2)[:, None] ** order
    cost[n:, :m] = ((second[:, 1] - second[:, 0]) / 2)[None] ** order
    return cost[linear_sum_assignment(cost)].sum() ** (1 / order)


def time_matching(bench, place, first, second):
    """Distances of two diagrams, ground norm L-infinity; the note of POT is its distance, order 2."""
    import gudhi
    import gudhi.hera
    import oineus
    import persim
    from gudhi.wasserstein import wasserstein_distance

    section, inf = "matching", np.inf
    for order in (1, 2):
        pot = lambda: wasserstein_distance(first, second, order=order, internal_p=inf)
        bench.add(section, f"POT (gudhi.wasserstein) W{order}", place, pot, f"distance={float(pot())!r}")
        for delta in (0.01, 1e-6):
            hera = lambda: gudhi.hera.wasserstein_distance(
                first, second, order=order, internal_p=inf, delta=delta
            )
            bench.add(section, f"gudhi.hera delta={delta} W{order}", place, hera)
        work = lambda: assignment(first, second, order)
        bench.add(section, f"scipy linear_sum_assignment W{order}", place, work)
        work = lambda: oineus.wasserstein_distance(first, second, q=float(order), delta=0.01)
        bench.add(section, f"oineus W{order}", place, work)
        time_differentiable_matching(bench, place, (first, second), order)
    bench.add(section, "persim W1 (norm L2)", place, lambda: persim.wasserstein(first, second))
    work = lambda: gudhi.bottleneck_distance(first, second, 0.0)
    bench.add(section, "gudhi bottleneck, exact", place, work)
    work = lambda: gudhi.hera.bottleneck_distance(first, second, 0.0)
    bench.add(section, "gudhi.hera bottleneck, exact", place, work)
    if place[0] <= LARGEST_FOR_SLOW_TOOLS:
        bench.add(section, "persim bottleneck", place, lambda: persim.bottleneck(first, second))
    bench.add(section, "oineus bottleneck", place, lambda: oineus.bottleneck_distance(first, second))


def time_differentiable_matching(bench, place, pair, order):
    """Forward and backward of the distance."""
    import torch
    from gudhi.wasserstein import wasserstein_distance
    from torch_topological.nn import PersistenceInformation, WassersteinDistance

    def torch_topological():
        tracked = torch.from_numpy(pair[0]).requires_grad_(True)
        sides = [PersistenceInformation([], side, 1) for side in (tracked, torch.from_numpy(pair[1]))]
        WassersteinDistance(q=order)(*sides).backward()

    def gudhi_autodiff():
        tracked = torch.from_numpy(pair[0]).requires_grad_(True)
        options = {"order": order, "internal_p": np.inf, "enable_autodiff": True}
        second = torch.from_numpy(pair[1])
        wasserstein_distance(tracked, second, keep_essential_parts=False, **options).backward()

    section = "matching"
    bench.add(section, f"torch-topological forward + backward W{order}", place, torch_topological)
    bench.add(section, f"gudhi autodiff forward + backward W{order}", place, gudhi_autodiff)


def jensen_shannon_numpy(rows):
    """Pairwise distances from entropies, one row at a time."""
    from scipy.special import xlogy

    entropies = xlogy(rows, rows).sum(1)
    distances = np.empty((len(rows), len(rows)), rows.dtype)
    for i, row in enumerate(rows):
        mean = 0.5 * (row + rows)
        distances[i] = 0.5 * (entropies[i] + entropies) - xlogy(mean, mean).sum(1)
    return np.sqrt(np.maximum(distances, 0))


def jensen_shannon_torch(rows, block=64):
    """Pairwise distances from entropies, one block of rows at a time."""
    import torch

    xlogy = torch.special.xlogy
    entropies = xlogy(rows, rows).sum(1)
    blocks = []
    for i in range(0, len(rows), block):
        mean = 0.5 * (rows[i : i + block, None] + rows[None])
        pairs = 0.5 * (entropies[i : i + block, None] + entropies[None])
        blocks.append(pairs - xlogy(mean, mean).sum(-1))
    return torch.cat(blocks).clamp_min(0).sqrt()


def time_jensen_shannon(bench, place, rows, threads):
    """Times the distances between all pairs of rows of one attention matrix."""
    import torch
    from scipy.spatial.distance import cdist, pdist

    section, double, tensor = "jensen_shannon", rows.astype(np.float64), torch.from_numpy(rows)
    bench.add(section, "scipy pdist f64", place, lambda: pdist(double, "jensenshannon"))
    bench.add(section, "scipy cdist f64", place, lambda: cdist(double, double, "jensenshannon"))
    bench.add(section, "numpy by rows f64", place, lambda: jensen_shannon_numpy(double))
    bench.add(section, "numpy by rows f32", place, lambda: jensen_shannon_numpy(rows))
    for n_threads in threads:
        torch.set_num_threads(n_threads)
        tool = f"torch in blocks f32 n_threads={n_threads}"
        bench.add(section, tool, place, lambda: jensen_shannon_torch(tensor))
    torch.set_num_threads(1)

    def backward():
        jensen_shannon_torch(tensor.clone().requires_grad_(True)).triu(1).sum().backward()

    if place[0] <= LARGEST_FOR_SLOW_TOOLS:
        bench.add(section, "torch in blocks f32 forward + backward", place, backward)


def run_sections(bench, arguments):
    """Runs the requested sections."""
    threads = [int(word) for word in arguments.threads.split(",")]
    load = lambda prefix, kind, n: np.load(arguments.fixtures / f"{prefix}_{kind}_{n}.npy")
    sections, kinds = arguments.only.split(","), arguments.kinds.split(",")
    for n in [int(word) for word in arguments.sizes.split(",")]:
        if "persistence" in sections:
            for kind in kinds:
                time_persistence(bench, (n, kind), load("jsnat", kind, n), threads)
        if "matching" in sections:
            for first, second in PAIRS:
                sides = diagrams(load("jsnat", first, n)), diagrams(load("jsnat", second, n))
                for dim in (0, 1):
                    place = (n, f"{first}/{second} H{dim}")
                    time_matching(bench, place, sides[0][dim], sides[1][dim])
        if "jensen_shannon" in sections:
            time_jensen_shannon(bench, (n, kinds[0]), load("attn", kinds[0], n), threads)


def run_programs(bench, arguments):
    """Runs Rust programs that print rows of times."""
    paths = [
        str(arguments.fixtures / f"jsnat_{kind}_{n}.npy")
        for n in arguments.sizes.split(",")
        for kind in arguments.kinds.split(",")
    ]
    for command in arguments.ours:
        answer = subprocess.run([*command.split(), *paths], check=True, capture_output=True, text=True)
        bench.rows.extend(parse_program_row(line) for line in answer.stdout.splitlines())


def print_table(rows):
    """Prints tables with one line per tool and one column per input."""
    for section in dict.fromkeys(row.section for row in rows):
        of_section = [row for row in rows if row.section == section]
        places = list(dict.fromkeys((row.n, row.kind) for row in of_section))
        print(f"\n[{section}]  ms: minimum / median / minimum processor time")
        print(" " * 46 + "".join(f"{n} {kind}".rjust(30) for n, kind in places))
        for tool in dict.fromkeys(row.tool for row in of_section):
            found = {(row.n, row.kind): row for row in of_section if row.tool == tool}
            cells = [found.get(place) for place in places]
            texts = [f"{c.least:.4g} / {c.median:.4g} / {c.cpu:.4g}" if c else "-" for c in cells]
            print(f"{tool:46s}" + "".join(text.rjust(30) for text in texts))


def arguments():
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fixtures", type=Path, default=Path("target/peers/fixtures"))
    parser.add_argument("--only", default="persistence,matching,jensen_shannon")
    parser.add_argument("--sizes", default="17,65,197,257")
    parser.add_argument("--kinds", default="smooth_t1,random_t4,collapse_t1")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--budget", type=float, default=0.5, help="seconds per measurement")
    parser.add_argument("--tools", default="", help="only tools whose name contains one of these")
    parser.add_argument("--ours", action="append", default=[], metavar="COMMAND")
    parser.add_argument("--csv", type=Path)
    return parser.parse_args()


def main():
    """Measures, prints the tables, and writes the rows."""
    options = arguments()
    print(f"# {platform.machine()}, {os.cpu_count()} processors, {time.strftime('%F %T')}")
    print("# load before", *(f"{load:.2f}" for load in os.getloadavg()))
    bench = Bench(options.budget, [word for word in options.tools.split(",") if word])
    run_sections(bench, options)
    run_programs(bench, options)
    print_table(bench.rows)
    if options.csv:
        options.csv.write_text("".join(row.line() + "\n" for row in bench.rows))
    print("\n# load after", *(f"{load:.2f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main()
