"""Outputs on disks that are full: the message is short, older files stay whole, and what is left can be completed."""

import json
import shutil
import subprocess
import time
from pathlib import Path

from common import Place, Report, Task, difference, fingerprint, finish, left_over, problem_of_message

PAGE = 4096

# Tests with the tasks that they need: each is a task that fills the disk.
TASKS = [
    "train images",
    "train clips",
    "ablate",
    "analyze",
    "coherence",
    "robustness",
    "persistence",
    "anomaly fit",
    "weights",
]
TESTS = {name: [name] for name in TASKS}
QUICK = {name: [name] for name in ["train clips", "persistence", "weights"]}

# Enough for every task.
LARGE = 256 << 20


def mount(directory: Path, options: list[str]) -> bool:
    command = ["mount", "-t", "tmpfs", *options, "none", str(directory)]
    return subprocess.run(command, capture_output=True).returncode == 0


def set_size(directory: Path, size: int):
    subprocess.run(["mount", "-o", f"remount,size={size}", str(directory)], check=True, capture_output=True)


def used(directory: Path) -> int:
    return shutil.disk_usage(directory).used


def needed(place: Place, task: Task) -> int:
    """Largest size that the files of a task take on a disk, in bytes."""
    directory = place.directory()
    mount(directory, ["-o", f"size={LARGE}"])
    (directory / "tmp").mkdir()
    if task.older:
        place.must_run(task.older, directory)
    before = used(directory)
    process = place.start(task.start, directory)
    most = 0
    while process.poll() is None:
        most = max(most, used(directory))
        time.sleep(0.002)
    finish(process, 10)
    most = max(most, used(directory))
    subprocess.run(["umount", "-l", str(directory)], check=True)
    return max(most - before, PAGE)


def disk_case(place: Place, task: Task, space: int) -> tuple[str | None, Path]:
    """Runs a task with this much space left, then with enough."""
    directory = place.directory()
    mount(directory, ["-o", f"size={LARGE}"])
    (directory / "tmp").mkdir()
    problem = disk_problem(place, task, space, directory)
    if problem:
        # What is on the disk vanishes with it.
        kept = directory.with_name(f"{directory.name}_disk")
        shutil.copytree(directory, kept, symlinks=True)
    subprocess.run(["umount", "-l", str(directory)], check=True)
    if not problem:
        return None, directory
    shutil.rmtree(directory)
    return f"{task.name} with {space} bytes left: {problem}", kept


def best_only(files: dict) -> dict:
    """The files without checkpoints other than the best one of their run: those may have found no room."""
    kept = {}
    for name, value in files.items():
        run, separator, rest = name.rpartition("checkpoints/")
        summary = files.get(f"{run}summary.json")
        if separator and summary not in (None, "damaged"):
            best = json.loads(summary)["best_step"]
            if rest.split("/")[0] != str(best):
                continue
        kept[name] = value
    return kept


def disk_problem(place: Place, task: Task, space: int, directory: Path) -> str | None:
    if task.older:
        place.must_run(task.older, directory)
    # A page more or less: tmpfs counts pages, and one for each directory.
    set_size(directory, max(used(directory), PAGE) + space)
    process = place.start(task.start, directory)
    try:
        # A training may wait for space instead of ending.
        process.wait(timeout=2 * task.seconds + 5)
    except subprocess.TimeoutExpired:
        set_size(directory, LARGE)
    code, errors = finish(process, 300)
    is_training = task.name.startswith("train") or task.name == "ablate"
    problem = problem_of_message(code, errors, {0, 1, 2} if task.name == "ablate" else {0, 2})
    if problem:
        return problem
    if code == 2 and not is_training and len(errors.strip().splitlines()) > 3:
        return f"a message of more than three lines: {errors.strip()}"
    if code != 0 and not is_training:
        actual = fingerprint(directory / task.output, task.ignored)
        changed = difference(task.replaced, actual)
        if changed:
            return f"the older output has changed: {changed}"
        remains = left_over(directory, task)
        if remains:
            return f"left behind: {', '.join(remains)}"
    set_size(directory, LARGE)
    code, errors = place.run(task.arguments_again(directory), directory)
    problem = problem_of_message(code, errors, {0})
    if problem:
        return f"with enough space again: {problem}"
    changed = difference(best_only(task.expected), best_only(fingerprint(directory / task.output, task.ignored)))
    if changed:
        return f"with enough space again: {changed}"
    remains = left_over(directory, task)
    return f"left behind: {', '.join(remains)}" if remains else None


def run(place: Place, measured: dict[str, Task], report: Report, is_over, names: list[str]):
    """Fills the disk at growing sizes of all tasks until the time is over, at most once for every page."""
    probe = place.directory()
    if not mount(probe, ["-o", "size=64k"]):
        print("a tmpfs cannot be mounted here: full disks are not tested", flush=True)
        return
    subprocess.run(["umount", "-l", str(probe)], check=True)
    sizes: dict[str, list[int]] = {}
    for name in names:
        pages = needed(place, measured[name]) // PAGE
        # In an order in which the first ones lie far apart, so that a short test sees the whole range.
        order = sorted(range(pages), key=lambda page: int(f"{page:032b}"[::-1], 2))
        # Without any space, little happens; that comes last.
        sizes[name] = [page * PAGE for page in order[1:] + order[:1]]
        # The last one popped comes first.
        sizes[name].reverse()
    while any(sizes.values()):
        for name, left in sizes.items():
            if not left:
                continue
            if is_over(f"full disk during {name}"):
                return
            problem, directory = disk_case(place, measured[name], left.pop())
            report.case(f"full disk during {name}", problem, directory)
