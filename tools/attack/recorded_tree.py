"""A tree of goldens, and all that changes one, without a compiler: what it generates is given by two numbers.

Each golden has a kernel of a template and depends on the target only where it is asked to, so that targets share files
until they differ. The steps are those of the real commands; what they leave is compared with what was accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from attack import writers
from kernelsnap.diff.tree.change import change_of
from kernelsnap.errors import GoldenError
from kernelsnap.golden import files, sharing, store
from kernelsnap.golden.digests import digest_of, digest_of_file
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.prune import Orphan, OrphanRecord, read_record, remove, write_record
from kernelsnap.golden.store import Case, file_name
from kernelsnap.golden.templates.settle import settle
from kernelsnap.golden.templates.template_store import stored_templates
from kernelsnap.golden.transaction import recover
from kernelsnap.model.golden import Golden
from kernelsnap.pending.accept import accept, reject
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.folder import BELOW, CACHE, NAME, PendingFolder
from kernelsnap.pending.ledger import Line
from kernelsnap.pending.moving import moved

MODULE, TARGETS = writers.MODULE, writers.TARGETS
#: A test and a target.
Key = tuple[str, str]
VERSIONS = {"torch": "2.0", "triton": "2.0"}


def generated(key: Key, number: int) -> Golden:
    """What one version of the compiler generates for a test and a target."""
    return writers.golden(*key, number % len(writers.TEMPLATES), writers.SIZES[number % 2])


class RecordedTree:
    """A project in a folder."""

    def __init__(self, root: Path) -> None:
        """Make it, or find it there."""
        self.root, self.goldens = root, root / "goldens"
        self.goldens.mkdir(parents=True, exist_ok=True)
        self.folder = PendingFolder(root / CACHE / BELOW / NAME, root)
        self.folder.path.mkdir(parents=True, exist_ok=True)
        (root / f"{MODULE}.py").touch()

    def case(self, test: str) -> Case:
        """The case of a test."""
        return Case(f"{MODULE}.py", test)

    def file(self, key: Key) -> Path:
        """The file that holds a golden now."""
        return sharing.golden_file(self.goldens / MODULE, self.case(key[0]), key[1])

    def own(self, key: Key) -> str:
        """The path that a golden's own file has, below the folder of the goldens."""
        return f"{MODULE}/{file_name(self.case(key[0]), key[1])}"

    def record(self, made: dict[Key, int]) -> None:
        """`pytest --snapshot-update` over some tests, with one version of the compiler."""
        recover(self.goldens)
        for key, number in made.items():
            sharing.write_for_target(self.goldens, self.goldens / MODULE, self.case(key[0]), generated(key, number))
        compared = {(str(self.case(test)), target) for test, target in made}

        def was_compared(path: Path) -> bool:
            case, targets = sharing.head_of(path)
            return all((case, target) in compared for target in targets)

        with tree_lock(self.goldens):
            files.sweep(self.goldens)
            used = {number % len(writers.TEMPLATES) for number in made.values()}
            settle(self.goldens, [writers.TEMPLATES[number] for number in used][:1], was_compared, replaces=True)

    def pend(self, key: Key, number: int, former: Key | None = None) -> Pending:
        """A run that compares: what it generated is pending, as a change, as new, or as moved from another test."""
        new, path = generated(key, number), self.file(former or key)
        old = store.golden_text(path) if path.is_file() else None
        text = render(new)
        before = None if old is None else render(replace(parse(old), case=new.case, target=new.target, shared_with=()))
        entry = Pending(
            f"{MODULE}.py", key[0], "", key[1], "goldens", self.own(key), digest_of(text),
            "" if old is None or former else digest_of(old),
            "" if old is None else path.relative_to(self.goldens).as_posix(), versions=VERSIONS, group="0123456789ab",
            causes=("dtype",),
        )  # fmt: skip
        if former and old is not None and before is not None:
            change = change_of(self.own(key), before.encode(), text.encode())
            if change is not None:
                entry = moved(entry, self.root, str(self.case(former[0])), entry.compared_with, old, text, change)
        self.folder.write(entry, text)
        return entry

    def accept(self, entries: Sequence[Pending], reason: str = "") -> None:
        """`kernelsnap accept`."""
        line = Line("accepted", reason)
        accept(self.folder, entries, decided=lambda ledger: ledger.with_decisions(entries, line, {}))

    def reject(self, entries: Collection[Pending]) -> None:
        """`kernelsnap reject`."""
        reject(self.folder, entries)

    def note_orphans(self, tests: Iterable[str]) -> None:
        """A whole and passing run in which these tests are gone."""
        cases = {str(self.case(test)) for test in tests}
        orphans = [
            Orphan(path.relative_to(self.goldens).as_posix(), digest_of_file(files.read_text(path)))
            for path, case, _ in sharing.heads_below(self.goldens)
            if case in cases
        ]
        record = OrphanRecord(str(self.root), str(self.goldens), 0, tuple(orphans))
        write_record(self.folder.path / "orphans.json", record)

    def prune(self) -> None:
        """`kernelsnap prune --remove`."""
        record = read_record(self.folder.path / "orphans.json")
        remove(record, record.orphans)

    def found(self, tests: Iterable[str]) -> dict[Key, int]:
        """The goldens that there are, as the numbers that give them. Raises `GoldenError` for one that is damaged."""
        there = {}
        for test in tests:
            for target in TARGETS:
                path = self.file((test, target))
                if path.is_file():
                    code = parse(store.golden_text(path), str(path)).code
                    numbers = [n for n in range(4) if generated((test, target), n).code == code]
                    if not numbers:
                        raise GoldenError(f"{path}: nobody generated this")
                    there[test, target] = numbers[0]
        stored_templates(self.goldens)
        return there

    def leftovers(self) -> list[str]:
        """What should be there only while a command runs."""
        paths = [*self.goldens.rglob("*.tmp"), *self.root.glob(".goldens.changing")]
        return [PurePosixPath(path.relative_to(self.root)).as_posix() for path in paths]
