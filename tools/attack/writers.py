"""Kills processes that record, or lets several record at once, and looks at every golden afterwards.

    python tools/attack/writers.py killed 1000      SIGKILL at a random moment, each time
    python tools/attack/writers.py together 100     8 processes over one tree, each time

Each process does what a run of pytest does with a tree: it records goldens for some of three targets, which share
files where their code is equal, and brings the file of a template up to date that changes from run to run. After each
kill, or each round, every golden must be one that some process generated, whole; every template must be read; and no
process may have failed. The next process sweeps what a killed one left.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from kernelsnap.errors import GoldenError
from kernelsnap.golden import files, sharing, store
from kernelsnap.golden.format import parse
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.store import Case
from kernelsnap.golden.templates.settle import settle
from kernelsnap.golden.templates.template import Template, read_template
from kernelsnap.golden.templates.template_store import stored_templates
from kernelsnap.model.golden import Code, Golden, Plan

_FORK = multiprocessing.get_context("fork")
MODULE, TARGETS, TESTS = "test_a", ("h100", "a100", "l4"), ("test_x", "test_y", "test_z")
SIZES = (2, 3)
TOGETHER = 8
#: A process is killed within this many seconds.
LONGEST = 0.6
#: The compilers of the runs: each has the template with another end.
TEMPLATES: list[Template] = [
    read_template("mm", f'{{{{def_kernel("A")}}}}\n    M = {{{{size("A", 0)}}}}\n    return M + {number}\n')
    for number in range(4)
]


def golden(test: str, target: str, template: int, size: int) -> Golden:
    """What one version of the compiler generates for a test."""
    end = TEMPLATES[template].text.split("\n")[-2]
    code = f"@triton.jit\ndef k0(A):\n    M = {10 * template + size}\n{end}\n"
    case = str(Case(f"{MODULE}.py", test))
    return Golden(case, target, (Plan("inference", (), (), ()),), (), (), (Code("inference", "k0", code),))


def record(goldens: Path, seed: int, rounds: int) -> None:
    """Runs of pytest, one after the other: some tests for some targets, then the templates; one compiler each."""
    chance = random.Random(seed)
    for _ in range(rounds):
        template = chance.randrange(len(TEMPLATES))
        compared = set()
        for test in chance.sample(TESTS, chance.randint(1, len(TESTS))):
            for target in chance.sample(TARGETS, chance.randint(1, len(TARGETS))):
                made = golden(test, target, template, chance.choice(SIZES))
                sharing.write_for_target(goldens, goldens / MODULE, Case(f"{MODULE}.py", test), made)
                compared.add((made.case, target))

        def was_compared(path: Path, compared: set[tuple[str, str]] = compared) -> bool:
            case, targets = sharing.head_of(path)
            return all((case, target) in compared for target in targets)

        with tree_lock(goldens):
            files.sweep(goldens)
            settle(goldens, [TEMPLATES[template]], was_compared, replaces=True)


def damage(goldens: Path, expected: set[tuple[str, str]]) -> list[str]:
    """What is wrong in a tree. `expected` are the tests and targets that had a golden; those that do now are added."""
    wrong = []
    try:
        stored_templates(goldens)
    except GoldenError as error:
        wrong.append(str(error))
    generated = {
        test: {golden(test, "h100", template, size).code for template in range(len(TEMPLATES)) for size in SIZES}
        for test in TESTS
    }
    found = set()
    for test in TESTS:
        case = Case(f"{MODULE}.py", test)
        for target in TARGETS:
            path = sharing.golden_file(goldens / MODULE, case, target)
            if path.exists():
                found.add((test, target))
                try:
                    if parse(store.golden_text(path), str(path)).code not in generated[test]:
                        wrong.append(f"{path}: nobody generated this")
                except GoldenError as error:
                    wrong.append(str(error))
    wrong += [f"{test} for {target} is lost" for test, target in sorted(expected - found)]
    expected |= found
    return wrong


def killed(goldens: Path, times: int) -> Counter[str]:
    """Kill a recording process at a random moment, again and again."""
    seen: Counter[str] = Counter()
    expected: set[tuple[str, str]] = set()
    chance = random.Random(0)
    for seed in range(times):
        process = _FORK.Process(target=record, args=(goldens, seed, 1000))
        process.start()
        time.sleep(chance.uniform(0.0, LONGEST))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        seen["kills"] += 1
        seen["kills after which an unfinished file was there"] += any(map(files.is_leftover, goldens.rglob("*")))
        for problem in damage(goldens, expected):
            seen[problem] += 1
    record(goldens, times, 1)
    seen["unfinished files after the next recording"] += sum(map(files.is_leftover, goldens.rglob("*")))
    return seen


def together(goldens: Path, rounds: int) -> Counter[str]:
    """Let several processes record over one tree at once, again and again."""
    seen: Counter[str] = Counter()
    expected: set[tuple[str, str]] = set()
    for turn in range(rounds):
        processes = [
            _FORK.Process(target=record, args=(goldens, turn * TOGETHER + number, 3)) for number in range(TOGETHER)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        seen[f"rounds of {TOGETHER} processes"] += 1
        seen["processes that failed"] += sum(process.exitcode != 0 for process in processes)
        for problem in damage(goldens, expected):
            seen[problem] += 1
    return seen


ATTACKS = {"killed": killed, "together": together}


def main() -> int:
    """Run one attack, and print what was seen; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("times", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        goldens = Path(folder) / "goldens"
        goldens.mkdir()
        seen = ATTACKS[options.attack](goldens, options.times)
    harmless = ("kills", "kills after which an unfinished file was there", f"rounds of {TOGETHER} processes")
    for what, number in seen.items():
        sys.stdout.write(f"{number:6}  {what}\n")
    return int(any(number for what, number in seen.items() if what not in harmless))


if __name__ == "__main__":
    sys.exit(main())
