"""How the estimate says that it does not know."""

from __future__ import annotations


class CannotTellError(Exception):
    """There is no estimate, for the reason in the message. It never leaves `kernelsnap.cost`: it becomes its result."""
