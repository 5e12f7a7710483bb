"""Writes tests/data_files/masks.json, the reference results for the tests of the metrics of masks.

Skeletons come from OpenCV's thinning after Zhang and Suen, Hausdorff distances from SciPy, numbers of components and
holes from SciPy's labels. Run it with numpy, scipy and opencv-contrib-python-headless installed:

    python scripts/mask_goldens.py
"""

import json
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter, label
from scipy.spatial.distance import directed_hausdorff

TARGET = Path(__file__).parent.parent / "tests/data_files/masks.json"
EIGHT = np.ones((3, 3), dtype=int)


def skeleton(mask):
    """Thinned mask. OpenCV leaves the border of an image alone, so a border of background is added."""
    padded = np.pad(mask, 2).astype(np.uint8) * 255
    return cv2.ximgproc.thinning(padded, thinningType=cv2.ximgproc.THINNING_ZHANGSUEN)[2:-2, 2:-2] > 0


def centerline_dice(predicted, truth):
    lines = skeleton(predicted), skeleton(truth)
    precision = (lines[0] & truth).sum() / lines[0].sum()
    sensitivity = (lines[1] & predicted).sum() / lines[1].sum()
    return 2 * precision * sensitivity / (precision + sensitivity)


def hausdorff(a, b):
    points = np.argwhere(a), np.argwhere(b)
    return max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])


def betti(mask):
    padded = np.pad(mask, 1)
    return [label(padded, EIGHT)[1], label(~padded)[1] - 1]


def text(mask):
    return ["".join(".#"[pixel] for pixel in row) for row in mask.astype(int)]


rng = np.random.default_rng(0)
cases = []
for k in range(24):
    shape = (int(rng.integers(6, 24)), int(rng.integers(6, 24)))
    noise = rng.normal(size=shape)
    width = [0.0, 0.8, 1.5][k % 3]
    smooth = gaussian_filter(noise, width) if width else noise
    truth = smooth > 0.1 * smooth.std()
    other = gaussian_filter(noise + 0.5 * rng.normal(size=shape), max(width, 0.6))
    predicted = other > 0.2 * other.std()
    cases.append(
        {
            "truth": text(truth),
            "predicted": text(predicted),
            "skeleton": text(skeleton(truth)),
            "dice": float(2 * (truth & predicted).sum() / (truth.sum() + predicted.sum())),
            "centerline_dice": float(centerline_dice(predicted, truth)),
            "hausdorff": float(hausdorff(truth, predicted)),
            "betti": betti(truth),
            "betti_of_predicted": betti(predicted),
        }
    )
TARGET.write_text(json.dumps(cases, indent=1) + "\n")
