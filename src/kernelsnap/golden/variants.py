"""Variants of a golden: other ones for some releases of torch or triton, beside that of all others.

A golden is for a label: a target, or a target with the release series of torch, of triton, or of both that it is for.
Labels are used wherever a target is named: in file names, in the third line of a golden, in toolchain.toml.

    test_softmax.h100.ksnap                       h100, wherever no variant is for
    test_softmax.h100~torch2.14.ksnap             h100, with torch 2.14.0, 2.14.1, ...
    test_softmax.h100~triton3.8.ksnap             h100, with triton 3.8.*
    test_softmax.h100~torch2.14+triton3.8.ksnap   h100, with both

A machine reads the most specific one that there is: for both, else for torch, else for triton, else without a variant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

#: What a variant may be for, the more specific first.
PACKAGES = ("torch", "triton")
_MARK, _AND = "~", "+"
_SERIES = {name: rf"{name}\d+\.\d+" for name in PACKAGES}
_VARIANT = rf"{_MARK}(?:{_SERIES['torch']}(?:\{_AND}{_SERIES['triton']})?|{_SERIES['triton']})"
# .h100 and .h100~torch2.14, at the end of a name without its suffix
_LABEL = re.compile(rf"\.([^.~]+(?:{_VARIANT})?)\Z")
_WHOLE = re.compile(rf"([^.~]+)({_VARIANT})?\Z")


def label_of(target: str, versions: Mapping[str, str], packages: Collection[str] = PACKAGES) -> str:
    """The label of a target with these of the packages, by their versions; a package that is not there is left out."""
    found = [f"{name}{_series(versions[name])}" for name in PACKAGES if name in packages and versions.get(name)]
    return f"{target}{_MARK}{_AND.join(found)}" if found else target


def _series(version: str) -> str:
    from packaging.version import InvalidVersion, Version  # late: what only reads goldens needs nothing of it

    try:
        return "{}.{}".format(*(*Version(version).release, 0)[:2])
    except InvalidVersion:
        return "0.0"


def target_in(label: str) -> str:
    """The target that a label is for."""
    return label.partition(_MARK)[0]


def packages_in(label: str) -> tuple[str, ...]:
    """The packages whose releases a label names."""
    parts = label.partition(_MARK)[2].split(_AND)
    return tuple(name for name in PACKAGES if any(part.startswith(name) for part in parts))


def is_label(label: str) -> bool:
    """Whether a text may be a label, as far as its variant goes."""
    return bool(_WHOLE.match(label))


def fallbacks(label: str) -> tuple[str, ...]:
    """The labels that a machine with this one reads, the most specific first: the first that there is a golden for."""
    target, _, variant = label.partition(_MARK)
    parts = variant.split(_AND) if variant else []
    several = [variant] if len(parts) > 1 else []
    return (*(f"{target}{_MARK}{one}" for one in (*several, *parts)), target)


def most_specific(labels: Iterable[str], machine: str) -> str | None:
    """The label of these that a machine reads; None where it reads none of them."""
    there = set(labels)
    return next((label for label in fallbacks(machine) if label in there), None)


def is_of(label: str, versions: Mapping[str, str]) -> bool:
    """Whether a machine with these versions of torch and triton may read a label's golden."""
    return label in fallbacks(label_of(target_in(label), versions))


def split_name(name: str) -> tuple[str, str]:
    """The two parts of a golden's name, which has no suffix: its case's, and the label. ("", name) where it has none.

    This is the only place that takes names apart, for goldens, resources files and in toolchain.toml.
    """
    found = _LABEL.search(name)
    return (name[: found.start()], found[1]) if found else ("", name)


def stem_of(path: str) -> str:
    """What the paths of all files of a case have in common: a path without target and suffix."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{split_name(name.rpartition('.')[0])[0]}"
