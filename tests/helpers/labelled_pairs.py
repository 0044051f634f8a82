"""Pairs of goldens that really differ in something, with the causes that a careful reviewer names."""

from __future__ import annotations

import io
import tarfile
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from kernelsnap.diff.compare import Diff, compare
from kernelsnap.diff.tree.change import Change, changed
from kernelsnap.golden.format import parse
from kernelsnap.model.golden import Golden

FOLDER = Path(__file__).parents[1] / "data" / "diff_pairs"


@cache
def _labels() -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / "labels.toml").read_text())


@cache
def labels() -> dict[str, list[str]]:
    """The causes of each pair that differs; docs/contributing/labelling.md says how they were found."""
    return {name: label["causes"] for name, label in _labels().items() if label["causes"]}


def unchanged() -> list[str]:
    """The pairs in which nothing differs but hints, which are not compared."""
    return [name for name, label in _labels().items() if not label["causes"]]


def sets() -> dict[str, str]:
    """The set that each pair belongs to, as in docs/contributing/accuracy.md."""
    return {name: label["set"] for name, label in _labels().items()}


@cache
def sides() -> dict[str, dict[str, bytes]]:
    """The files of each pair that differs: `old` and `new`."""
    return {name: pair for name, pair in files().items() if name in labels()}


def every_second() -> list[str]:
    """Half of the pairs that differ, some of each set: enough to show what holds of any pair, whatever its causes."""
    return sorted(sides())[::2]


@cache
def files() -> dict[str, dict[str, bytes]]:
    """The files of each pair, also of those in which nothing differs but hints."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(FOLDER / "pairs.tar.xz") as archive:
        for entry in archive:
            name, _, side = entry.name.partition("/")
            content = archive.extractfile(entry)
            assert isinstance(content, io.BufferedIOBase)
            found.setdefault(name, {})[side.removesuffix(".ksnap")] = content.read()
    return found


@cache
def goldens(name: str) -> tuple[Golden, Golden]:
    """The old and the new golden of a pair."""
    old, new = (parse(sides()[name][side].decode()) for side in ("old", "new"))
    return old, new


@cache
def diff(name: str) -> Diff:
    """What a pair differs in, in full. All tests share it: what it computes when it is asked is computed once."""
    return compare(*goldens(name))


@cache
def inferred(name: str) -> list[str]:
    """The causes of a pair whose goldens have no operations: what plans and code let one infer."""
    old, new = (
        replace(golden, why=tuple(replace(why, operations=()) for why in golden.why)) for golden in goldens(name)
    )
    return sorted(cause.name for cause in compare(old, new).causes)


@cache
def change(name: str) -> Change:
    """What the change of a pair comes to: its causes, and what each costs."""
    assert not diff(name).same, f"{name}: both sides are the same"
    return changed("case.h100.ksnap", diff(name), goldens(name)[1])


@cache
def is_right(name: str) -> bool:
    """Whether exactly the causes of a pair are found."""
    return sorted(change(name).cause_names) == sorted(labels()[name])
