"""Puts cases to `examples/fuzz_answers.rs` and reads its answers; other scripts import it.

The format is described at the head of that program.
"""

import json
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np


def encode_matrix(distances, max_dim, bits=32):
    """A distance matrix of f32, to be answered in single or double precision."""
    values = np.ascontiguousarray(distances, "<f4")
    return struct.pack("<IIII", 0, bits, max_dim, len(values)) + values.tobytes()


def encode_pair(first, second, order, norm):
    """Two diagrams; order infinity is the bottleneck distance, norm 1, 2 or infinity."""
    code = 0 if norm == np.inf else int(norm)
    head = struct.pack("<IIdII", 1, code, order, len(first), len(second))
    return head + b"".join(np.ascontiguousarray(side, "<f8").tobytes() for side in (first, second))


def ask(program, cases):
    """One answer for each encoded case; a crash answers its case with {"crash": ..} and ends the list."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases"
        with path.open("wb") as file:
            file.writelines(cases)
        process = subprocess.run([program, path], capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    if len(answers) < len(cases):
        answers.append({"crash": f"exit code {process.returncode}: {process.stderr.strip()}"})
    return answers


def bar_set(bars):
    """Births and deaths as a sorted array of f32: a multiset that compares exactly."""
    pairs = np.array([bar[:2] for bar in bars], np.float32).reshape(-1, 2)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
