"""Names of places in the page. They are made from what a place is about, so a link to one survives the next report."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 80
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


def case_id(name: str) -> str:
    """The place of a golden, from its path: `test-fusion-fusiontests-test-softmax-h100-1f0c4a9b`.

    The end tells apart paths that read the same in lower case and without punctuation.
    """
    return f"{_plain(name.removesuffix('.ksnap'))[:_LONGEST].strip('-')}-{_digest(name)}"


def graph_id(case: str, graph: str) -> str:
    """The place of a graph's plan within its golden's place: `….forward`, `….forward-1` for `forward.1`."""
    return f"{case}.{_plain(graph)}"


def part_id(case: str, graph: str, part: str) -> str:
    """The place of a kernel or of host code within its golden's place: `….forward.k1`."""
    place = f"{graph_id(case, graph)}.{_plain(part)}"
    # Only the name of a kernel that a user wrote can lose anything here.
    return place if _plain(part) == part else f"{place}-{_digest(part)}"


def _plain(text: str) -> str:
    return _NOT_PLAIN.sub("-", text.lower()).strip("-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
