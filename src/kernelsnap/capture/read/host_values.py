"""What the names of host code stand for: tensors and the memory they are in, lists of them, what refers to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kernelsnap.model.capture import Buffer


@dataclass(eq=False)
class Memory:
    """Memory of its own: an input, an allocation, or the result of a call. Views of it have the same."""

    buffer: Buffer  # with the name that the plan shows when it is written
    depth: int = 0  # how deep in calls of subgraphs its name is from: a caller's name for it is better
    on_cpu: bool = False
    given: bool = False  # an input, which has a value before anything runs


@dataclass(frozen=True)
class Tensor:
    """A tensor, or a view of one. It may be in one of several memories where branches met."""

    memories: tuple[Memory, ...]
    dtype: str = ""
    shape: tuple[str, ...] | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether it is known to be in the host's own memory."""
        return all(memory.on_cpu for memory in self.memories)


@dataclass(frozen=True)
class Reference:
    """What reaches tensors without being one: a descriptor, a pointer, a text that shows them."""

    tensors: tuple[Tensor, ...]


@dataclass
class Items:
    """A list or tuple. Changed in place, as a list of Python is."""

    elements: list[Value]


# None: a number, a stream, a literal: nothing that reaches a tensor.
Value = Tensor | Reference | Items | None


def tensors_in(value: Value) -> Iterator[Tensor]:
    """The tensors that a value is, holds or refers to, in order."""
    match value:
        case Tensor():
            yield value
        case Reference(tensors):
            yield from tensors
        case Items(elements):
            for element in elements:
                yield from tensors_in(element)


def memories_in(values: Iterable[Value]) -> tuple[Memory, ...]:
    """The memories of all tensors in some values, each once."""
    return tuple(dict.fromkeys(m for value in values for tensor in tensors_in(value) for m in tensor.memories))


def copied(value: Value) -> Value:
    """The value with lists of its own, so that what one branch puts into a list is not in the other branch's."""
    return Items([copied(element) for element in value.elements]) if isinstance(value, Items) else value


def either(one: Value, other: Value) -> Value:
    """What a name stands for after two branches that leave it with these values."""
    match one, other:
        case Tensor(), Tensor():
            return replace(one, memories=tuple(dict.fromkeys((*one.memories, *other.memories))))
        case Items(ours), Items(theirs) if len(ours) == len(theirs):
            return Items([either(*pair) for pair in zip(ours, theirs, strict=True)])
        # What each turn of a loop added to a list is not in the list of one that never ran.
        case Items(ours), Items(theirs):
            return Items(max(ours, theirs, key=len))
    return other if one is None else one


def either_names(ours: Mapping[str, Value], theirs: Mapping[str, Value]) -> dict[str, Value]:
    """The names after two branches; a name that one of them deleted is as the other left it."""
    return {name: either(ours.get(name), theirs.get(name)) for name in {**theirs, **ours}}
