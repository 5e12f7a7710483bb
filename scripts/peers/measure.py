"""Time measurement, and its CSV rows; imported by the other scripts here."""

import os
import sys
import time
from dataclasses import dataclass

# One thread for every measured library; must be set before numpy is imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

MOST_REPEATS = 400


@dataclass
class Row:
    """Minimum and median wall time and minimum processor time, in ms, of one tool on one input."""

    section: str
    tool: str
    n: int
    kind: str
    least: float
    median: float
    cpu: float = float("nan")
    note: str = ""

    def line(self):
        """Line of CSV; no field contains a comma."""
        fields = [self.section, self.tool, self.n, self.kind, self.least, self.median, self.cpu]
        return ",".join(map(str, [*fields, self.note]))


def parse_row(line):
    """Parses a line of `Row.line`."""
    section, tool, n, kind, least, median, cpu, note = line.split(",")
    return Row(section, tool, int(n), kind, float(least), float(median), float(cpu), note)


def parse_program_row(line):
    """Parses a row of one of the Rust programs: name,n,kind,min_ms,median_ms[,note]."""
    tool, n, kind, least, median, *note = line.split(",")
    return Row("programs", tool, int(n), kind, float(least), float(median), note="".join(note))


def times(work, budget, patience=5.0):
    """Repeats work for `budget` seconds, at least three times unless that takes longer than `patience` seconds."""
    wall, cpu, start = [], [], time.perf_counter()
    while True:
        cpu_before, before = time.process_time(), time.perf_counter()
        work()
        wall.append((time.perf_counter() - before) * 1e3)
        cpu.append((time.process_time() - cpu_before) * 1e3)
        elapsed = time.perf_counter() - start
        # Fast work is stopped by the number of repeats, slow work by the time.
        enough = len(wall) >= 3 and (elapsed > budget or len(wall) >= MOST_REPEATS)
        if enough or elapsed > patience:
            return min(wall), sorted(wall)[len(wall) // 2], min(cpu)


class Bench:
    """Measures the requested tools, and keeps their rows."""

    def __init__(self, budget, wanted=()):
        self.budget, self.wanted, self.rows = budget, wanted, []

    def wants(self, tool):
        """True if the name contains one of the requested words, or if no words are requested."""
        return not self.wanted or any(word in tool for word in self.wanted)

    def add(self, section, tool, place, work, note=""):
        """Measures `work` on the input `place`, a pair of n and kind; a failing tool is reported and skipped."""
        if not self.wants(tool):
            return
        n, kind = place
        try:
            row = Row(section, tool, n, kind, *times(work, self.budget), note)
        except Exception as error:  # a failing tool must not end the measurement of the others
            print(f"# {tool} n={n} {kind}: {type(error).__name__}: {error}", file=sys.stderr)
            return
        self.rows.append(row)
        print(
            f"# {section:14s} {tool:44s} n={n:4d} {kind:24s} minimum {row.least:10.4f} "
            f"median {row.median:10.4f} cpu {row.cpu:10.4f}",
            file=sys.stderr,
            flush=True,
        )
