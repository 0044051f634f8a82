"""Which pending goldens a command is about: by case, pattern, target, cause, group and layer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kernelsnap.golden.variants import target_in
from kernelsnap.pending.entry import Pending, PendingError
from kernelsnap.shared.wording import listed

#: How many names an error lists.
_LISTED = 8
#: What is before a part of a case's name, and after it.
_BEFORE, _AFTER = "/:.", r"/:\[@."


@dataclass(frozen=True)
class Filter:
    """What is selected: what meets each of the conditions that are given."""

    cases: tuple[str, ...] = ()  # node ids, parts of them, or patterns with * and ?
    targets: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()  # selects what has no other cause than these
    groups: tuple[str, ...] = ()  # fingerprints, or beginnings of them
    layers: tuple[str, ...] = ()  # selects what differs in no other layer than these
    without: tuple[str, ...] = ()  # as `cases`: what is left out

    @property
    def is_empty(self) -> bool:
        """Whether no condition is given but what is left out."""
        return not (self.cases or self.targets or self.causes or self.groups or self.layers)

    def select(self, entries: Sequence[Pending]) -> list[Pending]:
        """Those that meet the conditions.

        Raises:
            PendingError: a condition is met by none of them, or all together are; the message has what there is.
        """
        if not entries:
            raise PendingError("nothing is pending")
        found = {entry.golden: entry for entry in entries}
        for option, values, there in self._conditions(entries):
            if not values:
                continue
            met: set[str] = set()
            for value in values:
                one = {entry.golden for entry in _meeting(entries, option, value)}
                if not one:
                    raise PendingError(f"{option} {value}: nothing that is pending matches. There is: {there()}")
                met |= one
            found = {name: entry for name, entry in found.items() if (name in met) != (option == "--except")}
        found = {name: entry for name, entry in found.items() if self._has_nothing_else(entry)}
        if not found:
            raise PendingError(
                f"nothing that is pending matches all of this; what has other causes or layers, too, does not. "
                f"There is: {_cases(entries)}; with the causes {_counted(', '.join(e.causes) for e in entries)}; "
                f"in the layers {_counted(', '.join(e.layers) for e in entries)}"
            )
        return list(found.values())

    def _conditions(self, entries: Collection[Pending]) -> Iterator[tuple[str, tuple[str, ...], Callable[[], str]]]:
        """Each condition: its option, its values, and what there is to choose from."""
        yield "case", self.cases, lambda: _cases(entries)
        yield "--except", self.without, lambda: _cases(entries)
        yield "--target", self.targets, lambda: _counted(entry.target for entry in entries)
        yield "--group", self.groups, lambda: _counted(entry.group for entry in entries)
        yield "--cause", self.causes, lambda: _counted(name for entry in entries for name in entry.causes)
        yield "--layer", self.layers, lambda: _counted(name for entry in entries for name in entry.layers)

    def _has_nothing_else(self, entry: Pending) -> bool:
        causes = not self.causes or {*entry.causes} <= {*self.causes}
        return causes and (not self.layers or {*entry.layers} <= {*self.layers})


def _meeting(entries: Collection[Pending], option: str, value: str) -> list[Pending]:
    """The entries that meet one condition."""
    if option == "--target":
        return [entry for entry in entries if value in (entry.target, target_in(entry.target))]
    if option == "--group":
        return [entry for entry in entries if entry.group.startswith(value)]
    if option == "--cause":
        return [entry for entry in entries if value in entry.causes]
    if option == "--layer":
        return [entry for entry in entries if value in entry.layers]
    # A case that is named in full is meant alone, also where it begins the names of others.
    exact = [entry for entry in entries if value in (str(entry.case), *_paths(entry))]
    pattern = _pattern(value)
    return exact or [entry for entry in entries if _is_called(entry, pattern)]


def _is_called(entry: Pending, pattern: re.Pattern[str]) -> bool:
    """Whether an entry's case or golden has such a part."""
    return any(pattern.search(name) for name in (str(entry.case), *_paths(entry)))


def _pattern(wanted: str) -> re.Pattern[str]:
    """Finds these words between separators; only * and ? have a meaning: brackets are those of a test's parameters."""
    inside = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in wanted)
    end = "" if wanted.endswith("/") else f"(?:$|(?=[{_AFTER}]))"
    return re.compile(f"(?:^|(?<=[{_BEFORE}])){inside or '(?!)'}{end}")


def _paths(entry: Pending) -> tuple[str, str]:
    return entry.golden, f"{entry.goldens}/{entry.golden}"


def _cases(entries: Collection[Pending]) -> str:
    return listed([entry.name for entry in entries], _LISTED)


def _counted(values: Iterable[str]) -> str:
    return listed((f"{value} ({number})" for value, number in Counter(values).most_common()), _LISTED)
