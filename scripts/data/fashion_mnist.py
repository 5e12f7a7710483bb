"""Takes the four files of Fashion-MNIST out of Debian's package: OUTPUT DATASET_FASHION_MNIST."""

import gzip
import hashlib
import shutil
import sys
from pathlib import Path

# SHA-256 of the decompressed files, which every version of the package has to contain.
FILES = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


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
    print("60,000 training and 10,000 test pictures with labels, in four IDX files")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
