"""Draws the picture of the README: from an attention map to a penalty, with the numbers of a real run.

    burn-topology train configs/digits_vit.toml --set training.epochs=60 --output runs/pipeline
    python3 scripts/plot_pipeline.py --sample 27 --write-image digit.png
    burn-topology analyze runs/pipeline --images digit.png --output runs/pipeline_report
    python3 scripts/plot_pipeline.py --image digit.png --report runs/pipeline_report --layer 1 --out docs/images/pipeline.svg

The first call of the script writes one sample of the embedded digits as an image; the second draws the picture
for the mean of the heads of two consecutive layers. Needs NumPy, SciPy and matplotlib.
"""

import argparse
import gzip
import json
import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.image
import matplotlib.patches
import matplotlib.pyplot as plt
import numpy
import scipy.optimize

COLOURS = ["#3b6ea5", "#c2571a"]
BIRTH, DEATH, GRADIENT = "#2f8f4b", "#b3262e", "#6b3fa0"


def write_digit(sample: int, path: str) -> None:
    """Writes one embedded digit, counted from 0, as an 8 by 8 PNG."""
    source = pathlib.Path(__file__).parent.parent / "src/data/digits/digits.csv.gz"
    line = gzip.open(source, "rt").read().split()[sample]
    pixels = [int(number) for number in line.split(",")[:-1]]
    image = numpy.array(pixels, dtype=float).reshape(8, 8) / 16
    matplotlib.image.imsave(path, image, cmap="gray", vmin=0, vmax=1)


class Layer:
    """Attention map, distances and bars of the mean of the heads of one layer."""

    def __init__(self, report: pathlib.Path, layer: int) -> None:
        matrices = numpy.load(report / "matrices/0.npz")
        self.attention = matrices["attention"][layer, 0]
        self.distances = matrices["distances"][layer, 0]
        archive = numpy.load(report / "diagrams.npz")
        items = json.loads(bytes(archive["meta_json"]))["items"]
        item = next(i for i, entry in enumerate(items) if entry["layer"] == layer and entry["head"] is None)
        self.bars, self.births, self.deaths = {}, {}, {}
        for dim in (0, 1):
            start, end = archive[f"offsets{dim}"][item : item + 2]
            bars = archive[f"dgm{dim}"][start:end]
            finite = numpy.isfinite(bars[:, 1])
            # The scale is the mean finite death in dimension 0, so the bars of dimension 0 are divided last.
            scale = numpy.mean(self.bars[0][:, 1]) if dim else 1.0
            self.bars[dim] = bars[finite] / scale
            self.births[dim] = archive[f"birth_simplex{dim}"][start:end][finite]
            self.deaths[dim] = archive[f"death_simplex{dim}"][start:end][finite]
        self.scale = numpy.mean(self.bars[0][:, 1])
        self.bars[0] = self.bars[0] / self.scale


def matching(first: numpy.ndarray, second: numpy.ndarray) -> list:
    """Pairs of points of the best matching (order 2, ground norm L-infinity); None is the diagonal."""
    n, m = len(first), len(second)
    cost = numpy.zeros((n + m, n + m))
    # The corner that stays 0 matches the diagonal with itself.
    cost[:n, :m] = numpy.abs(first[:, None] - second[None]).max(2) ** 2
    cost[:n, m:] = ((first[:, 1] - first[:, 0]) / 2)[:, None] ** 2
    cost[n:, :m] = ((second[:, 1] - second[:, 0]) / 2)[None] ** 2
    pairs = zip(*scipy.optimize.linear_sum_assignment(cost))
    points = [
        (first[i] if i < n else None, second[j] if j < m else None) for i, j in pairs if i < n or j < m
    ]
    return [
        tuple(numpy.full(2, other.mean()) if point is None else point for point, other in (pair, pair[::-1]))
        for pair in points
    ]


def arrow(figure, start: float, end: float, text: str) -> None:
    y = 0.57
    figure.add_artist(
        matplotlib.patches.FancyArrowPatch(
            (start, y), (end, y), transform=figure.transFigure, arrowstyle="-|>", mutation_scale=12, color="#444"
        )
    )
    figure.text((start + end) / 2, y + 0.04, text, ha="center", va="bottom", fontsize=7.5, color="#444")


def draw(image: str, report: pathlib.Path, layer: int, out: str) -> None:
    first, second = Layer(report, layer), Layer(report, layer + 1)
    # The fixed salt, and no date below, make the same file each time.
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "svg.hashsalt": "pipeline"})
    figure = plt.figure(figsize=(11.6, 2.95))

    def panel(left: float, width: float, title: str):
        axes = figure.add_axes((left, 0.29, width, 0.6))
        axes.set_title(title, fontsize=8.5)
        return axes

    def plain(axes) -> None:
        axes.set_xticks([])
        axes.set_yticks([])

    # The bar of longest persistence in H1, and the edges that its birth and death come from.
    bar = numpy.argmax(first.bars[1][:, 1] - first.bars[1][:, 0])
    birth, death = first.births[1][bar][:2], first.deaths[1][bar]
    inside = first.distances[numpy.ix_(death, death)]
    i, j = numpy.unravel_index(numpy.argmax(inside), inside.shape)
    death = numpy.array([death[i], death[j]])

    n_patches = len(first.distances)
    side = round(n_patches**0.5)
    pixels = matplotlib.image.imread(image)[..., :3]
    width = len(pixels) / side
    axes = panel(0.01, 0.13, f"image, {n_patches} patches")
    axes.imshow(pixels, interpolation="nearest")
    for line in range(1, side):
        axes.axhline(line * width - 0.5, color="#888", linewidth=0.5)
        axes.axvline(line * width - 0.5, color="#888", linewidth=0.5)
    for edge, colour in ((birth, BIRTH), (death, DEATH)):
        x, y = ((index + 0.5) * width - 0.5 for index in (edge % side, edge // side))
        axes.plot(x, y, color="white", linewidth=4)
        axes.plot(x, y, color=colour, linewidth=2.2, marker="o", markersize=4)
    plain(axes)

    axes = panel(0.205, 0.14, f"attention map, layer {layer}")
    # Without the class token, as in the distances.
    rows = first.attention[1:, 1:]
    axes.imshow(rows / rows.sum(1, keepdims=True), cmap="viridis")
    axes.set_xlabel("each row is a probability\ndistribution; bright: large")
    plain(axes)

    axes = panel(0.43, 0.14, "distances between its rows")
    axes.imshow(first.distances, cmap="magma")
    for (i, j), colour in ((birth, BIRTH), (death, DEATH)):
        for x, y in ((i, j), (j, i)):
            for line_colour, line_width in (("white", 3.6), (colour, 2)):
                circle = matplotlib.patches.Circle(
                    (x, y), n_patches / 24, fill=False, edgecolor=line_colour, linewidth=line_width, clip_on=False
                )
                axes.add_patch(circle)
    axes.text(0.5, -0.06, "birth edge", color=BIRTH, ha="right", va="top", transform=axes.transAxes)
    axes.text(0.54, -0.06, "death edge", color=DEATH, ha="left", va="top", transform=axes.transAxes)
    axes.text(0.5, -0.17, "of the ringed point, twice\neach by symmetry; bright: far", ha="center", va="top", transform=axes.transAxes)
    plain(axes)

    axes = panel(0.672, 0.16, f"diagrams of layers {layer} and {layer + 1}, H1")
    for start, end in matching(first.bars[1], second.bars[1]):
        axes.plot(*zip(start, end), color="#999", linewidth=0.9, zorder=1)
    for diagram, colour, marker, name in ((first, COLOURS[0], "o", layer), (second, COLOURS[1], "^", layer + 1)):
        axes.scatter(*diagram.bars[1].T, s=20, color=colour, marker=marker, label=f"layer {name}", zorder=2)
    axes.scatter(*first.bars[1][bar], s=90, facecolor="none", edgecolor="black", linewidth=1.1, zorder=3)
    ends = numpy.concatenate([first.bars[1], second.bars[1]])
    low, high = ends.min() - 0.08, ends.max() + 0.08
    axes.plot((low, high), (low, high), color="#444", linewidth=0.8)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="birth / scale", ylabel="death / scale", aspect="equal")
    axes.xaxis.labelpad = axes.yaxis.labelpad = 1
    axes.tick_params(labelsize=6.5, length=2)
    axes.legend(fontsize=6.5, loc="lower right", frameon=False, handletextpad=0.1)

    figure.text(0.935, 0.76, "penalty", ha="center", fontsize=9.5, weight="bold")
    figure.text(0.935, 0.59, "squared Wasserstein\ndistance: sum of the\nsquared lengths of\nthe grey lines", ha="center", va="center", fontsize=7.5)
    figure.text(0.935, 0.38, "loss = task loss\n+ weight x penalty", ha="center", va="center", fontsize=8.5)

    arrow(figure, 0.145, 0.2, "transformer")
    arrow(figure, 0.355, 0.422, "Jensen-\nShannon")
    arrow(figure, 0.578, 0.628, "persistent\nhomology")
    arrow(figure, 0.842, 0.872, "sum")
    figure.add_artist(
        matplotlib.patches.FancyArrowPatch(
            (0.935, 0.3), (0.37, 0.06), transform=figure.transFigure, connectionstyle="angle,angleA=-90,angleB=0,rad=8",
            arrowstyle="-|>", mutation_scale=12, color=GRADIENT, linestyle=(0, (4, 2)),
        )
    )
    figure.text(
        0.365, 0.06, "gradient: to each birth edge and death edge,\nand from there to two attention rows", ha="right", va="center",
        fontsize=8, color=GRADIENT,
    )
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=27)
    parser.add_argument("--write-image")
    parser.add_argument("--image")
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--layer", type=int, default=1)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    if arguments.write_image:
        write_digit(arguments.sample, arguments.write_image)
    else:
        draw(arguments.image, arguments.report, arguments.layer, arguments.out)


if __name__ == "__main__":
    main()
