"""Gives what was read of host code its final names, and checks them: every name in a plan comes from somewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from kernelsnap.capture.read.host_state import REPORT, Step
from kernelsnap.capture.read.host_values import Memory, Tensor, Value
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import Buffer, Call


@dataclass(frozen=True)
class HostCode:
    """What the host code of one graph does."""

    calls: tuple[Call, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[str, ...]
    memory: tuple[Buffer, ...] = ()  # what is read, is no input, and is not written before: constants, workspaces


def host_result(
    steps: Sequence[Step],
    inputs: Sequence[Memory],
    returned: Iterable[tuple[str, Value]],
    value: Callable[[Memory], tuple[Memory, ...]],
) -> HostCode:
    """The steps that were read, as calls; `value` tells whose value is in a memory at the end.

    Raises:
        UnreadableCodeError: one name would stand for two values, so that a line would read what it does not.
    """
    outputs = [
        (text, [v for m in found.memories for v in value(m)] if isinstance(found, Tensor) else [])
        for text, found in returned
    ]
    memory = tuple(_never_written(steps, inputs, [m for _, memories in outputs for m in memories]))
    _check_names(steps, [*inputs, *memory], [m for _, memories in outputs for m in memories])
    return HostCode(
        calls=tuple(
            Call(
                step.kind,
                step.name,
                tuple(dict.fromkeys(memory.buffer.name for memory in step.reads)),
                tuple({memory.buffer.name: memory.buffer for memory in step.writes}.values()),
                step.ops,
            )
            for step in steps
        ),
        inputs=tuple(memory.buffer for memory in inputs),
        # What is in one of several, by the branch that was taken: `arg0_1 or buf1`.
        outputs=tuple(
            " or ".join(dict.fromkeys(memory.buffer.name for memory in memories)) or text for text, memories in outputs
        ),
        memory=tuple({memory.buffer.name: memory.buffer for memory in memory}.values()),
    )


def _never_written(steps: Iterable[Step], inputs: Iterable[Memory], outputs: Iterable[Memory]) -> Iterator[Memory]:
    """What is read before any line writes it, in order."""
    known = set(inputs)
    for step in steps:
        yield from (memory for memory in step.reads if memory not in known)
        known |= {*step.reads, *step.writes}
    yield from (memory for memory in dict.fromkeys(outputs) if memory not in known)


def _check_names(steps: Sequence[Step], given: Iterable[Memory], outputs: Sequence[Memory]) -> None:
    """Follow the plan by its names: what a line reads under a name must be what was last written under it."""
    reads = [(step.line, step.reads) for step in steps] + [("return", tuple(outputs))]
    alike: defaultdict[Memory, set[Memory]] = defaultdict(set)  # written in branches that meet, under one name
    for _, memories in reads:
        for memory in memories:
            alike[memory] |= {other for other in memories if other.buffer.name == memory.buffer.name}
    current = {memory.buffer.name: {memory} for memory in given}
    for (line, memories), step in zip_longest(reads, steps):
        for memory in memories:
            if memory not in current.get(memory.buffer.name, ()):
                raise UnreadableCodeError(
                    f"the line `{line}` of the host code reads {memory.buffer.name}, whose value kernelsnap cannot "
                    f"follow to the line that wrote it: {REPORT}"
                )
        for memory in step.writes if step else ():
            current[memory.buffer.name] = {memory} | (alike[memory] & current.get(memory.buffer.name, set()))
