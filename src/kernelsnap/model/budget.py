"""Budgets: upper limits on what a capture may need, which no update of goldens changes. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kernelsnap.errors import BudgetError, BudgetExceededError
from kernelsnap.shared.assigned import assigned

if TYPE_CHECKING:
    from kernelsnap.model.capture import Capture
    from kernelsnap.model.resources import KernelResources, Resources


@dataclass(frozen=True)
class Use:
    """How much of one budget a capture uses."""

    budget: str  #: what is limited, such as "kernels"
    limit: int
    used: int
    set_by: str = ""  #: where the budget is written; "" for the test itself
    case: str = ""  #: the golden's case that the capture was compared as; "" where the test itself checked it
    #: The kernels that exceed it, each with its number: `forward k1: 12`. Empty where it is a number of the whole.
    kernels: tuple[str, ...] = ()

    @property
    def exceeded(self) -> bool:
        """Whether the capture needs more."""
        return self.used > self.limit

    def __str__(self) -> str:
        """`spills: 8, at most 0: forward k1: 8`."""
        of = f" ({self.set_by})" if self.set_by else ""
        where = f": {', '.join(self.kernels)}" if self.kernels else ""
        return f"{self.budget}: {self.used:,}, at most {self.limit:,}{of}{where}"


#: What is limited for a capture as a whole. `kernels` counts launches, `bytes_accessed` is Inductor's own count.
_OF_CAPTURE: Mapping[str, Callable[[Capture], int]] = {
    "kernels": lambda capture: capture.kernels,
    "library_calls": lambda capture: capture.library_calls,
    "bytes_accessed": lambda capture: capture.bytes_accessed,
    "graphs": lambda capture: len(capture.graphs),
    "graph_breaks": lambda capture: len(capture.graph_breaks),
}
#: What is limited for every kernel, in every launch configuration: numbers of its machine code.
_OF_KERNEL: Mapping[str, Callable[[KernelResources], int]] = {
    "registers": lambda kernel: kernel.registers,
    "spills": lambda kernel: kernel.spills,
    "shared": lambda kernel: kernel.shared,
}
#: What can be limited.
BUDGETS = (*_OF_CAPTURE, *_OF_KERNEL)

_OBSERVED: ContextVar[list[Use] | None] = ContextVar("kernelsnap_budgets", default=None)


@contextlib.contextmanager
def observed() -> Iterator[list[Use]]:
    """Collect each use of a budget that is checked inside the block, whether it is exceeded or not."""
    uses: list[Use] = []
    with assigned(_OBSERVED, uses):
        yield uses


def checked(limits: Mapping[str, object]) -> dict[str, int]:
    """The limits, if each is one that there is and a number.

    Raises:
        BudgetError: one is not.
    """
    found: dict[str, int] = {}
    for name, limit in limits.items():
        if name not in BUDGETS:
            raise BudgetError(f"there is no budget of {name!r}: what can be limited is {', '.join(BUDGETS)}")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise BudgetError(f"a budget of {name} is a whole number of at least 0, not {limit!r}")
        found[name] = limit
    return found


def check(capture: Capture, limits: Mapping[str, object], set_by: str = "", case: str = "") -> None:
    """Hold a capture against budgets.

    Args:
        capture: what `kernelsnap.capture` returned.
        limits: the most that it may need, by name; see `Capture.check`.
        set_by: where the budgets are written, for messages.
        case: the golden's case, for a list of budgets.

    Raises:
        BudgetExceededError: it needs more: what, which kernels, and the whole plan.
        BudgetError: there is no such budget, or the number that it limits is not to be had for this capture.
    """
    wanted = checked(limits)
    uses = [Use(name, limit, _OF_CAPTURE[name](capture)) for name, limit in wanted.items() if name in _OF_CAPTURE]
    if of_kernels := {name: limit for name, limit in wanted.items() if name in _OF_KERNEL}:
        kernels = _machine_code(capture)
        uses += [_use_of_kernels(name, limit, kernels) for name, limit in of_kernels.items()]
    uses = [replace(use, set_by=set_by, case=case) for use in uses]
    if (seen := _OBSERVED.get()) is not None:
        seen += uses
    if over := [use for use in uses if use.exceeded]:
        raise BudgetExceededError("\n".join(["a budget is exceeded", *map(str, over), str(capture)]))


def _use_of_kernels(name: str, limit: int, kernels: Sequence[KernelResources]) -> Use:
    numbers = [(_OF_KERNEL[name](kernel), f"{kernel.graph} {kernel.kernel}") for kernel in kernels]
    worst: dict[str, int] = {}
    for number, kernel in numbers:
        worst[kernel] = max(number, worst.get(kernel, 0))
    over = tuple(f"{kernel}: {number:,}" for kernel, number in worst.items() if number > limit)
    return Use(name, limit, max(worst.values(), default=0), kernels=over)


def _machine_code(capture: Capture) -> Sequence[KernelResources]:
    """The numbers of all kernels, where all could be compiled."""
    resources: Resources | None = capture.compile(capture) if capture.compile else None
    if resources is None:
        raise BudgetError(
            f"{', '.join(_OF_KERNEL)} are numbers of the machine code, which only what kernelsnap.capture returned has"
        )
    defined = {
        (name, f"k{index}")
        for name, graph in zip(capture.graph_names, capture.graphs, strict=True)
        for index in range(len(graph.kernels))
    }
    for entry in resources.not_compiled:
        if (entry.graph, entry.kernel) in defined:
            raise BudgetError(f"{entry.graph} {entry.kernel} has no numbers of machine code: {entry.reason}")
    return resources.kernels
