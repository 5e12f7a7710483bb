"""Makes captioned clips of animated emoji: OUTPUT FLUENT_EMOJI_ANIM... UNICODE_EMOJI_JSON.

OUTPUT/{train,val,test}/<class>/<code points>/<frame>.png, 16 frames of 32 by 32 pixels on white, and
OUTPUT/metadata.jsonl with the caption of each clip. The class is the group of the emoji in Unicode; four groups with few
clips are one class. Clips with skin tones lie in OUTPUT/skin_tones instead: they are two thirds of all, nearly equal to
one another and all of one class. Clips that differ only in gender or skin tone have the same role and the same split.
"""

import hashlib
import json
import os
import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

SIDE = 32
N_FRAMES = 16
TONES = {
    0x1F3FB: "light skin tone",
    0x1F3FC: "medium-light skin tone",
    0x1F3FD: "medium skin tone",
    0x1F3FE: "medium-dark skin tone",
    0x1F3FF: "dark skin tone",
}
VARIATION_SELECTOR = 0xFE0F
# Groups with a class of their own.
CLASSES = {
    "Animals & Nature": "animals",
    "People & Body": "people",
    "Smileys & Emotion": "smileys",
    "Travel & Places": "travel",
}


def main(output: Path, *sources: Path) -> None:
    *packages, names = sources
    described = descriptions(names)
    files = sorted(file for package in packages for file in package.rglob("assets/*.webp"))
    rows, unnamed = [], 0
    with ProcessPoolExecutor() as pool:
        captions = [caption(file, described) for file in files]
        frames = pool.map(partial(save_clip, output), files, captions, chunksize=16)
        for row, n_source_frames in zip(captions, frames):
            unnamed += row is None
            if row is not None and n_source_frames > 1:
                rows.append({**row, "n_source_frames": n_source_frames})
    with open(output / "metadata.jsonl", "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    n_still = len(files) - len(rows) - unnamed
    counts = Counter("/".join(row["file"].split("/")[:2]) for row in rows)
    counts = ", ".join(f"{folder} {n}" for folder, n in sorted(counts.items()))
    print(f"{len(rows)} clips ({counts}); left out: {n_still} still pictures, {unnamed} without a name")


def descriptions(source: Path) -> dict[tuple[int, ...], dict]:
    """Name and group of every emoji without skin tones, by its code points."""
    emoji = json.loads((source / "package" / "data-by-emoji.json").read_text())
    return {plain(map(ord, characters)): entry for characters, entry in emoji.items()}


def plain(code_points) -> tuple[int, ...]:
    """Code points without skin tones and variation selectors."""
    return tuple(point for point in code_points if point not in TONES and point != VARIATION_SELECTOR)


def caption(file: Path, described: dict[tuple[int, ...], dict]) -> dict | None:
    """What is known about a clip from the code points in its file name; `None` for unknown ones."""
    points = [int(point, 16) for point in re.split("[-_]", file.stem)]
    entry = described.get(plain(points))
    if entry is None:
        return None
    tones = [TONES[point] for point in points if point in TONES]
    gender, role = gender_and_role(entry["name"])
    split = split_of(role)
    folder = f"{'skin_tones' if tones else split}/{CLASSES.get(entry['group'], 'other')}"
    return {
        "file": f"{folder}/{'-'.join(f'{point:x}' for point in points)}",
        "split": split,
        "caption": " ".join([entry["name"], *tones]),
        "group": entry["group"],
        "role": role,
        "gender": gender,
        "tones": tones,
    }


def gender_and_role(name: str) -> tuple[str | None, str]:
    """Parts of a name: ("woman", "singer") of "woman singer", and (None, "bowing") of "person bowing"."""
    first, _, rest = name.partition(" ")
    if first not in ("man", "woman", "person") or not rest or rest.startswith("and "):
        return None, name
    return (None if first == "person" else first), rest


def split_of(role: str) -> str:
    """Four fifths of the roles are for training, a tenth each for validation and test, always the same ones."""
    tenth = hashlib.sha256(role.encode()).digest()[0] * 10 // 256
    return {8: "val", 9: "test"}.get(tenth, "train")


def save_clip(output: Path, file: Path, row: dict | None) -> int:
    """Writes 16 evenly spaced frames of an animation, and returns the number of frames that it has."""
    if row is None:
        return 0
    with Image.open(file) as image:
        n = getattr(image, "n_frames", 1)
        if n == 1:
            return 1
        # A short animation has frames that are taken twice.
        chosen = [round(k * (n - 1) / (N_FRAMES - 1)) for k in range(N_FRAMES)]
        folder = output / row["file"]
        folder.mkdir(parents=True)
        # Frames build on one another, so all are decoded in turn.
        for index in range(n):
            image.seek(index)
            if index in chosen:
                small = image.convert("RGBA").resize((SIDE, SIDE), Image.Resampling.BOX)
                white = Image.new("RGBA", small.size, "white")
                frame = Image.alpha_composite(white, small).convert("RGB")
                for k in range(N_FRAMES):
                    if chosen[k] == index:
                        frame.save(folder / f"{k:02}.png")
        return n


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
