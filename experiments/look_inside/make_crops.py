"""Cuts crops out of the two photographs and writes them as a folder of images with two classes.

    python3 experiments/look_inside/make_crops.py data/photographs

The seed is fixed, so that the crops are the same every time. Needs Pillow.
"""

import pathlib
import random
import sys

from PIL import Image

SIDE = 112
N_CROPS = {"train": 320, "val": 60, "test": 60}


def main() -> None:
    root = pathlib.Path(sys.argv[1])
    stream = random.Random(0)
    for name in ["china", "flower"]:
        photograph = Image.open(pathlib.Path(__file__).parent / f"{name}.jpg").convert("RGB")
        for split, n_crops in N_CROPS.items():
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for k in range(n_crops):
                side = stream.randint(140, photograph.height)
                left = stream.randint(0, photograph.width - side)
                top = stream.randint(0, photograph.height - side)
                crop = photograph.crop((left, top, left + side, top + side))
                crop.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / f"{k:03}.png")


if __name__ == "__main__":
    main()
