"""Takes the four files of Fashion-MNIST out of Debian's package: OUTPUT DATASET_FASHION_MNIST.

The first pictures of each class also become a folder of images, `few`, for fine-tuning on little data.
"""

import gzip
import hashlib
import shutil
import struct
import sys
import zlib
from pathlib import Path

# SHA-256 of the decompressed files, which every version of the package has to contain.
FILES = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
SIDE = 28
# Split, file, number of pictures of each class to leave out and to take.
FEW = [("train", "train", 0, 20), ("val", "train", 20, 20), ("test", "t10k", 0, 50)]


def png(pixels: bytes) -> bytes:
    """A grey picture of SIDE by SIDE pixels as a PNG file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    # Every row begins with the number of its filter, 0 for none.
    rows = b"".join(b"\0" + pixels[row * SIDE : (row + 1) * SIDE] for row in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def write_few(output: Path) -> None:
    """Writes the first pictures of each class as OUTPUT/few/SPLIT/CLASS/NUMBER.png."""
    for split, file, left_out, taken in FEW:
        with gzip.open(output / f"{file}-images-idx3-ubyte.gz") as stream:
            images = stream.read()[16:]
        with gzip.open(output / f"{file}-labels-idx1-ubyte.gz") as stream:
            labels = stream.read()[8:]
        for label, name in enumerate(CLASSES):
            folder = output / "few" / split / f"{label}_{name}"
            folder.mkdir(parents=True)
            of_class = [index for index, other in enumerate(labels) if other == label]
            for number, index in enumerate(of_class[left_out : left_out + taken]):
                pixels = images[index * SIDE * SIDE : (index + 1) * SIDE * SIDE]
                (folder / f"{number:02}.png").write_bytes(png(pixels))


def main(output: Path, source: Path) -> None:
    for name, expected in FILES.items():
        found = sorted(source.rglob(name))
        if not found:
            sys.exit(f"{source}: there is no {name}, expected it in the package")
        with gzip.open(found[0]) as stream:
            actual = hashlib.sha256(stream.read()).hexdigest()
        if actual != expected:
            sys.exit(f"{name}: the SHA-256 of its content is {actual}, expected {expected}")
        shutil.copyfile(found[0], output / name)
    write_few(output)
    print("60,000 training and 10,000 test pictures with labels, in four IDX files")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
