"""Makes Inductor's comment above a library call name the operation of that call, and no other.

The comment there names the nodes of the graph that the call came from: its own, and those of its inputs that are views
or were computed for it. Which of them is its own cannot be seen:

    # Topologically Sorted Source Nodes: [linear, gelu, linear_1], Original ATen: [aten.addmm, aten.gelu, aten.t]
    extern_kernels.addmm(primals_5, buf1, reinterpret_tensor(primals_4, (128, 64), (1, 128), 0), alpha=1, ...)

Inductor knows: it lists the node that it lowers before those of the inputs.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

from kernelsnap.capture import private
from kernelsnap.shared.private_names import require


@contextlib.contextmanager
def own_operations() -> Iterator[None]:
    """Inside the block the comment above a call into a library names the call's own operation, or none.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals that this needs.
    """
    require(*private.OF_CALLS)
    describe = private.DESCRIBE_CALL.get()

    def describe_own(node: Any, wrapper: Any) -> Any:
        graph = private.VIRTUALIZED.get().graph.module.graph
        # What a decomposition made, in a graph of its own, comes from the node that was decomposed.
        own = [o for o in node.origins if o.graph is graph and o.meta.get("original_aten")] or list(node.origins)
        alone = copy.copy(node)
        object.__setattr__(alone, "origins", type(node.origins)(own[:1]))  # a node of the IR is frozen
        return describe(alone, wrapper) if own else ("", "")

    with private.DESCRIBE_CALL.replaced(describe_own):
        yield
