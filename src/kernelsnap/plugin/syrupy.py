"""The syrupy side: where a test's goldens stand, and how a capture is compared with one and recorded.

Syrupy sees one file per snapshot. It compares and writes them; it never finds them by itself, because what it finds and
does not need it deletes, also where a test only did not get as far as its assertion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from syrupy.data import SnapshotCollection, SnapshotCollections
from syrupy.extensions.base import AbstractSyrupyExtension
from syrupy.location import PyTestLocation
from syrupy.types import PropertyFilter, PropertyMatcher, SerializableData, SerializedData, SnapshotIndex

from kernelsnap.errors import GoldenConflictError, GoldenError, GoldenPathError
from kernelsnap.golden import sharing, store
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.files import read_text
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.store import Case
from kernelsnap.golden.user_names import has_names, without_names
from kernelsnap.golden.why_section import without_why
from kernelsnap.model.golden import Golden


@dataclass(frozen=True)
class CaseLocation(PyTestLocation):
    """Where the goldens of one test are, for one target."""

    goldens: Path
    folder: PurePosixPath
    module: str
    test: str  # the node id after the module, without the target
    target: str
    # What the golden is recorded for, and what it is compared with: the target, or variants of it (see `variants`).
    label: str = ""
    standing: str = ""
    records: bool = False  # whether it is written where it differs

    def case(self, index: SnapshotIndex) -> Case:
        """The case that an assertion of the test is: the first, the one of this number, or of this name."""
        if isinstance(index, int):
            return Case(self.module, self.test, str(index + 1) if index else "")
        if not index or index.isdecimal():
            raise GoldenPathError(
                f"an assertion's name must not be a number, because those without one have it: {index!r}"
            )
        return Case(self.module, self.test, index)

    def path(self, index: SnapshotIndex) -> Path:
        """The file of its own that the golden has, whether it is there or not."""
        return store.golden_path(self.goldens, self.folder, self.case(index), self.label or self.target)

    def golden_file(self, index: SnapshotIndex) -> Path:
        """The file that holds the golden: its own, or the one of another target that shares it."""
        label = (self.label if self.records else self.standing) or self.target
        return sharing.golden_file(self.path(index).parent, self.case(index), label)

    def matches_snapshot_name(self, snapshot_name: str) -> bool:
        """Always: the names are ours."""
        return True


class StoredText(str):
    """The text of a golden file, and where it stands."""

    path: Path

    def __new__(cls, text: str, path: Path) -> StoredText:
        """The text that was read from this file."""
        stored = super().__new__(cls, text)
        stored.path = path
        return stored


class GoldenExtension(AbstractSyrupyExtension):
    """Keeps one golden per file. Found by their tests only, written atomically, never deleted."""

    file_extension = store.SUFFIX.removeprefix(".")
    # A run that is killed later keeps what was recorded until then.
    write_immediately = True

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        """The case, as the golden's header names it."""
        assert isinstance(test_location, CaseLocation)
        return str(test_location.case(index))

    @classmethod
    def get_location(cls, *, test_location: PyTestLocation, index: SnapshotIndex) -> str:
        """The golden's file."""
        assert isinstance(test_location, CaseLocation)
        return str(test_location.golden_file(index))

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Always: `get_location` alone says where a golden is."""
        return True

    @classmethod
    def discovery_dirname(cls, *, test_location: PyTestLocation) -> str:
        """A folder in which nothing will be discovered; syrupy asks for any test, also those without a golden."""
        return str(Path(test_location.filepath).parent)

    def discover_snapshots(
        self, *, test_location: PyTestLocation, ignore_extensions: list[str] | None = None
    ) -> SnapshotCollections:
        """Nothing: what syrupy discovers and finds unused, it deletes."""
        return SnapshotCollections()

    def delete_snapshots(self, *, snapshot_location: str, snapshot_names: set[str]) -> None:
        """Refuse."""
        raise GoldenError(f"{snapshot_location} was not deleted: removing a golden is always asked for explicitly")

    def serialize(
        self,
        data: SerializableData,
        *,
        exclude: PropertyFilter | None = None,
        include: PropertyFilter | None = None,
        matcher: PropertyMatcher | None = None,
    ) -> str:
        """The text of a golden."""
        assert isinstance(data, Golden)
        return render(data)

    def matches(self, *, serialized_data: SerializedData, snapshot_data: SerializedData) -> bool:
        """Whether the canonical texts are equal; the file's names may differ, because updates align them.

        Their reasons (`why`) are not compared.
        """
        assert isinstance(serialized_data, str)
        serialized_data = without_why(serialized_data)
        if serialized_data == without_why(str(snapshot_data)):
            return True
        assert isinstance(snapshot_data, StoredText)
        case, target = (line.partition(" ")[2] for line in serialized_data.split("\n", 3)[1:3])
        try:
            stored = store.parse_golden(snapshot_data, snapshot_data.path, case)
        except GoldenConflictError:
            return False  # which an update replaces; a comparison tells of it
        if not has_names(stored):  # recorded by an older kernelsnap, or there are none
            serialized_data = render(without_names(parse(serialized_data)))
        return render(canonical(replace(stored, target=target, shared_with=(), why=()))) == serialized_data

    def read_snapshot_data_from_location(
        self, *, snapshot_location: str, snapshot_name: str, session_id: str
    ) -> SerializedData | None:
        """The text of the golden file; None where there is none."""
        path = Path(snapshot_location)
        try:
            return StoredText(store.golden_text(path), path)
        except FileNotFoundError:
            return None
        except GoldenConflictError:
            return StoredText(read_text(path), path)

    def read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        """An empty one: goldens are read one by one."""
        return SnapshotCollection(location=snapshot_location)

    @classmethod
    def write_snapshot(
        cls,
        *,
        snapshot_location: str,
        snapshots: list[tuple[SerializedData, PyTestLocation, SnapshotIndex]],
        name_order: dict[str, int] | None = None,
    ) -> None:
        """Write the goldens, their names aligned with those of the goldens before."""
        # In place of syrupy's own, which forgets whose golden it is: which files it touches depends on that.
        for data, location, index in snapshots:
            assert isinstance(data, str)
            assert isinstance(location, CaseLocation)
            new = parse(data, snapshot_location)
            with tree_lock(location.goldens):
                # Not where it was read: another process may have moved it.
                folder = location.path(index).parent
                standing = sharing.golden_file(folder, location.case(index), location.standing or location.target)
                aligned = _aligned(new, standing)
                sharing.write_for_target(location.goldens, folder, location.case(index), aligned)

    @classmethod
    def write_snapshot_collection(
        cls, *, snapshot_collection: SnapshotCollection, name_order: dict[str, int] | None = None
    ) -> None:
        """Refuse: goldens are written one by one."""
        raise GoldenError(f"{snapshot_collection.location} was not written: a golden is written for its target only")


def _aligned(new: Golden, path: Path) -> Golden:
    """The golden with the names of the one in the file, so that a small change is a small diff."""
    try:
        old = store.read_golden(path, new.case)
    except (FileNotFoundError, GoldenConflictError):
        return new
    return aligned(new, old)


def aligned(new: Golden, old: Golden) -> Golden:
    """The golden as it is written in place of another one: under that one's names."""
    from kernelsnap.diff.align.align import align

    found = align(new, old)
    # Names are a courtesy to the reader: they must not cost the content.
    return found if canonical(found) == canonical(new) else new
