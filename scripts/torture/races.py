"""Two or three processes that write the same output at once: the work is done once, and nothing is lost or mixed."""

import os
import shutil
import signal
import time
from pathlib import Path

from common import Place, Report, Task, difference, fingerprint, finish, left_over, problem_of_message


def together(place: Place, commands: list[list[str]], directory: Path, most_apart: float) -> list[tuple[int, str]]:
    """Starts processes shortly after one another, and waits for all of them."""
    processes = []
    for arguments in commands:
        processes.append(place.start(arguments, directory))
        time.sleep(place.random.uniform(0, most_apart))
    return [finish(process, 300) for process in processes]


def check(ends, allowed: set, needed: int, outputs: list[dict], task: Task, directory: Path) -> str | None:
    """What is wrong with the ends of processes, of which `needed` must succeed, and with their output."""
    for code, errors in ends:
        problem = problem_of_message(code, errors, allowed)
        if problem:
            return problem
    if sum(code == 0 for code, _ in ends) < needed:
        return f"exit codes {[code for code, _ in ends]}, expected {needed} times 0: {ends[-1][1].strip()[-400:]}"
    actual = fingerprint(directory / task.output, task.ignored)
    differences = [difference(output, actual) for output in outputs]
    if all(differences):
        return differences[0]
    remains = left_over(directory, task)
    return f"left behind: {', '.join(remains)}" if remains else None


def two_trains(place: Place, measured: dict[str, Task]):
    """Two `train` with one `--output`: one trains, the other is refused."""
    task, directory = measured["train images"], place.directory()
    ends = together(place, [task.start] * 2, directory, 0.05)
    return check(ends, {0, 2}, 1, [task.expected], task, directory), directory


def two_resumes(place: Place, measured: dict[str, Task]):
    """Two `train --resume` of a run that was killed: one trains, the other is refused."""
    task, directory = measured["train images"], place.directory()
    process = place.start(task.start, directory)
    time.sleep(place.random.uniform(0.5, 0.9) * task.seconds)
    process.send_signal(signal.SIGKILL)
    finish(process, 300)
    commands = [task.arguments_again(directory)] * 2
    ends = together(place, commands, directory, 0.05)
    for path in directory.glob("out.*.partial"):
        # Of the killed process, not of those that race.
        shutil.rmtree(path)
    return check(ends, {0, 2}, 1, [task.expected], task, directory), directory


def two_ablates(place: Place, measured: dict[str, Task]):
    """Two `ablate` on one study: every cell is done once, and both succeed."""
    task, directory = measured["ablate"], place.directory()
    ends = together(place, [task.start] * 2, directory, 0.3 * task.seconds)
    return check(ends, {0}, 2, [task.expected], task, directory), directory


def three_cells(place: Place, measured: dict[str, Task]):
    """Three `ablate --cell 0`: the cell is done once, and all succeed."""
    task, directory = measured["ablate"], place.directory()
    cell = [*task.start[:4], "--cell", "0"]
    ends = together(place, [cell] * 3, directory, 0.1)
    problem = None
    for code, errors in ends:
        problem = problem or problem_of_message(code, errors, {0})
    # The other cells are done afterwards, and the results are those of the study.
    ends = [place.run(task.start, directory)]
    return problem or check(ends, {0}, 1, [task.expected], task, directory), directory


# Tasks of which two at once write different results; one of them more often, because it takes the shortest.
OUTPUTS = ["persistence", "persistence", "anomaly fit", "analyze", "robustness", "coherence"]


def two_outputs(place: Place, measured: dict[str, Task]):
    """Two processes that write different results to one output: both succeed, and one result is there as a whole."""
    name = place.random.choice([name for name in OUTPUTS if name in measured])
    task, directory = measured[name], place.directory()
    ends = together(place, [task.start, task.older], directory, 0.1 * task.seconds)
    problem = check(ends, {0, 2}, 1, [task.expected, task.replaced], task, directory)
    return problem and f"{name}: {problem}", directory


def replaced_program(place: Place, measured: dict[str, Task]):
    """The program's file is replaced, as by a build, while a study runs."""
    task, directory = measured["ablate"], place.directory()
    program = directory / "program"
    shutil.copy(place.program, program)
    process = place.start(task.start, directory, program=str(program))
    time.sleep(place.random.uniform(0.1, 0.7) * task.seconds)
    fresh = directory / "program.new"
    shutil.copy(place.program, fresh)
    os.rename(fresh, program)
    ends = [finish(process, 300)]
    problem = check(ends, {0}, 1, [task.expected], task, directory)
    program.unlink()
    return problem, directory


RACES = {
    "two trains to one run": (two_trains, ["train images"]),
    "two resumes of one run": (two_resumes, ["train images"]),
    "two ablates of one study": (two_ablates, ["ablate"]),
    "three times one cell": (three_cells, ["ablate"]),
    "two writers of one output": (two_outputs, OUTPUTS),
    "program replaced during ablate": (replaced_program, ["ablate"]),
}

# Tests with the tasks that they need.
TESTS = {name: needed for name, (_, needed) in RACES.items()}
QUICK = {**TESTS, "two writers of one output": ["persistence"]}


def run(place: Place, measured: dict[str, Task], report: Report, is_over, names: list[str]):
    """Lets processes race in every way in turn until the time is over."""
    while True:
        for kind in names:
            if is_over(kind):
                return
            problem, directory = RACES[kind][0](place, measured)
            report.case(kind, problem, directory)
