"""Kills the process of each command that writes, at a random moment, and looks at the project afterwards.

    python tools/attack/kills.py 1000

Every command runs in a process of its own over a project with shared goldens and a template, and gets a SIGKILL within
the time that it usually takes. Then each golden must be, whole, the one before or the one that was to come, and no file
of the project may be torn; what the killed process left must be gone after the next command, or finished by it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attack.recorded_tree import TARGETS, Key, RecordedTree
from attack.writers import TESTS
from kernelsnap.cli.main import main as kernelsnap
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.files import write_text
from kernelsnap.golden.transaction import recover
from kernelsnap.pending.accept import decide
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.ledger import Line, read_ledger
from kernelsnap.pending.review.decisions import FILE, Decisions, parse_decisions
from kernelsnap.upgrade.state import Result, State

_FORK = multiprocessing.get_context("fork")
#: What the user has in a file that a command writes to.
OWN = "*.py text\n"


class Command:
    """One call of a command: what it does, and which goldens there may be afterwards."""

    def __init__(self, tree: RecordedTree, before: dict[Key, int], chance: random.Random) -> None:
        """Choose what it is about, by chance."""
        self.tree, self.before = tree, before
        self.keys = chance.sample([(test, target) for test in TESTS for target in TARGETS], chance.randint(1, 4))
        self.number = chance.randrange(4)
        self.entries: list[Pending] = []

    @property
    def after(self) -> dict[Key, int]:
        """The goldens after it has changed those that it is about."""
        return {**self.before, **dict.fromkeys(self.keys, self.number)}

    def pend(self) -> None:
        """Let these goldens fail, before the command begins."""
        self.entries = [self.tree.pend(key, self.number) for key in self.keys]

    def update(self) -> None:
        """Record."""
        self.tree.record(dict.fromkeys(self.keys, self.number))

    def accept(self) -> None:
        """Accept what is pending, with a reason."""
        self.tree.accept(self.entries, "as meant")

    def reject(self) -> None:
        """Reject what is pending."""
        self.tree.reject(self.entries)

    def prune(self) -> None:
        """Remove the goldens of a test that is gone."""
        self.tree.note_orphans([self.keys[0][0]])
        self.tree.prune()

    def ledger(self) -> None:
        """Decide about what is pending, and write down why."""
        line = Line("rejected", f"reason {self.number}")
        decide(self.tree.folder, self.entries, lambda ledger: ledger.with_decisions(self.entries, line, {}))

    def review(self) -> None:
        """Keep the decisions of a review, again and again."""
        made = Decisions()
        for _ in range(20):
            made.decide(self.entries, "accepted", "as meant")
            write_text(self.tree.folder.path / FILE, made.to_json())

    def gitattributes(self) -> None:
        """Write to a file of the user's."""
        with redirect_stdout(StringIO()):
            os.chdir(self.tree.root)
            for way in ("--install", "--uninstall", "--install"):
                kernelsnap(["gitattributes", way])

    def upgrade(self) -> None:
        """Keep what an upgrade has found, a few cases at a time."""
        state = State(self.tree.root / "state", self.tree.root)
        for number in range(50):
            state.add([Result("", f"test_a.py::test_{number}", "compared", "x" * 3000, "0")])


COMMANDS: dict[str, Callable[[Command], None]] = {
    name: getattr(Command, name)
    for name in ("update", "accept", "reject", "prune", "ledger", "review", "gitattributes", "upgrade")
}
#: Those that begin with something pending.
WITH_PENDING = ("accept", "reject", "ledger", "review")


def damage(name: str, command: Command) -> list[str]:
    """What is wrong after a command was killed."""
    tree, wrong = command.tree, []
    before, after = command.before, command.before
    if name in ("update", "accept"):
        after = command.after
    if name == "prune":
        after = {key: number for key, number in before.items() if key[0] != command.keys[0][0]}
    try:
        found = tree.found(TESTS)
        wrong += [
            f"{name}: {key} is {found.get(key)}, not {before.get(key)} or {after.get(key)}"
            for key in sorted({*before, *after, *found})
            if found.get(key) not in {before.get(key), after.get(key)}
        ]
        recover(tree.goldens)
        whole = tree.found(TESTS)
        if name == "accept" and whole not in (before, after):
            wrong.append("accept: some goldens were accepted and others not, also after the next command")
        read_ledger(tree.goldens)
        tree.folder.entries()
        State(tree.root / "state", tree.root)
        kept = tree.folder.path / FILE
        if kept.exists():
            parse_decisions(kept.read_text(encoding="utf-8"), str(kept))
    except (KernelsnapError, json.JSONDecodeError) as error:
        wrong.append(f"{name}: {error}")
    if not (tree.root / ".gitattributes").read_text().startswith(OWN):
        wrong.append(f"{name}: the user's .gitattributes has lost a line")
    return wrong


def killed(root: Path, times: int, seed: int) -> Counter[str]:
    """Kill one command after the other."""
    seen: Counter[str] = Counter()
    chance = random.Random(seed)
    tree = RecordedTree(root)
    (root / "state").mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".gitattributes").write_text(OWN)
    usual: dict[str, float] = {}
    for turn in range(times):
        name = list(COMMANDS)[turn % len(COMMANDS)]
        command = Command(tree, tree.found(TESTS), chance)
        if name in WITH_PENDING:
            command.pend()
        process = _FORK.Process(target=COMMANDS[name], args=(command,))
        start = time.monotonic()
        process.start()
        process.join(chance.uniform(0.0, usual.get(name, 0.2)))
        if process.exitcode is None and process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
            seen[f"SIGKILL in {name}"] += 1
        process.join()
        usual[name] = max(0.02, min(usual.get(name, 0.2), 2 * (time.monotonic() - start)), usual.get(name, 0.2) * 0.9)
        seen["commands that failed by themselves"] += process.exitcode not in (0, -signal.SIGKILL)
        left = tree.leftovers()
        seen["kills after which an unfinished file was there"] += bool(left)
        for problem in damage(name, command):
            seen[problem] += 1
    Command(tree, {}, chance).update()
    seen["unfinished files after the next recording"] += len(tree.leftovers())
    return seen


def main() -> int:
    """Kill, and print what was seen; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("times", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = killed(Path(folder) / "project", options.times, options.seed)
    for what, number in sorted(seen.items()):
        sys.stdout.write(f"{number:6}  {what}\n")
    harmless = ("SIGKILL in ", "kills after which")
    return int(any(number for what, number in seen.items() if not what.startswith(harmless)))


if __name__ == "__main__":
    sys.exit(main())
