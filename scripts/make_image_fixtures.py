"""Writes the image files in tests/data_files/images, which no encoder in Rust can write.

    python3 scripts/make_image_fixtures.py tests/data_files/images

Needs Pillow 11 or later with WebP. Each file shows the picture of `upright.png`; `animation.png` has the frames of
`animation.webp` one under the other, over white, as Pillow decodes them.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 24, 16


def picture():
    """Smooth colours, which lossy formats keep, different in every corner; few enough for a palette."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    places = [(x // 2, y // 2) for y in range(HEIGHT) for x in range(WIDTH)]
    image.putdata([(20 + 18 * x, 230 - 24 * y, 60 + 5 * (x + y)) for x, y in places])
    return image


def frames():
    """A disc, half transparent at its edge, that moves over nothing; it is lossy, and most frames are small."""
    for step in range(6):
        large = Image.new("RGBA", (128, 128))
        left = 8 + 14 * step
        ImageDraw.Draw(large).ellipse((left, 30, left + 40, 90), fill=(200, 40 + 30 * step, 60, 255))
        yield large.resize((32, 32), Image.Resampling.BOX)


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    image = picture()
    image.save(out / "upright.png", optimize=True)
    image.save(out / "progressive.jpg", quality=95, progressive=True, subsampling=0)
    image.save(out / "subsampled.jpg", quality=95, subsampling=2)
    image.convert("CMYK").save(out / "cmyk.jpg", quality=95)
    image.save(out / "lossy.webp", quality=95, method=6)
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(out / "palette.png", optimize=True)
    image.save(out / "lzw.tif", compression="tiff_lzw")
    list_of_frames = list(frames())
    list_of_frames[0].save(
        out / "animation.webp", save_all=True, append_images=list_of_frames[1:], duration=40, quality=80, method=6,
        minimize_size=True,
    )
    strip = Image.new("RGB", (32, 32 * 6), "white")
    with Image.open(out / "animation.webp") as animation:
        for step in range(animation.n_frames):
            animation.seek(step)
            frame = animation.convert("RGBA")
            strip.paste(frame, (0, 32 * step), frame)
    strip.save(out / "animation.png", optimize=True)


if __name__ == "__main__":
    main()
