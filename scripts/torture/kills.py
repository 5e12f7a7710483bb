"""Kills of every task, at random times and at chosen system calls; the output must equal that of an undisturbed process."""

import collections
import shutil
import signal
import subprocess
import time
from pathlib import Path

from common import Place, Report, Task, difference, fingerprint, finish, left_over, problem_of_message

# System calls that change names, lengths or durability; the process is killed before each of them takes place.
CALLS = "rename,renameat2,unlink,unlinkat,rmdir,mkdir,fsync,fdatasync,ftruncate"

# Most starts that one case may need; a start without a kill always ends it.
MAX_STARTS = 4

# Tests with the tasks that they need: each is a task that is killed.
TASKS = ["train images", "train clips", "ablate", "analyze", "coherence", "robustness", "persistence"]
TESTS = {name: [name] for name in TASKS}
QUICK = {name: [name] for name in ["train clips", "coherence", "persistence"]}

# Exit code of a command that was interrupted and can be resumed.
STOPPED = 75


def strace(options: list[str], log: Path | str) -> list[str]:
    # Not with --seccomp-bpf, under which strace 6.1 injects nothing into a program that it starts.
    return ["strace", "-f", "-qq", "-o", str(log), *options]


def can_trace(place: Place) -> bool:
    """True if processes can be traced here."""
    if shutil.which("strace") is None:
        return False
    traced = subprocess.run(strace(["-e", "trace=write", "true"], "/dev/null"), capture_output=True)
    return traced.returncode == 0


def points(place: Place, task: Task) -> list[tuple[str, int]]:
    """Every system call at which a task is to be killed: its name and, for the thread that makes it, its number."""
    directory = place.directory()
    if task.older:
        place.must_run(task.older, directory)
    log = directory / "tmp" / "calls"
    place.run(task.start, directory, prefix=strace(["-e", f"trace={CALLS},write"], log))
    counts: collections.Counter = collections.Counter()
    for line in log.read_text(errors="replace").splitlines():
        words = line.split(None, 1)
        # A call that was interrupted has a second line, for its end.
        if len(words) == 2 and "(" in words[1] and not words[1].startswith("<"):
            counts[words[0], words[1].split("(")[0].strip()] += 1
    shutil.rmtree(directory)
    most: dict[str, int] = {}
    for (_, call), count in counts.items():
        most[call] = max(most.get(call, 0), count)
    chosen = []
    for call, count in most.items():
        step = 2 if call == "write" else 1
        chosen += [(call, number) for number in range(1, count + 1, step)]
    return chosen


def interrupted(place: Place, task: Task, arguments: list[str], directory: Path, point, sent: signal.Signals):
    """Starts a task and kills it; returns its exit code and messages."""
    if point:
        call, number = point
        options = ["-e", f"trace={call}", "-e", f"inject={call}:signal={sent.name}:when={number}"]
        return place.run(arguments, directory, prefix=strace(options, "/dev/null"))
    process = place.start(arguments, directory)
    time.sleep(place.random.uniform(0, 1.1 * task.seconds))
    process.send_signal(sent)
    return finish(process, 300)


def check_between(task: Task, directory: Path) -> str | None:
    """What is wrong with the output of a killed process: it must be the older one or the new one, as a whole."""
    if not task.older:
        return None
    actual = fingerprint(directory / task.output, task.ignored)
    older = difference(task.replaced, actual)
    newer = difference(task.expected, actual)
    return f"after a kill, the output is neither the older one ({older}) nor the new one ({newer})" if older and newer else None


def kill_case(place: Place, task: Task, point, sent: signal.Signals) -> tuple[int, str | None, Path]:
    """Kills a task once or more, then lets it end; returns the number of kills, the problem and the directory."""
    directory = place.directory()
    if task.older:
        place.must_run(task.older, directory)
    kills = 0
    for number in range(MAX_STARTS):
        arguments = task.start if number == 0 else task.arguments_again(directory)
        if number == 0 or (number + 1 < MAX_STARTS and place.random.random() < 0.3):
            # After the first kill at a system call, the next ones come at random times.
            code, errors = interrupted(place, task, arguments, directory, point if number == 0 else None, sent)
        else:
            code, errors = place.run(arguments, directory)
        if code == 0:
            break
        # A cell that is killed at the same call whenever `ablate` starts it again has failed.
        failed = {1} if task.name == "ablate" else set()
        problem = problem_of_message(code, errors, {-sent, 128 + sent, STOPPED} | failed)
        if problem:
            return kills, f"after {kills} kills: {problem}", directory
        kills += 1
        problem = check_between(task, directory)
        if problem:
            return kills, problem, directory
    # Once more, as a user would: a finished task stays as it is, and unfinished files of ended processes go.
    code, errors = place.run(task.arguments_again(directory), directory)
    problem = problem_of_message(code, errors, {0})
    actual = fingerprint(directory / task.output, task.ignored)
    if sent != signal.SIGKILL and task.name.startswith("train"):
        # A stop writes a checkpoint, which may be among the ones that are kept.
        actual = {name: value for name, value in actual.items() if name in task.expected}
        missing = task.expected.keys() - actual.keys()
        expected = {k: v for k, v in task.expected.items() if not (k in missing and k.startswith("checkpoints"))}
    else:
        expected = task.expected
    problem = problem or difference(expected, actual)
    remains = left_over(directory, task)
    if not problem and remains:
        problem = f"left behind: {', '.join(remains)}"
    where = f" at {point[0]} {point[1]}" if point else ""
    return kills, problem and f"{task.name}, {kills} kills by {sent.name}{where}: {problem}", directory


def run(place: Place, measured: dict[str, Task], report: Report, is_over, names: list[str]):
    """Kills all tasks in turn until the time is over."""
    traces = can_trace(place)
    if not traces:
        print("strace cannot trace here: processes are killed at random times only", flush=True)
    waiting: dict[str, list] = {}
    totals: dict[str, int] = {}
    n_kills: dict[str, int] = dict.fromkeys(names, 0)
    for name in names:
        waiting[name] = points(place, measured[name]) if traces else []
        totals[name] = len(waiting[name])
        place.random.shuffle(waiting[name])
    while True:
        for name in names:
            if is_over(f"kills of {name}"):
                for done, left in waiting.items():
                    calls = f"{totals[done] - len(left)} of {totals[done]} system calls"
                    report.note(f"kills of {done}", f"{n_kills[done]} kills, at {calls}")
                return
            task = measured[name]
            is_random = not waiting[name] or place.random.random() < 0.25
            point = None if is_random else waiting[name].pop()
            signals = [signal.SIGKILL] * 3
            if is_random and name.startswith("train"):
                signals += [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]
            sent = place.random.choice(signals)
            kills, problem, directory = kill_case(place, task, point, sent)
            n_kills[name] += kills
            report.case(f"kills of {name}", problem, directory)
