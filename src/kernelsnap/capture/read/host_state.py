"""What is known while host code is read: which memory holds whose value, and what has run so far."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, NoReturn

from kernelsnap.capture.read.host_values import Memory, Tensor, Value, copied, either_names
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import Buffer, FusedOp, Kernel

#: What an error asks for that no user can have caused.
REPORT = "please report this, with the host code of the graph (`TORCH_LOGS=output_code`)"


@dataclass(frozen=True)
class Step:
    """A call that runs on the device; its memories have their final names only at the end."""

    kind: Literal["launch", "extern"]
    name: str
    reads: tuple[Memory, ...]
    writes: tuple[Memory, ...]
    line: str
    ops: tuple[FusedOp, ...] = ()


@dataclass
class HostState:
    """The state of a walk over the statements of host code in the order in which they run."""

    kernels: Mapping[str, Kernel]
    functions: Mapping[str, ast.FunctionDef]
    lines: Sequence[str]
    globals: Mapping[str, Value]
    types: Mapping[str, Buffer]  # types and shapes of inputs and constants
    on_cpu: frozenset[str] = frozenset()  # those that are in the host's own memory
    names: dict[str, Value] = field(default_factory=dict)  # of the function that is read
    held: dict[Memory, tuple[Memory, ...]] = field(default_factory=dict)  # whose value is in it, if not its own
    filled: set[Memory] = field(default_factory=set)  # memory that has a value
    steps: list[Step] = field(default_factory=list)
    inputs: list[Memory] = field(default_factory=list)
    depth: int = 0
    statement: ast.stmt | None = None
    target: str = ""  # the name that the statement gives to its result

    @property
    def line(self) -> str:
        """The statement that is read, as it is written."""
        return self.lines[self.statement.lineno - 1].strip() if self.statement else ""

    def fail(self, what: str) -> NoReturn:
        """Raise `UnreadableCodeError` for the statement that is read."""
        raise UnreadableCodeError(f"the host code {what.rstrip(',')}, in the line `{self.line}`: {REPORT}")

    def step(
        self,
        kind: Literal["launch", "extern"],
        name: str,
        reads: Iterable[Tensor],
        writes: Iterable[Tensor],
        ops: tuple[FusedOp, ...] = (),
    ) -> None:
        """Record a call; from here on what it writes holds its own value."""
        written = dict.fromkeys(memory for tensor in writes for memory in tensor.memories)
        values = (value for tensor in reads for memory in tensor.memories for value in self.value(memory))
        # Nothing is in memory that was only allocated: what reads it and writes it reads what it wrote itself.
        read = dict.fromkeys(value for value in values if value in self.filled or value not in written)
        self.filled |= written.keys()
        self.steps.append(Step(kind, name, tuple(read), tuple(written), self.line, ops))
        for memory in written:
            self.held.pop(memory, None)

    def value(self, memory: Memory) -> tuple[Memory, ...]:
        """Those whose value is in a memory: its own, or that of memory which it took over."""
        return self.held.get(memory, (memory,))

    def new(self, dtype: str = "", shape: tuple[str, ...] | None = None, on_cpu: bool = False) -> Tensor:
        """A tensor in memory of its own, under the name that the statement gives to its result."""
        # A place in a list is no name: `buf0[1] = arg0_1.clone()` gets one later.
        is_name = isinstance(self.statement, ast.Assign) and isinstance(self.statement.targets[0], ast.Name)
        depth = self.depth if is_name else self.depth + 1
        return Tensor((Memory(Buffer(self.target, dtype, shape), depth, on_cpu),), dtype, shape)

    def taken_over(self, source: Tensor) -> Tensor:
        """A tensor in memory that held another until now, whose value is still in it."""
        taken = self.new(source.dtype, source.shape, source.on_cpu)
        self.held[taken.memories[0]] = tuple(dict.fromkeys(v for m in source.memories for v in self.value(m)))
        return taken

    def bind(self, name: str, value: Value) -> None:
        """Give a value a name. What a subgraph made and returned is known by its caller's name for it."""
        self.names[name] = value
        if isinstance(value, Tensor):
            for memory in value.memories:
                if memory.buffer == Buffer(name):  # the result of an operator, whose type was seen only now
                    memory.buffer = Buffer(name, value.dtype, value.shape)
            for memory in (*value.memories, *(v for m in value.memories for v in self.value(m))):
                if memory.depth > self.depth and not memory.given:
                    memory.buffer, memory.depth = replace(memory.buffer, name=name), self.depth

    @contextmanager
    def subgraph(self) -> Iterator[None]:
        """Inside the block names are those of another function."""
        names, statement, target = self.names, self.statement, self.target
        self.names, self.depth = {}, self.depth + 1
        yield
        self.names, self.statement, self.target, self.depth = names, statement, target, self.depth - 1

    def branches(self, one: Callable[[], None], other: Callable[[], None]) -> None:
        """Read two pieces of code of which one runs: afterwards a name stands for either value."""
        names, before = {name: copied(value) for name, value in self.names.items()}, dict(self.held)
        one()
        names, self.names = self.names, names
        held, self.held = self.held, dict(before)
        other()
        self.names = either_names(names, self.names)
        for memory in {*held, *self.held}:
            # Memory that is its own again was written; a memory that only one side knows was made there.
            own = (memory,) if memory in before else ()
            self.held[memory] = tuple(dict.fromkeys((*held.get(memory, own), *self.held.get(memory, own))))
