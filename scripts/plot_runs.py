"""Plots the distance between the diagrams of consecutive layers, and the accuracy, over the epochs of runs.

    python3 scripts/plot_runs.py --out FILE.svg LABEL=RUN_DIR[,RUN_DIR...]...

Every label has a colour, with a thin line for each run and a thick line for their mean over the epochs that all runs of
the label have. At most four labels. Needs matplotlib.
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

COLOURS = ["#3b6ea5", "#c2571a", "#3f8f5b", "#7a4fa3"]


def read(run: str, name: str) -> dict[int, float]:
    """Returns the validation values of a metric by epoch, averaged over layers if it is logged by layer."""
    sums: dict[int, list[float]] = {}
    for line in pathlib.Path(run, "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["split"] == "validation" and record["name"].split("/layer")[0] == name:
            # Epochs are counted from 0 in files, and from 1 here.
            sums.setdefault(record["epoch"] + 1, []).append(record["value"])
    return {epoch: sum(values) / len(values) for epoch, values in sums.items()}


def mean(curves: list[dict[int, float]]) -> dict[int, float]:
    """Returns the mean of curves at the epochs that all of them have: runs may differ in length."""
    shared = [epoch for epoch in curves[0] if all(epoch in curve for curve in curves)]
    return {epoch: sum(curve[epoch] for curve in curves) / len(curves) for epoch in shared}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("runs", nargs="+", metavar="LABEL=RUN[,RUN...]")
    arguments = parser.parse_args()
    if len(arguments.runs) > len(COLOURS):
        parser.error(f"{len(arguments.runs)} labels, expected at most {len(COLOURS)}, one for each colour")
    for group in arguments.runs:
        if "=" not in group:
            parser.error(f"{group}: no label, expected LABEL=RUN[,RUN...]")
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
            for curve in curves:
                axis.plot(list(curve), list(curve.values()), color=colour, alpha=0.3, linewidth=0.8)
            of_all = mean(curves)
            axis.plot(list(of_all), list(of_all.values()), color=colour, linewidth=2, label=label)
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
