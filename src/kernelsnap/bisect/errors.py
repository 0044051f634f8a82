"""The errors of a bisection: for its user, and within it for a step that cannot be run."""

from __future__ import annotations

from kernelsnap.errors import KernelsnapError


class BisectError(KernelsnapError):
    """A bisection cannot start, or cannot go on; nothing of the user's was changed."""


class NoChangeError(BisectError):
    """The answer is the same everywhere: there is no change to find."""


class DoesNotCollectError(BisectError):
    """pytest finds no case where it was looked for one."""


class PredicateError(BisectError):
    """A predicate is not written in the grammar of predicates, or names something that does not exist."""


class SkipStepError(Exception):
    """A step cannot be made ready (a build fails, a version does not import): its answer is unknown."""
