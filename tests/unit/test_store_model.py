"""Random sequences of all that changes a tree of goldens, against a model of it: no golden is lost, torn or mixed.

`KERNELSNAP_SEQUENCES=1000 pytest tests/unit/test_store_model.py` tries more of them than a run of the suite.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from contextlib import chdir, redirect_stderr, suppress
from io import StringIO
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from attack.recorded_tree import TARGETS, RecordedTree, generated
from faults import Faults, KilledError
from kernelsnap.cli.main import main
from kernelsnap.errors import GoldenError
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.golden.format import render
from kernelsnap.golden.store import golden_text
from kernelsnap.golden.templates.folding import folded
from kernelsnap.golden.templates.template_store import stored_templates
from kernelsnap.golden.transaction import recover
from kernelsnap.pending.entry import PendingError

TESTS = ("test_x", "test_y", "test_z")
KEYS = st.lists(st.tuples(st.sampled_from(TESTS), st.sampled_from(TARGETS)), min_size=1, max_size=4, unique=True)
NUMBERS = st.integers(0, 3)
FORK = multiprocessing.get_context("fork")


class Store(RuleBasedStateMachine):
    """A tree, and the goldens that it has to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.tree = RecordedTree(self.root / "project")
        self.goldens: dict[tuple[str, str], int] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def _check(self, after) -> None:
        """Every golden is there as one of both; what is found is what counts from now on."""
        before = self.goldens
        found = self.tree.found(TESTS)
        for key in {*before, *after, *found}:
            assert found.get(key) in {before.get(key), after.get(key)}, (key, before.get(key), after.get(key), found)
        self.goldens = found

    def _pend(self, keys, number):
        return [self.tree.pend(key, number) for key in keys]

    @rule(keys=KEYS, number=NUMBERS)
    def record(self, keys, number):
        self.tree.record(dict.fromkeys(keys, number))
        self.goldens |= dict.fromkeys(keys, number)

    @rule(keys=KEYS, number=NUMBERS, at=st.integers(0, 60))
    def record_and_be_killed(self, keys, number, at):
        with Faults(None, at), suppress(KilledError):
            self.tree.record(dict.fromkeys(keys, number))
        self._check({**self.goldens, **dict.fromkeys(keys, number)})

    @rule(keys=KEYS, number=NUMBERS)
    def accept(self, keys, number):
        self.tree.accept(self._pend(keys, number), "as meant")
        self.goldens |= dict.fromkeys(keys, number)

    @rule(keys=KEYS, number=NUMBERS, at=st.integers(0, 90))
    def accept_and_be_killed(self, keys, number, at):
        entries = self._pend(keys, number)
        before, after = self.goldens, {**self.goldens, **dict.fromkeys(keys, number)}
        with Faults(None, at), suppress(KilledError):
            self.tree.accept(entries)
        self._check(after)
        # The next command finishes or forgets it: all of it.
        recover(self.tree.goldens)
        self.goldens = self.tree.found(TESTS)
        assert self.goldens in (before, after)

    @rule(keys=KEYS, number=NUMBERS)
    def reject(self, keys, number):
        self.tree.reject(self._pend(keys, number))

    @rule(keys=KEYS, number=NUMBERS, more=NUMBERS)
    def accept_what_was_recorded_otherwise_meanwhile(self, keys, number, more):
        entries = self._pend(keys, number)
        self.record(keys, more)
        try:
            self.tree.accept(entries)
        except PendingError:
            return  # nothing was accepted
        self.goldens |= dict.fromkeys(keys, number)

    @precondition(lambda self: self.goldens)
    @rule(data=st.data(), number=NUMBERS)
    def rename(self, data, number):
        former = data.draw(st.sampled_from(sorted(self.goldens)))
        new = (data.draw(st.sampled_from(TESTS)), former[1])
        if new in self.goldens:
            return
        entry = self.tree.pend(new, number, former)
        self.tree.accept([entry])
        self.goldens[new] = number
        if entry.moved_from:
            del self.goldens[former]

    @rule(test=st.sampled_from(TESTS), killed=st.booleans(), at=st.integers(0, 4))
    def delete_a_test_and_prune(self, test, killed, at):
        self.tree.note_orphans([test])
        after = {key: number for key, number in self.goldens.items() if key[0] != test}
        with Faults(None, at if killed else None), suppress(KilledError):
            self.tree.prune()
        self._check(after)
        if not killed:
            assert self.goldens == after

    @rule(one=KEYS, other=KEYS, number=NUMBERS, more=NUMBERS)
    def record_in_two_processes(self, one, other, number, more):
        process = FORK.Process(target=self.tree.record, args=(dict.fromkeys(other, more),))
        before = self.goldens
        process.start()
        self.tree.record(dict.fromkeys(one, number))
        process.join()
        assert process.exitcode == 0
        found = self.tree.found(TESTS)
        for key in {*before, *found}:
            values = {number} if key in one else set()
            values |= {more} if key in other else set()
            assert found.get(key) in (values or {before.get(key)})
        self.goldens = found

    @precondition(lambda self: self.goldens)
    @rule(data=st.data(), number=NUMBERS)
    def merge(self, data, number):
        key = data.draw(st.sampled_from(sorted(self.goldens)))
        path = self.tree.goldens / self.tree.own(key)
        if not path.is_file():
            return
        ours, base, theirs = (self.root / name for name in ("ours", "base", "theirs"))
        known = stored_templates(self.tree.goldens)
        write_text(theirs, folded(render(generated(key, number)), known))
        write_text(base, folded(render(generated(key, self.goldens[key] ^ 1)), known))
        write_text(ours, before := read_text(path))
        with chdir(self.tree.root), redirect_stderr(StringIO()):
            status = main(["git-merge", str(base), str(ours), str(theirs), f"goldens/{self.tree.own(key)}"])
        assert status in (0, 1)
        merged = read_text(ours)
        assert status == 0 or merged == before
        # A merge of two kernels may be a third one, that is whole.
        write_text(path, merged)
        golden_text(path)
        write_text(path, before)
        self.tree.reject(self.tree.folder.entries())

    @invariant()
    def every_golden_is_there(self):
        recover(self.tree.goldens)
        assert self.tree.found(TESTS) == self.goldens


def test_what_is_damaged_is_seen():
    store = Store()
    try:
        store.record([("test_x", "h100"), ("test_y", "a100")], 1)
        store.every_golden_is_there()
        path = store.tree.file(("test_x", "h100"))
        path.write_text(path.read_text().replace("case test_a.py::test_x", "case test_a.py::test_y")[:-4])
        try:
            store.every_golden_is_there()
        except (GoldenError, AssertionError):
            return
        raise AssertionError("a golden that is cut off was taken for a whole one")
    finally:
        store.teardown()


TestStore = Store.TestCase
TestStore.settings = settings(
    max_examples=int(os.environ.get("KERNELSNAP_SEQUENCES", "50")),
    stateful_step_count=10,
    deadline=None,
    database=None,
    derandomize="KERNELSNAP_SEQUENCES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
