"""Makes pictures of characters by their number of holes: OUTPUT FONTS_DEJAVU_CORE FONTS_NOTO_CORE.

OUTPUT/{train,val,test}/<holes>/<code point>_<font>.png, white on black, and OUTPUT/metadata.csv with the Betti
numbers of each. Every font has the same characters. The splits have different fonts: DejaVu for training, Noto Sans
for validation, Noto Serif for the test.
"""

import csv
import sys
import unicodedata
from pathlib import Path

import numpy as np
from betti_numbers import betti_numbers
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

SIDE = 64
# Size of the em square in pixels; accents and descenders then fit into the picture.
EM = 44
# A glyph whose Betti numbers depend on the brightness from which a pixel counts is left out.
THRESHOLDS = (0.3, 0.5, 0.7)
CLASSES = ("0_holes", "1_hole", "2_holes")
FONTS = {
    "train": (
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSansMono",
        "DejaVuSansMono-Bold",
        "DejaVuSerif",
        "DejaVuSerif-Bold",
    ),
    "val": ("NotoSans-Regular", "NotoSans-Bold", "NotoSans-Italic", "NotoSans-BoldItalic"),
    "test": ("NotoSerif-Regular", "NotoSerif-Bold", "NotoSerif-Italic", "NotoSerif-BoldItalic"),
}


def main(output: Path, *sources: Path) -> None:
    files = {file.stem: file for source in sources for file in source.rglob("*.ttf")}
    fonts = [(split, name) for split, names in FONTS.items() for name in names]
    characters = sorted(set.intersection(*(letters_and_digits(files[name]) for _, name in fonts)))
    rows, left_out = [], {"depend on the threshold": 0, "do not fit": 0, "have more than 2 holes": 0}
    for split, name in fonts:
        font = ImageFont.truetype(files[name], EM)
        for character in characters:
            glyph = drawn(character, font)
            if glyph is None:
                left_out["do not fit"] += 1
                continue
            brightness = np.asarray(glyph) / 255
            betti = {betti_numbers(brightness >= threshold) for threshold in THRESHOLDS}
            if len(betti) > 1:
                left_out["depend on the threshold"] += 1
                continue
            ((b0, b1),) = betti
            if b1 >= len(CLASSES):
                left_out["have more than 2 holes"] += 1
                continue
            file = Path(split, CLASSES[b1], f"{ord(character):04x}_{name}.png")
            (output / file).parent.mkdir(parents=True, exist_ok=True)
            glyph.save(output / file)
            rows.append((file.as_posix(), split, character, f"U+{ord(character):04X}", name, b0, b1))
    with open(output / "metadata.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file", "split", "character", "code_point", "font", "b0", "b1"))
        writer.writerows(rows)
    by_class = ", ".join(f"{name} {sum(row[6] == b1 for row in rows)}" for b1, name in enumerate(CLASSES))
    by_split = ", ".join(f"{split} {sum(row[1] == split for row in rows)}" for split in FONTS)
    without = ", ".join(f"{n} {why}" for why, n in left_out.items())
    print(
        f"{len(rows)} glyphs of {len(characters)} characters in {len(fonts)} fonts ({by_split}; {by_class}); left out: {without}"
    )


def letters_and_digits(file: Path) -> set[str]:
    """The letters and digits that a font has."""
    characters = map(chr, TTFont(file, lazy=True).getBestCmap())
    return {c for c in characters if unicodedata.category(c) in ("Lu", "Ll", "Lt", "Lo", "Nd")}


def drawn(character: str, font: ImageFont.FreeTypeFont) -> Image.Image | None:
    """The character in the middle of a picture; `None` if it is empty, or reaches within a pixel of the border."""
    left, top, right, bottom = font.getbbox(character)
    width, height = right - left, bottom - top
    if width == 0 or height == 0 or max(width, height) > SIDE - 2:
        return None
    image = Image.new("L", (SIDE, SIDE))
    corner = ((SIDE - width) // 2 - left, (SIDE - height) // 2 - top)
    ImageDraw.Draw(image).text(corner, character, fill=255, font=font)
    return image


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
