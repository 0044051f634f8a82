"""Observes and refuses the decisions of a compile: FX passes, decompositions, patterns, lowerings, fusions.

`kernelsnap bisect --axis passes` searches them for the one that changed a golden.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.applications import asking
from kernelsnap.capture.run import kernels_optional
from kernelsnap.errors import UnsupportedTorchError
from kernelsnap.shared.private_names import release_of, require

#: Subsystems that torch's own bisector does not reach.
PATTERNS, FUSIONS = "patterns", "fusions"

#: Whether a decision is carried out, from its subsystem, its key ("": the description is the key) and its description.
Decide = Callable[[str, str, str], bool]

_LOWERINGS = "lowerings"
# Passes over functional forms of mutation and control flow that nothing later can read: no decision, and never refused.
_NEEDED = frozenset({
    "fix_auto_functionalized_dtype_views",
    "decompose_triton_kernel_wrapper_functional",
    "decompose_auto_functionalized",
    "decompose_scan_to_while_loop",
    "decompose_map_to_while_loop",
})  # fmt: skip
_MOST_NAMES = 6


@dataclass(frozen=True)
class Subsystem:
    """A part of the compiler that can be refused as a whole."""

    name: str
    setting: str = ""  # what is set to refuse it, where it is not asked about each application: "functorch.cse"
    value: Any = None


def subsystems() -> tuple[Subsystem, ...]:
    """What can be refused, in the order in which a compile comes to it.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals that this needs.
    """
    backends = private.BISECTOR_BACKENDS.get()
    for backend in _BACKENDS:
        if backend not in backends:
            raise UnsupportedTorchError(
                f"torch {release_of('torch')} has no {backend!r} in {private.BISECTOR_BACKENDS}: the passes of this "
                "torch cannot be searched yet"
            )
    known = [
        _subsystem(entry, "" if backend == "inductor" else "functorch.")
        for backend in _BACKENDS
        for entry in backends[backend]
    ]
    lowerings = [entry for entry in known if entry.name == _LOWERINGS]
    before = [entry for entry in known if entry.name != _LOWERINGS]
    return (*before, Subsystem(PATTERNS), *lowerings, Subsystem(FUSIONS))


# Of torch's backends, those whose subsystems a compile with Inductor goes through.
_BACKENDS = ("aot_eager_decomp_partition", "inductor")


def _subsystem(entry: Any, prefix: str) -> Subsystem:
    if isinstance(entry, private.CONFIG_CHANGE.get()):
        return Subsystem(entry.config_field, prefix + entry.config_field, entry.config_value)
    return Subsystem(entry.name)


@contextlib.contextmanager
def deciding(decide: Decide) -> Iterator[None]:
    """Ask `decide` about each decision of every compile inside the block; what it refuses is not done.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals that this needs.
    """
    require(*private.OF_FUSIONS, private.ARE_MIX_ORDER, private.VIRTUALIZED)
    names = {subsystem.name for subsystem in subsystems()}
    graphs = 0

    def allows(subsystem: str, describe: Callable[[], str]) -> bool:
        text = describe() if subsystem in names else ""
        return not text or text in _NEEDED or decide(subsystem, "", _words(subsystem, text))

    def applies(pattern: str, match: Any) -> bool:
        replaced = ", ".join(found.name for found in match.nodes)
        return pattern in _NEEDED or decide(PATTERNS, "", f"{pattern} on {replaced}")

    def fuse_nodes(self: Any, nodes: Any) -> Any:
        nonlocal graphs
        graphs += 1
        return original_fuse_nodes(self, nodes)

    def fuse_two_nodes(self: Any, node1: Any, node2: Any, fused_nodes: Any) -> Any:
        names = sorted((node1.get_name(), node2.get_name()))
        if decide(FUSIONS, f"graph {graphs}: {' '.join(names)}", _fusion(self, node1, node2)):
            return original_fuse_two_nodes(self, node1, node2, fused_nodes)
        return node1

    def fuse_if_speedup(self: Any, node1: Any, node2: Any, speedup_fn: Any, fused_nodes: Any) -> Any:
        done = original_fuse_if_speedup(self, node1, node2, speedup_fn, fused_nodes)
        return done and self.get_fused_node(node1) is self.get_fused_node(node2)

    original_fuse_nodes = private.FUSE_NODES.get()
    original_fuse_two_nodes = private.FUSE_TWO_NODES.get()
    original_fuse_if_speedup = private.FUSE_IF_SPEEDUP.get()
    replacements = [
        # An operation that was refused its decomposition becomes a library call.
        (private.MAKE_FALLBACK_OF_GRAPH, functools.partial(private.MAKE_FALLBACK.get(), override_decomp=True)),
        (private.FUSE_NODES, fuse_nodes),
        (private.FUSE_TWO_NODES, fuse_two_nodes),
        (private.FUSE_IF_SPEEDUP, fuse_if_speedup),
    ]
    with asking(allows, applies), contextlib.ExitStack() as stack:
        for name, replacement in replacements:
            stack.enter_context(name.replaced(replacement))
        stack.enter_context(kernels_optional())
        yield


def _words(subsystem: str, text: str) -> str:
    """An application in words, with the operation where torch names only a node."""
    if subsystem == _LOWERINGS:
        return f"{private.VIRTUALIZED.get().get_current_node().target} at {text}"
    return text


def _fusion(self: Any, node1: Any, node2: Any) -> str:
    """A fusion in words: what is fused into what, how they are connected, and Inductor's score for it."""
    if node1.is_template():
        how = "epilogue of a template"
    elif node2.is_template():
        how = "prologue of a template"
    elif node1.is_foreach() or node2.is_foreach():
        how = "foreach"
    elif private.ARE_MIX_ORDER.get()(node1, node2):
        how = "reductions in mixed order"
    elif node1.get_operation_names() & node2.ancestors:
        how = "vertical"
    else:
        how = "horizontal"
    score = self.score_fusion_memory(node1, node2)
    return f"fuse {_node(node2)} into {_node(node1)}, {how}, score {score}"


def _node(node: Any) -> str:
    """A scheduler node by its buffers, and the operations of the program that it computes."""
    parts = node.get_nodes()
    origins = {
        origin.name
        for part in parts
        if part.node is not None
        for origin in part.node.get_origins()
        if origin.op == "call_function"
    }
    return f"{_some([part.get_name() for part in node.get_outputs()])} ({_some(sorted(origins))})"


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMES])} and {more} more"
