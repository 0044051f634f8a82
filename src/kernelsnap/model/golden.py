"""What is stored, compared and reviewed: the canonical form of a capture. Imports no torch.

A `Golden` holds what is left of a `Capture` after the rules of `kernelsnap.normalize`. It never mentions a machine, a
path, a process-wide counter or a Python version.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from kernelsnap.errors import GoldenError
from kernelsnap.model.capture import Buffer, Candidate, FusedOp, LaunchConfig
from kernelsnap.model.resources import Resources
from kernelsnap.model.why import Why

#: Layers of a golden in the order that a reviewer asks: what runs, what it costs, then the code.
LAYERS = ("plan", "metrics", "config", "code")
#: The layer that stands in a file of its own, beside the golden: what the machine code needs.
RESOURCES = "resources"
#: The section that is never compared: the reasons of the compiler.
WHY = "why"


@dataclass(frozen=True)
class PlanStep:
    """One line of a plan: a kernel launch, a call into a library, or what the host code itself runs on the device."""

    name: str  # "k0", or the callee of an extern call
    kind: str  # a kernel's kind, or "extern" for everything else
    sizes: tuple[tuple[str, str], ...] = ()
    ops: tuple[FusedOp, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[Buffer, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What runs in one graph, in order."""

    graph: str  # "forward"; "forward.1" for the second graph after a graph break
    inputs: tuple[Buffer, ...]
    steps: tuple[PlanStep, ...]
    outputs: tuple[str, ...]
    memory: tuple[Buffer, ...] = ()  # what is read, is no input, and is not written before: constants, workspaces
    # The user's names of inputs, by the names that the code has for them; those that are not known are not there.
    names: tuple[tuple[str, str], ...] = ()
    results: tuple[str, ...] = ()  # for each output what it is, such as "grad(x)", or ""; () where none is known

    @property
    def buffers(self) -> dict[str, Buffer]:
        """What it takes, what is there, and what its steps write, by name."""
        written = {buffer.name: buffer for step in self.steps for buffer in step.writes}
        return written | {buffer.name: buffer for buffer in (*self.memory, *self.inputs)}


@dataclass(frozen=True)
class Metric:
    """One number of a golden. Its unit and direction stand in `kernelsnap.model.metrics.METRICS`."""

    graph: str  # "total" for the sum over all graphs
    name: str
    value: int


@dataclass(frozen=True)
class KernelConfig:
    """How one kernel may be launched."""

    graph: str
    kernel: str
    meta: tuple[tuple[str, str], ...]
    configs: tuple[LaunchConfig, ...]


@dataclass(frozen=True)
class KernelChoice:
    """What max-autotune had to choose from at one place of a graph, in words."""

    graph: str
    name: str  # "mm"; "mm.1" for the second choice of that name in its graph
    shared: tuple[tuple[str, str], ...]  # the settings that all candidates with settings have in common
    candidates: tuple[Candidate, ...]  # with the settings that tell them apart
    taken: int


@dataclass(frozen=True)
class Code:
    """A canonical piece of code: one kernel, or the host code of a graph."""

    graph: str
    name: str  # "k0", or "host"
    text: str


@dataclass(frozen=True)
class Golden:
    """The canonical form of a capture: what is stored and compared."""

    case: str
    target: str
    plan: tuple[Plan, ...]
    metrics: tuple[Metric, ...]
    config: tuple[KernelConfig, ...]
    code: tuple[Code, ...]
    graph_breaks: tuple[str, ...] = field(default=())
    refusal: str = ""
    layers: tuple[str, ...] = LAYERS  # those that it holds; of the others it says nothing
    choices: tuple[KernelChoice, ...] = ()  # part of the config layer
    shared_with: tuple[str, ...] = ()  # the other targets for which just this was generated
    # Of each target that has a file of them beside the golden; only where goldens are compared with their resources.
    resources: tuple[Resources, ...] = ()
    # Recorded and shown, never compared: a golden with other reasons, or without, is the same.
    why: tuple[Why, ...] = field(default=(), compare=False, repr=False)
    # As in `Capture`: where its text comes from, which is no part of what it says.
    templates: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)
    files: tuple[str, ...] = field(default=(), compare=False, repr=False)
    # Facts that torch gave kernels and that no table of `kernelsnap.normalize.meta` has: left out, and reported.
    unjudged: tuple[str, ...] = field(default=(), compare=False, repr=False)


def only_layers(names: Collection[str]) -> tuple[str, ...]:
    """The layers of these names as a golden holds them: in the order of `LAYERS`, the plan always among them."""
    return tuple(layer for layer in LAYERS if layer in names or layer == "plan")


def checked_layers(names: Collection[str]) -> tuple[str, ...]:
    """`only_layers` of names that a user wrote. Raises `GoldenError` for one that is no layer."""
    if isinstance(names, str):
        raise GoldenError(f'layers are given as several names, layers=("plan", "metrics"), not as {names!r}')
    for name in names:
        if name not in LAYERS:
            raise GoldenError(f"a golden has no layer {name!r}: its layers are {', '.join(LAYERS)}")
    return only_layers(names)


def with_layers(golden: Golden, layers: tuple[str, ...]) -> Golden:
    """The golden without its other layers."""
    return replace(
        golden,
        metrics=golden.metrics if "metrics" in layers else (),
        config=golden.config if "config" in layers else (),
        choices=golden.choices if "config" in layers else (),
        code=golden.code if "code" in layers else (),
        layers=tuple(layer for layer in golden.layers if layer in layers),
    )
