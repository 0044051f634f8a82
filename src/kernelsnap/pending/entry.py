"""One pending golden: what a test generated in place of its golden, and all that is needed to accept it later.

It is kept as a complete golden, `<module>/<case>.<target>.ksnap`, with its resources beside it (`.kres`) if these are
what changed, and a head, `<module>/<case>.<target>.json`, which is written last. A list of thousands reads heads only.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kernelsnap.diff.tree.cost import Cost, cost_of, time_from
from kernelsnap.diff.tree.headings import Detail, details
from kernelsnap.errors import GoldenPathError, KernelsnapError
from kernelsnap.golden.store import Case, file_name, label_in, readings
from kernelsnap.model.metrics import METRICS
from kernelsnap.model.resources import RESOURCE_METRICS
from kernelsnap.shared.data_files import parsed_json
from kernelsnap.shared.places import is_possible

if TYPE_CHECKING:
    from kernelsnap.diff.tree.change import Change

FORMAT = 1
#: The cause of a golden that there was none of before.
NEW = "new"
#: A cause of one that takes the place of a golden whose test or assertion is gone.
MOVED = "moved"
#: What pytest reports of a test, as a property, that fails because a golden differs.
DIFFERS = "kernelsnap-differs"
#: Fields that JSON has as lists.
_TUPLES = ("causes", "layers", "metrics", "operations", "details", "merge")
_KINDS = {kind.name: kind for kind in (*METRICS, *RESOURCE_METRICS)}

#: What no number of a golden reaches.
_LARGEST = 1 << 63

#: A metric by name, with its old and its new number.
Moved = Sequence[Any]


class PendingError(KernelsnapError):
    """A pending golden cannot be found, read or accepted."""


@dataclass(frozen=True)
class Pending:
    """The head of a pending golden. Digests are "" for what there is none of."""

    module: str  # the case: see `kernelsnap.golden.store.Case`
    test: str
    assertion: str
    target: str
    goldens: str  # the folder of the goldens, relative to the project's root
    golden: str  # the path that the target's own file has, or would have, below that folder
    text: str  # the digest of what was generated (see `kernelsnap.golden.digests`)
    replaces: str = ""  # the digest of the golden that it was compared with
    compared_with: str = ""  # the file that held that golden, below the folder: another target's where they share it
    seen: Sequence[int] | None = None  # size and time of that file then, if nothing else decides what it says
    resources: str = ""  # the digest of the resources, if they are what changed
    replaces_resources: str = ""
    versions: dict[str, str] = field(default_factory=dict)  # of torch and triton, which generated it
    packages: dict[str, str] = field(default_factory=dict)  # of the others whose code is in it
    tools: dict[str, str] = field(default_factory=dict)  # the compilers of the resources
    templates: dict[str, str] = field(default_factory=dict)  # the text of those that the tree lacks or has otherwise
    group: str = ""  # the fingerprint of the change (see `Change`)
    causes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    metrics: tuple[Moved, ...] = ()  # the totals that moved: old and new
    operations: tuple[str, ...] = ()
    time: dict[str, Any] = field(default_factory=dict)  # what it is estimated to take: see `Time`
    findings: int = 0  # how much evidence there is to read
    details: tuple[Detail, ...] = ()  # some of it, for headings
    # The lines of the user's that kernels come from, by graph and kernel: "/x/model.py:12: return x.relu()".
    sources: dict[str, list[str]] = field(default_factory=dict)
    line: str = ""  # of its module, which compared it: "7: assert capture(f, x) == kernel_snapshot"
    moved_from: str = ""  # the case whose golden it was compared with, if it is gone: accepting takes that away
    module_then: str = ""  # the digest of that case's module when it was gone; "" where there was no such file
    merge: tuple[str, ...] = ()  # a merge left it, in place of our side: what ours changed, and what this one did

    @property
    def case(self) -> Case:
        """The case that it is a golden of."""
        return Case(self.module, self.test, self.assertion)

    @property
    def name(self) -> str:
        """Case and target, as a reader calls it."""
        return f"{self.case} ({self.target})"

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """Which golden it is or would be; see `number_of_goldens`. Targets that would share one have it in common."""
        return self.goldens, str(self.case), self.text, self.replaces, self.resources, self.replaces_resources

    @cached_property
    def cost(self) -> Cost:
        """What it costs more than before, or less."""
        return cost_of(self.metrics, time_from(self.time))

    @cached_property
    def digest(self) -> str:
        """What a decision is about: equal only for the same texts in place of the same golden."""
        parts = (
            self.golden, self.text, self.replaces, self.resources, self.replaces_resources,
            self.moved_from, self.compared_with if self.moved_from else "",
        )  # fmt: skip
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @cached_property
    def change(self) -> Change:
        """What changed, in short, without the evidence."""
        # Imported late: what compares goldens takes longer to load than a list of pending ones.
        from kernelsnap.diff.metrics import MetricDelta
        from kernelsnap.diff.tree.change import Change
        from kernelsnap.golden.build import TOTAL

        deltas = (
            MetricDelta(TOTAL, name, kind.unit, kind.better, old, new)
            for name, old, new in self.metrics
            if (kind := _KINDS.get(name))
        )
        return Change(
            self.golden,
            "changed" if self.replaces else "new",
            str(self.case),
            self.target,
            self.layers,
            metrics=tuple(deltas),
            operations=frozenset(self.operations),
            time=time_from(self.time),
        )

    def to_json(self) -> str:
        """The text of the head's file: fields that have their default are left out, as are most of most heads."""
        values = ((spec.name, getattr(self, spec.name), spec.default) for spec in fields(self))
        said = {name: value for name, value, default in values if value != default and value != {}}
        return json.dumps({"format": FORMAT, **said}, ensure_ascii=False) + "\n"


_NO_TABLES: dict[str, Any] = {spec.name: {} for spec in fields(Pending) if callable(spec.default_factory)}
_ALL = {spec.name for spec in fields(Pending)}
_NEEDED = {spec.name for spec in fields(Pending) if spec.default is MISSING} - _NO_TABLES.keys()
_STR = {str}
_TEXTS = {spec.name for spec in fields(Pending) if spec.type == "str"}


def summary(change: Change) -> dict[str, Any]:
    """The fields of a head that say what changed, and what it is estimated to cost."""
    # Imported late: a list of pending goldens needs nothing of what compares them.
    from kernelsnap.diff.tree.estimates import with_estimate

    return {
        "group": change.fingerprint,
        "causes": tuple(name.value for name in change.cause_names) if change.status == "changed" else (NEW,),
        "layers": change.layers,
        "metrics": tuple((delta.name, delta.old, delta.new) for delta in change.metrics if delta.old != delta.new),
        "operations": tuple(sorted(change.operations)),
        "time": asdict(with_estimate(change).time),
        "findings": sum(len(cause.findings) for cause in change.causes),
        "details": details(finding for cause in change.causes for finding in cause.findings),
    }


def from_json(text: bytes | str, where: str) -> Pending:
    """The head in the text of a file; the files that it names are checked by `check`.

    Raises:
        PendingError: it is damaged, or of a newer kernelsnap.
    """
    try:
        content = parsed_json(text)
        if isinstance(content, dict) and content.pop("format", None) != FORMAT:
            raise PendingError(f"{where}: written by another release of kernelsnap; run the test again")
        for name in _TUPLES:
            if name in content:
                content[name] = tuple(content[name])
        if not _NEEDED <= content.keys() <= _ALL:
            raise ValueError(f"its fields are {', '.join(content)}")
        if wrong := _wrong_field(content):
            raise ValueError(f"{wrong} is {reprlib.repr(content[wrong])}")
        # What the initializer of a frozen class does, a field at a time: half of the time that a list would take.
        # Defaults that are no tables are attributes of the class.
        found = object.__new__(Pending)
        vars(found).update(_NO_TABLES | content)
        return found
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise _no_head(where, error) from None


def _wrong_field(content: Mapping[str, Any]) -> str:
    """The first field that has another type than it is declared with, or ""; each of ten thousand heads is checked."""
    for name, value in content.items():
        if type(value) is not str if name in _TEXTS else not _CHECKS[name](value):
            return name
    return ""


def _are_texts(values: Iterable[object]) -> bool:
    return {*map(type, values)} <= _STR


def _is_table(value: object) -> bool:
    return type(value) is dict and _are_texts(value.values())


def _are_metrics(value: Iterable[Sequence[object]]) -> bool:
    return all(len(moved) == 3 and type(moved[0]) is str and _are_numbers(moved[1:]) for moved in value)


def _are_details(value: Iterable[Sequence[object]]) -> bool:
    return all(len(detail) == 2 and _are_texts(detail) for detail in value)


def _are_sources(value: object) -> bool:
    return type(value) is dict and all(type(lines) is list and _are_texts(lines) for lines in value.values())


def _is_seen(value: object) -> bool:
    return value is None or (type(value) is list and None not in value and _are_numbers(value))


def _are_numbers(values: Sequence[object]) -> bool:
    """Whether each is a number that a golden can have, or none."""
    return all(value is None or (type(value) is int and abs(value) < _LARGEST) for value in values)


#: What decides whether a field has the type that it is declared with, for those that are no text.
_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys((spec.name for spec in fields(Pending) if spec.type == "dict[str, str]"), _is_table),
    **dict.fromkeys(("causes", "layers", "operations", "merge"), _are_texts),
    "metrics": _are_metrics,
    "details": _are_details,
    "sources": _are_sources,
    "seen": _is_seen,
    "findings": lambda value: value is not None and _are_numbers((value,)),
    "time": lambda value: type(value) is dict,
}


def check(found: Pending, where: str) -> None:
    """Refuse a head that names a file outside the goldens, or one that is no golden of its case.

    Raises:
        PendingError: it is such a head.
    """
    path, former = PurePosixPath(found.golden), PurePosixPath(found.compared_with)
    if found.moved_from and (former.is_absolute() or ".." in former.parts or former_case(found) is None):
        raise _no_head(where, f"{found.compared_with} is no golden of {found.moved_from}")
    try:
        own = file_name(found.case, found.target)
    except GoldenPathError as error:
        raise _no_head(where, error) from None
    if path.is_absolute() or ".." in path.parts or path.name != own or not is_possible(found.golden):
        raise _no_head(where, f"{found.golden} is no golden of {found.name}")


def former_case(entry: Pending) -> Case | None:
    """The case whose golden is moved; None where the file that held it is not called after it."""
    name = PurePosixPath(entry.compared_with).name
    with suppress(GoldenPathError):
        return next((case for case in readings(entry.moved_from) if file_name(case, label_in(name)) == name), None)
    return None


def _no_head(where: str, why: object) -> PendingError:
    return PendingError(f"{where}: not the head of a pending golden ({why}); delete it, or run the test again")
