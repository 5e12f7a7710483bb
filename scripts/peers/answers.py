"""Runs `tools/fuzz_answers.rs` on cases and reads its answers; imported by other scripts.

The file format is documented at the head of that program.
"""

import json
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np


def encode_matrix(distances, max_dim, bits=32):
    """Encodes a distance matrix of f32, whose diagrams are computed in single or double precision."""
    values = np.ascontiguousarray(distances, "<f4")
    return struct.pack("<IIII", 0, bits, max_dim, len(values)) + values.tobytes()


def encode_pair(first, second, order, norm):
    """Encodes two diagrams; order infinity is the bottleneck distance, the norm is 1, 2 or infinity."""
    code = 0 if norm == np.inf else int(norm)
    head = struct.pack("<IIdII", 1, code, order, len(first), len(second))
    return head + b"".join(np.ascontiguousarray(side, "<f8").tobytes() for side in (first, second))


def ask(program, cases):
    """Returns the answers to encoded cases.

    If the program crashes, the last answer is {"crash": ..}, and later cases have none.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases"
        with path.open("wb") as file:
            file.writelines(cases)
        process = subprocess.run([program, path], capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    # The program flushes each answer, so the missing one belongs to the case of the crash.
    if len(answers) < len(cases):
        answers.append({"crash": f"exit code {process.returncode}: {process.stderr.strip()}"})
    return answers


def bar_set(bars):
    """Births and deaths as a sorted array of f32: a multiset that compares exactly."""
    pairs = np.array([bar[:2] for bar in bars], np.float32).reshape(-1, 2)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
