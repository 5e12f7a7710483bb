"""Makes clips of Chinese characters as they are written: OUTPUT HANZI_WRITER_DATA.

OUTPUT/{train,val,test}/<holes>/<code point>.gif, white on black, 16 frames, and OUTPUT/metadata.jsonl with the Betti
numbers of every frame. From frame to frame the pen moves on by a sixteenth of the length of all strokes. The class is
the number of holes of the whole character.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
from betti_numbers import betti_numbers
from PIL import Image, ImageDraw

SIDE = 64
N_FRAMES = 16
MILLISECONDS = 100
# The package draws characters in a square of 1024 units whose upper edge is at height 900.
UNITS = 1024
TOP = 900
# Width of the pen, in units: wide enough to reach the outline of every stroke.
PEN = 200
CLASSES = ("0_holes", "1_hole", "2_holes", "3_holes", "4_or_more_holes")
# Number of points on each curve of an outline.
N_POINTS = 8


def main(output: Path, source: Path) -> None:
    files = sorted(file for file in (source / "package").glob("*.json") if len(file.stem) == 1)
    rows, n_still = [], 0
    for file in files:
        frames = written(json.loads(file.read_text()))
        # A GIF joins equal consecutive frames, and the clip would have fewer than 16.
        if any(np.array_equal(now, following) for now, following in zip(frames, frames[1:])):
            n_still += 1
            continue
        betti = [betti_numbers(frame) for frame in frames]
        name = CLASSES[min(betti[-1][1], len(CLASSES) - 1)]
        path = Path(split_of(file.stem), name, f"{ord(file.stem):05x}.gif")
        save(frames, output / path)
        rows.append({"file": path.as_posix(), "character": file.stem, "betti": betti})
    with open(output / "metadata.jsonl", "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    changes = sum(now != following for row in rows for now, following in zip(row["betti"], row["betti"][1:]))
    counts = ", ".join(f"{name} {sum(f'/{name}/' in row['file'] for row in rows)}" for name in CLASSES)
    print(
        f"{len(rows)} clips ({counts}), whose Betti numbers change {changes / len(rows):.1f} times each; left out: "
        f"{n_still} with two equal frames"
    )


def split_of(character: str) -> str:
    """Four fifths of the characters are for training, a tenth each for validation and test, always the same ones."""
    tenth = hashlib.sha256(character.encode()).digest()[0] * 10 // 256
    return {8: "val", 9: "test"}.get(tenth, "train")


def written(character: dict) -> list[np.ndarray]:
    """The frames of a character: masks of what is written of it after 1/16, 2/16, ... of the length of its strokes."""
    strokes = [
        mask(lambda draw, path=path: draw.polygon(outline(path), fill=1)) for path in character["strokes"]
    ]
    medians = [[pixel(point) for point in median] for median in character["medians"]]
    lengths = [sum(np.hypot(*np.subtract(b, a)) for a, b in zip(median, median[1:])) for median in medians]
    frames = []
    for frame in range(1, N_FRAMES + 1):
        rest = sum(lengths) * frame / N_FRAMES
        drawn = np.zeros((SIDE, SIDE), bool)
        for stroke, median, length in zip(strokes, medians, lengths):
            if rest <= 0:
                break
            # The last frame is complete whatever the rounding of the lengths.
            is_complete = rest >= length or frame == N_FRAMES
            drawn |= stroke if is_complete else stroke & pen(median, rest)
            rest -= length
        frames.append(drawn)
    return frames


def mask(draw) -> np.ndarray:
    """What `draw` draws on an empty picture, as a mask."""
    image = Image.new("1", (SIDE, SIDE))
    draw(ImageDraw.Draw(image))
    return np.asarray(image)


def pen(median: list[tuple[float, float]], length: float) -> np.ndarray:
    """What a wide round pen covers that follows the middle line of a stroke over this length."""
    radius = PEN / 2 * SIDE / UNITS
    path = [median[0]]
    for a, b in zip(median, median[1:]):
        step = np.hypot(b[0] - a[0], b[1] - a[1])
        share = min(1.0, length / step) if step > 0 else 1.0
        path.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
        length -= step
        if length <= 0:
            break

    def draw(image: ImageDraw.ImageDraw) -> None:
        image.line(path, fill=1, width=round(2 * radius))
        for x, y in path[:-1]:
            image.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)

    return mask(draw)


def outline(path: str) -> list[tuple[float, float]]:
    """The polygon of an outline, given as an SVG path of the commands M, L, Q, C and Z in absolute coordinates."""
    polygon = []
    for command, numbers in re.findall(r"([MLQCZ])([^MLQCZ]*)", path):
        values = [float(number) for number in re.findall(r"-?\d+\.?\d*", numbers)]
        points = [pixel(point) for point in zip(values[::2], values[1::2])]
        if command in "ML":
            polygon += points
        elif command in "QC":
            degree = {"Q": 2, "C": 3}[command]
            for first in range(0, len(points), degree):
                polygon += curve([polygon[-1], *points[first : first + degree]])
    return polygon


def curve(controls: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points on a Bézier curve after its first one, by de Casteljau's algorithm."""
    points = []
    for t in np.linspace(0, 1, N_POINTS + 1)[1:]:
        level = np.array(controls)
        while len(level) > 1:
            level = (1 - t) * level[:-1] + t * level[1:]
        points.append(tuple(level[0]))
    return points


def pixel(point: tuple[float, float]) -> tuple[float, float]:
    """Converts units of the package, which count upwards, to pixels."""
    return (point[0] * SIDE / UNITS, (TOP - point[1]) * SIDE / UNITS)


def save(frames: list[np.ndarray], file: Path) -> None:
    """Writes frames as a GIF of two colours, without loss."""
    images = [Image.fromarray(np.where(frame, 255, 0).astype(np.uint8)) for frame in frames]
    file.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(file, save_all=True, append_images=images[1:], duration=MILLISECONDS, loop=0)
    with Image.open(file) as saved:
        if saved.n_frames != N_FRAMES:
            sys.exit(f"{file}: {saved.n_frames} frames were written, expected {N_FRAMES}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
