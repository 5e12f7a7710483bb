"""What the tests by kills, races and full disks share: small tasks of the program, and the comparison of their outputs."""

import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

REPOSITORY = Path(__file__).resolve().parents[2]

# Names of files that are being written, replaced or removed.
UNFINISHED = (".partial", ".replaced", ".unusable", ".tmp", ".old", ".new")

# Files that differ from run to run: times, command lines, and the optimiser's tensors, whose order is not fixed.
VARIABLE = {"manifest.json", "log.txt", "lock", "optimizer.bpk", "SHA256SUMS"}

# Fields of JSON files that are times.
TIMES = {"seconds", "seconds_in_steps", "seconds_in_topology", "topology_share"}

TINY = [
    "training.epochs=2",
    "training.batch_size=20",
    "training.samples_per_class=8",
    "model.d_model=8",
    "model.n_layers=2",
    "model.patch_size=4",
    "logging.log_every_steps=1",
    "checkpoint.every_steps=2",
]
TINY_IMAGES = [
    *TINY,
    "topology.h0_layers.schedule.start_epoch=0",
    "topology.h1_layers.schedule.start_epoch=1",
]
# Folders of three frames, small enough for a build without optimisation.
CLIPS = """[run]
name = "clips"
seed = 0
[data]
kind = "clip_folder"
path = "{path}"
n_frames = 3
image_size = 8
n_classes = 2
[model]
kind = "timesformer"
head = "clip"
d_model = 8
n_layers = 1
n_heads = 2
patch_size = 4
mlp_ratio = 2
dropout = 0.1
[training]
epochs = 3
batch_size = 4
mixup_alpha = 0.2
gradient_accumulation = 2
optimizer = {{ kind = "adamw", lr = 2e-3, weight_decay = 0.05 }}
schedule = {{ kind = "cosine", warmup_steps = 2 }}
[logging]
log_every_steps = 1
[checkpoint]
every_steps = 2
[[topology]]
between = "frames"
homology_dim = 0
normalize = "spanning_tree"
penalty = {{ kind = "wasserstein", order = 2.0, ground_norm = "infinity", power = "p" }}
weight = {{ kind = "gradient_share", share = 0.1 }}
schedule = {{ start_epoch = 1, warmup_steps = 2 }}
"""

STUDY = """question = "Does the weight matter?"
base = "{base}"
seeds = [0, 1]
baseline = "plain"
primary = ["test_accuracy"]
secondary = ["test_loss"]
margin = 0.1
[[arm]]
name = "plain"
set = [{shared}, "topology=[]"]
[[arm]]
name = "topology"
set = [{shared}, "topology.h0_layers.schedule.start_epoch=0"]
"""


@dataclass
class Task:
    """Command of the program that writes files into the working directory."""

    name: str
    # Arguments of the first start.
    start: list[str]
    # Path of the output in the working directory.
    output: str
    # Arguments of another start in this directory, after an interruption.
    again: Callable[[Path], list[str]] | None = None
    # Makes an older output that is to be replaced.
    older: list[str] | None = None
    # Relative paths that are written anew by every process, and are not compared.
    ignored: tuple[str, ...] = ()
    # Set by `measure`: the time it takes, and the output of an undisturbed process.
    seconds: float = 0.0
    expected: dict = field(default_factory=dict)
    # The output of `older`.
    replaced: dict = field(default_factory=dict)

    def arguments_again(self, directory: Path) -> list[str]:
        return self.again(directory) if self.again else self.start


class Place:
    """Program under test, and the directory below which everything is written."""

    def __init__(self, program: str, work: Path, seed: int):
        self.program = str(Path(program).resolve())
        self.work = work
        self.random = random.Random(seed)
        self.n_directories = 0
        work.mkdir(parents=True, exist_ok=True)

    def directory(self) -> Path:
        """New working directory of a case."""
        self.n_directories += 1
        directory = self.work / f"case{self.n_directories}"
        (directory / "tmp").mkdir(parents=True)
        return directory

    def start(self, arguments: list[str], directory: Path, prefix=(), program=None) -> subprocess.Popen:
        environment = {**os.environ, "TMPDIR": str(directory / "tmp")}
        return subprocess.Popen(
            [*prefix, program or self.program, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def run(self, arguments: list[str], directory: Path, timeout=300, prefix=(), program=None) -> tuple[int, str]:
        """Exit code and messages of a process."""
        process = self.start(arguments, directory, prefix, program)
        return finish(process, timeout)

    def must_run(self, arguments: list[str], directory: Path):
        code, errors = self.run(arguments, directory)
        if code != 0:
            raise SystemExit(f"`{' '.join(arguments)}` ends with exit code {code}:\n{errors}")

    def measure(self, task: Task) -> Task:
        """Runs a task twice without disturbance. Files that differ then are compared by their names only."""
        outputs = []
        for _ in range(2):
            directory = self.directory()
            if task.older:
                self.must_run(task.older, directory)
                replaced = fingerprint(directory / task.output, task.ignored)
            started = time.monotonic()
            self.must_run(task.start, directory)
            task.seconds = time.monotonic() - started
            outputs.append(fingerprint(directory / task.output, task.ignored))
            problems = left_over(directory, task)
            if problems:
                raise SystemExit(f"{task.name} leaves {problems} behind without any disturbance")
            shutil.rmtree(directory)
        first, second = outputs
        if first.keys() != second.keys():
            raise SystemExit(f"{task.name} writes other files each time: {first.keys() ^ second.keys()}")
        varying = {name for name in first if first[name] != second[name]}
        task.expected = {name: None if name in varying else value for name, value in first.items()}
        if task.older:
            task.replaced = {name: None if name in varying else value for name, value in replaced.items()}
        return task


def finish(process: subprocess.Popen, timeout: float) -> tuple[int, str]:
    """Exit code and messages of a process; code 'timeout' if it had to be killed."""
    try:
        errors = process.communicate(timeout=timeout)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return "timeout", process.communicate()[1]
    return process.returncode, errors


def without_times(value):
    """JSON without the fields that are times."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def content(path: Path):
    """What must not differ between two files."""
    data = path.read_bytes()
    if path.name in ("summary.json", "state.json"):
        try:
            return json.dumps(without_times(json.loads(data)), sort_keys=True)
        except ValueError:
            return "damaged"
    return hashlib.sha256(data).hexdigest()


def fingerprint(output: Path, ignored: tuple[str, ...] = ()) -> dict:
    """Content of each file by its relative path; None for files of which only the name matters."""
    if output.is_file():
        return {".": content(output)}
    files: dict = {}
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        if path.is_dir() or any(part in name for part in ignored):
            continue
        if ".tfevents." in path.name:
            # Named after the time and the process; its records have the time too.
            directory = str(path.parent.relative_to(output))
            files[f"{directory}/events"] = files.get(f"{directory}/events", 0) + path.stat().st_size
        elif path.name.endswith(UNFINISHED):
            continue
        else:
            files[name] = None if path.name in VARIABLE else content(path)
    return files


def difference(expected: dict, actual: dict) -> str | None:
    """The differences between two outputs, in words; None if there is none."""
    found = []
    for name in sorted(expected.keys() | actual.keys()):
        if name not in actual:
            found.append(f"{name} is missing")
        elif name not in expected:
            found.append(f"{name} is there and should not be")
        elif expected[name] is not None and expected[name] != actual[name]:
            found.append(f"{name} differs")
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return ", ".join(found[:5]) + more if found else None


def left_over(directory: Path, task: Task) -> list[str]:
    """Paths that nobody needs any more."""
    output = directory / task.output
    known = {"tmp", task.output, "program"}
    unknown = [path.name for path in directory.iterdir() if path.name not in known]
    unfinished = [
        str(path.relative_to(directory)) for path in output.rglob("*") if path.name.endswith(UNFINISHED)
    ]
    temporary = [f"tmp/{path.name}" for path in (directory / "tmp").iterdir()]
    return unknown + unfinished + temporary


def write_matrix(path: Path, n: int, scale: float):
    """Distances between `n` points, as numpy.save writes them."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({n}, {n}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    values = [scale * abs(i - j) ** 0.5 for i in range(n) for j in range(n)]
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    path.write_bytes(data + struct.pack(f"<{n * n}d", *values))


def write_png(path: Path, pixels: list[bytes]):
    """Grey picture, of one byte for each pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row for row in pixels))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def write_clips(directory: Path):
    """Data set of clips: bright squares that move to the right in one class, and downwards in the other."""
    for split, n_clips in [("train", 8), ("val", 3), ("test", 3)]:
        for name, step in [("right", (0, 1)), ("down", (1, 0))]:
            for clip in range(n_clips):
                folder = directory / split / name / str(clip)
                folder.mkdir(parents=True)
                for frame in range(3):
                    top, left = (clip % 3 + frame * way for way in step)
                    inside = lambda i, j: top <= i < top + 3 and left <= j < left + 3
                    rows = [bytes(220 if inside(i, j) else 9 * clip for j in range(8)) for i in range(8)]
                    write_png(folder / f"{frame}.png", rows)


def overrides(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def resume(start: list[str]) -> Callable[[Path], list[str]]:
    """`train --resume` once the run directory is there, the first command before that."""
    return lambda directory: ["train", "--resume", "out"] if (directory / "out").exists() else start


def tasks(place: Place) -> dict[str, Task]:
    """All tasks, by name. Trains the runs that reports are made of."""
    inputs = place.work / "inputs"
    (inputs / "tmp").mkdir(parents=True)
    configs = REPOSITORY / "configs"
    images = ["train", str(configs / "digits_vit.toml"), "--output", "out", *overrides(TINY_IMAGES)]
    write_clips(inputs / "frames")
    (inputs / "clips.toml").write_text(CLIPS.format(path=inputs / "frames"))
    clips = ["train", str(inputs / "clips.toml"), "--output", "out"]
    for name, arguments in [("images", images), ("clips", clips)]:
        arguments = [name if word == "out" else word for word in arguments]
        place.must_run(arguments, inputs)
    study = inputs / "study.toml"
    shared = ", ".join(json.dumps(setting) for setting in TINY)
    study.write_text(STUDY.format(base=configs / "digits_vit.toml", shared=shared))
    for name, n, scale in [("old.npy", 20, 2.0), ("new.npy", 60, 1.0)]:
        write_matrix(inputs / name, n, scale)
    images_run, clips_run = str(inputs / "images"), str(inputs / "clips")
    ablate = ["ablate", str(study), "--output", "out", "--jobs", "2"]

    def analyze(n: int) -> list[str]:
        return ["analyze", images_run, "--split", "test", "--n-samples", str(n), "--output", "out"]

    def coherence(n: int) -> list[str]:
        chosen = ["--clips", str(inputs / "frames" / "test" / "right"), "--n-samples", str(n)]
        return ["coherence", clips_run, *chosen, "--output", "out"]

    def robustness(n: int) -> list[str]:
        settings = ["--pgd-steps", "1", "--pgd-starts", "1", "--epsilons", "0.1"]
        return ["robustness", images_run, "--n-samples", str(n), *settings, "--output", "out"]

    def persistence(name: str) -> list[str]:
        return ["persistence", str(inputs / name), "--output", "out", "--force"]

    def anomaly(label: int) -> list[str]:
        chosen = ["--split", "val", "--label", str(label), "--n-samples", "120"]
        return ["anomaly", "fit", images_run, *chosen, "--output", "out", "--force"]

    made = [
        Task("train images", images, "out", again=resume(images), ignored=("tensorboard",)),
        Task("train clips", clips, "out", again=resume(clips), ignored=("tensorboard",)),
        Task("ablate", ablate, "out", ignored=("/tensorboard", "logs/", "report.", "configs/")),
        Task("analyze", analyze(1), "out", older=analyze(2)),
        Task("coherence", coherence(2), "out", older=coherence(3)),
        Task("robustness", robustness(8), "out", older=robustness(4)),
        Task("persistence", persistence("new.npy"), "out", older=persistence("old.npy")),
        Task("anomaly fit", anomaly(1), "out", older=anomaly(2)),
        Task("weights", ["weights", images_run, "--output", "out", "--force"], "out"),
    ]
    return {task.name: task for task in made}


@dataclass
class Row:
    """Counts of one kind of test."""

    kind: str
    cases: int = 0
    failures: int = 0
    note: str = ""


class Report:
    """Counts and messages of failures, printed as they come."""

    def __init__(self, keep: Path):
        self.rows: dict[str, Row] = {}
        self.keep = keep

    def case(self, kind: str, problem: str | None, directory: Path | None = None):
        """Counts a case; keeps the directory of one that failed, and removes that of others."""
        row = self.rows.setdefault(kind, Row(kind))
        row.cases += 1
        if problem is None:
            if directory:
                shutil.rmtree(directory, ignore_errors=True)
            return
        row.failures += 1
        kept = ""
        # The first ones tell enough.
        if directory and row.failures <= 3:
            kept = f" (kept in {self.keep / directory.name})"
            self.keep.mkdir(parents=True, exist_ok=True)
            shutil.copytree(directory, self.keep / directory.name, symlinks=True, dirs_exist_ok=True)
        if directory:
            shutil.rmtree(directory, ignore_errors=True)
        print(f"FAILED {kind}: {problem}{kept}", flush=True)

    def note(self, kind: str, text: str):
        self.rows.setdefault(kind, Row(kind)).note = text

    def table(self) -> str:
        lines = ["| kind | cases | failures |", "|---|---|---|"]
        lines += [f"| {row.kind}{row.note and f' ({row.note})'} | {row.cases} | {row.failures} |" for row in self.rows.values()]
        return "\n".join(lines)

    def n_failures(self) -> int:
        return sum(row.failures for row in self.rows.values())


def problem_of_message(code, errors: str, allowed: set) -> str | None:
    """What is wrong with the end of a process; None if it may end like this."""
    if code not in allowed:
        return f"exit code {code}, expected one of {sorted(allowed)}: {errors.strip()[-400:]}"
    messages = [line for line in errors.splitlines() if "panicked" in line]
    return f"a panic: {messages[0]}" if messages else None
