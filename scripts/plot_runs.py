"""Plots the distance between the diagrams of consecutive layers, and the accuracy, over the epochs of runs.

    python3 scripts/plot_runs.py --out FILE.svg LABEL=RUN_DIR[,RUN_DIR...]...

Every label has a colour, with a thin line for each run and a thick line for their mean. Needs matplotlib.
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

COLOURS = ["#3b6ea5", "#c2571a", "#3f8f5b", "#7a4fa3"]


def read(run: str, name: str) -> tuple[list[int], list[float]]:
    """Returns the epochs and validation values of a metric, averaged over layers if it is logged by layer."""
    sums: dict[int, list[float]] = {}
    for line in pathlib.Path(run, "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["split"] == "validation" and record["name"].split("/layer")[0] == name:
            # Epochs are counted from 0 in files, and from 1 here.
            sums.setdefault(record["epoch"] + 1, []).append(record["value"])
    return list(sums), [sum(values) / len(values) for values in sums.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("runs", nargs="+", metavar="LABEL=RUN[,RUN...]")
    arguments = parser.parse_args()
    panels = [
        ("topology/h0_wasserstein_next_normalized", "H0: 2-Wasserstein distance to the next layer"),
        ("topology/h1_wasserstein_next_normalized", "H1: 2-Wasserstein distance to the next layer"),
        ("accuracy", "validation accuracy"),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    for axis, (name, title) in zip(axes, panels):
        for colour, group in zip(COLOURS, arguments.runs):
            label, runs = group.split("=", 1)
            curves = [read(run, name) for run in runs.split(",")]
            for epochs, values in curves:
                axis.plot(epochs, values, color=colour, alpha=0.3, linewidth=0.8)
            mean = [sum(column) / len(column) for column in zip(*(values for _, values in curves))]
            axis.plot(curves[0][0], mean, color=colour, linewidth=2, label=label)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(bottom=0)
    axes[2].set_ylim(0.8, 1.0)
    axes[0].legend(frameon=False)
    figure.savefig(arguments.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
