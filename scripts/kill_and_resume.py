"""Kills a training at random times, resumes it each time, and compares it with an uninterrupted one.

    python3 scripts/kill_and_resume.py PROGRAM CONFIG --kills 50 [--signal KILL] [--set KEY=VALUE]...

Trains CONFIG once without interruption. Then trains it again and again in other directories, sending
the signal after a random time and resuming, until that many signals have hit a running training. Every
run must end with the same metrics.jsonl, the same models in its checkpoints, and the same summary
(except for times) as the first, and leave no half-written file. All signals but KILL make the training
write an extra checkpoint, which may be among the last ones that are kept; the other checkpoints, the
newest included, must be the same. Exits with 1 on the first difference.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TIMES = {"seconds", "topology_share"}
STOPPED = 75


def fingerprint(run: Path) -> dict:
    """Everything about a finished run that must not depend on interruptions."""
    summary = json.loads((run / "summary.json").read_text())
    # Burn writes the tensors of the optimizer in no fixed order; wrong ones would change the next steps.
    checkpoints = {
        directory.name: (directory / "model.bpk").read_bytes()
        for directory in (run / "checkpoints").iterdir()
    }
    return {
        "metrics.jsonl": (run / "metrics.jsonl").read_bytes(),
        "config.toml": (run / "config.toml").read_bytes(),
        "summary.json": {k: v for k, v in summary.items() if k not in TIMES},
        "checkpoints": checkpoints,
    }


def differs(name: str, expected, actual, has_extra_checkpoints: bool) -> bool:
    """True if a part of a run's fingerprint is not as expected."""
    if name != "checkpoints" or not has_extra_checkpoints:
        return expected != actual
    shared = expected.keys() & actual.keys()
    return max(expected) not in shared or any(expected[step] != actual[step] for step in shared)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("config")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--signal", choices=["KILL", "TERM", "INT", "USR1"], default="KILL")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random times")
    arguments = parser.parse_args()
    sent = signal.Signals["SIG" + arguments.signal]
    times = random.Random(arguments.seed)
    overrides = [word for override in arguments.set for word in ("--set", override)]

    def start(run: Path) -> subprocess.Popen:
        if run.exists():
            command = [arguments.program, "train", "--resume", str(run)]
        else:
            command = [arguments.program, "train", arguments.config, "--output", str(run), *overrides]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    with tempfile.TemporaryDirectory() as directory:
        reference = Path(directory) / "reference"
        started = time.monotonic()
        process = start(reference)
        errors = process.communicate()[1]
        if process.returncode != 0:
            print(errors, file=sys.stderr)
            return 1
        duration = time.monotonic() - started
        expected = fingerprint(reference)
        print(f"reference: {duration:.1f} s, {len(expected['metrics.jsonl'].splitlines())} records")

        hits = n_runs = 0
        while hits < arguments.kills:
            run = Path(directory) / f"run{n_runs}"
            n_runs += 1
            n_stops = 0
            while True:
                process = start(run)
                # Sometimes long enough to make progress, so that every run ends.
                patience = times.uniform(0, duration * times.choice([0.1, 0.3, 0.6]))
                if hits >= arguments.kills:
                    patience = None
                try:
                    errors = process.communicate(timeout=patience)[1]
                except subprocess.TimeoutExpired:
                    process.send_signal(sent)
                    errors = process.communicate()[1]
                code = process.returncode
                if code == 0:
                    break
                # Before its signal handlers are installed, a process dies of the signal itself.
                if code not in (-sent, STOPPED):
                    print(f"{run.name}: exit code {code} after SIG{arguments.signal}\n{errors}", file=sys.stderr)
                    return 1
                hits += 1
                n_stops += 1
            actual = fingerprint(run)
            for name, value in expected.items():
                if differs(name, value, actual[name], sent != signal.SIGKILL):
                    print(f"{run.name}: {name} differs after {n_stops} stops", file=sys.stderr)
                    return 1
            left_over = [path for path in run.rglob("*") if path.suffix in (".partial", ".replaced", ".unusable")]
            if left_over:
                print(f"{run.name}: left behind {left_over}", file=sys.stderr)
                return 1
            print(f"{run.name}: equal after {n_stops} stops")
        print(f"{hits} stops by SIG{arguments.signal} in {n_runs} runs, every run equals the reference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
