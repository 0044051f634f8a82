"""Digests of goldens and of files, by which a later command sees whether one was changed."""

from __future__ import annotations

import hashlib

from kernelsnap.golden.why_section import without_why


def digest_of(text: str) -> str:
    """A digest of a golden's text in format 1, without the line that names the targets which share it.

    Nor is the section `why` in it, which is never compared.
    """
    text = without_why(text)
    first, _, rest = text.partition("\n")
    case, _, rest = rest.partition("\n")
    return hashlib.sha256(
        "\n".join((first, case, rest.partition("\n")[2])).encode("utf-8", "surrogatepass")
    ).hexdigest()


def digest_of_file(text: str) -> str:
    """A digest of a text as it is."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
