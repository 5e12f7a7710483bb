"""Kills, races and full disks: whatever happens to a process, its output ends as that of an undisturbed one.

    python3 scripts/torture/torture.py PROGRAM --minutes 10 [--kinds kills,races,disk] [--seed N] [--keep DIR]
    python3 scripts/torture/torture.py PROGRAM --cases 3 [--quick]

With `--minutes` the time is divided among the kinds; with `--cases` every kind has that many cases of each of its tests.
`--quick` leaves out tests whose commands take long, so that one case of each kind fits into a test suite.
Everything is written below one temporary directory; cases that fail are copied to the directory of `--keep`. Prints a table
at the end, and exits with 1 if a case failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import full_disk
import kills
import races
from common import Place, Report, tasks

# Kinds of tests, and their shares of the time.
KINDS = {"kills": (kills, 0.55), "races": (races, 0.2), "disk": (full_disk, 0.25)}


def end_of(kind: str, minutes: float | None, cases: int, chosen: list[str]):
    """Function that tells whether a kind of test is over."""
    if minutes is None:
        counts: dict[str, int] = {}

        def is_over(test: str) -> bool:
            counts[test] = counts.get(test, 0) + 1
            return counts[test] > cases

        return is_over
    total = sum(KINDS[other][1] for other in chosen)
    end = time.monotonic() + 60 * minutes * KINDS[kind][1] / total
    return lambda _: time.monotonic() > end


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--cases", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="leave out tests whose commands take long")
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of " + ", ".join(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default="torture_failures", help="directory of cases that failed")
    parser.add_argument("--is-in-own-mounts", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    chosen = [kind for kind in arguments.kinds.split(",") if kind]
    unknown = [kind for kind in chosen if kind not in KINDS]
    if unknown:
        parser.error(f"unknown kinds {unknown}, expected some of {list(KINDS)}")
    if "disk" in chosen and not arguments.is_in_own_mounts:
        # Mounts in a namespace of its own vanish with this process, however it ends.
        own = ["unshare", "--map-root-user", "--mount"]
        try:
            is_allowed = subprocess.run([*own, "true"], capture_output=True).returncode == 0
        except FileNotFoundError:
            is_allowed = False
        if is_allowed:
            os.execvp(own[0], [*own, sys.executable, *sys.argv, "--is-in-own-mounts"])
        print("namespaces are not allowed here: full disks are not tested", flush=True)
        chosen.remove("disk")
    report = Report(Path(arguments.keep).resolve())
    with tempfile.TemporaryDirectory(prefix="burn-topology-torture-") as work:
        place = Place(arguments.program, Path(work), arguments.seed)
        started = time.monotonic()
        all_tasks = tasks(place)
        tests = {kind: KINDS[kind][0].QUICK if arguments.quick else KINDS[kind][0].TESTS for kind in chosen}
        wanted = {name for names in tests.values() for needed in names.values() for name in needed}
        measured = {name: place.measure(task) for name, task in all_tasks.items() if name in wanted}
        print(f"undisturbed: {time.monotonic() - started:.0f} s", flush=True)
        for kind in chosen:
            is_over = end_of(kind, arguments.minutes, arguments.cases, chosen)
            KINDS[kind][0].run(place, measured, report, is_over, list(tests[kind]))
    print(report.table())
    return 1 if report.n_failures() else 0


if __name__ == "__main__":
    sys.exit(main())
