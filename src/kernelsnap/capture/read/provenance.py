"""Reads the comments in which Inductor names the operations that a kernel came from.

They are above every kernel definition and every call of the host code:

    # Topologically Sorted Source Nodes: [layer_norm, relu], Original ATen: [aten.native_layer_norm, aten.relu]
    # Source node to ATen node mapping:
    #   layer_norm => add, mul, rsqrt, sub, var_mean
    # Graph fragment:
    #   %x : Tensor "f32[64, 1024][1024, 1]cuda:0" = PlaceHolder[target=x]
    #   %add : Tensor "f32[64, 1]..."[num_users=1] = call_function[target=torch.ops.aten.add.Tensor](args = (%a, ...

Where the operations come from several graphs, as those of a subgraph do, they are called "Unsorted" and have no
fragment: what each expression became is then known by the names of its nodes, in no order.

Written by `torch._inductor.utils.get_kernel_metadata`; checked on torch 2.11 to 2.13. A comment that is missing costs
the plan its names, never its kernels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kernelsnap.model.capture import VIEWS, Buffer, Call, FusedOp

# # Topologically Sorted Source Nodes: [softmax, sum_1], Original ATen: [aten._softmax, aten.sum]
_SOURCES = re.compile(r"#\s*(Topologically Sorted|Unsorted) Source Nodes: \[([^#]*?)\], Original ATen: \[([^\[\]]*)\]")
# #   softmax => div, exp_default, sub_tensor
_MAPPING = re.compile(r"#\s+(\S+) => (.+)")
# #   %sum_2 : Tensor "f32[1024][1]cuda:0"[num_users=1] = call_function[target=torch.ops.aten.sum.dim_IntList](args =
_NODE = re.compile(r"#\s+%(\w+) : .*?= call_function\[target=([^\[\]]+)\]")
# #   %relu : Tensor "f32[64, 1024][1024, 1]cuda:0" = PlaceHolder[target=relu]
_INPUT = re.compile(r'#\s+%(\w+) : Tensor (?:"(\w+)\[([^\]]*)\][^"]*")?\s*= PlaceHolder\[')
# The operators that a kernel of the user's is in a graph.
_USER_KERNELS = tuple(f"higher_order.triton_kernel_wrapper_{kind}" for kind in ("functional", "mutation"))
# sum_2: the second node of that name
_NUMBER = re.compile(r"_\d+\Z")


@dataclass(frozen=True)
class Provenance:
    """The content of one comment block."""

    ops: tuple[FusedOp, ...] = ()
    inputs: tuple[Buffer, ...] = ()  # what the kernel is given, in the order of its arguments
    in_order: bool = True  # whether the last operation is the one that the others lead to


def provenance(comment: Sequence[str]) -> Provenance:
    """The operations that a comment block names, and what a kernel is given, with types and shapes."""
    sources: list[str] = []
    in_order = True
    original: list[str] = []
    mapping: dict[str, str] = {}  # ATen node -> source node
    nodes: list[tuple[str, str]] = []  # (ATen node, operation) in graph order
    inputs: dict[str, Buffer] = {}
    for line in comment:
        if match := _SOURCES.search(line):
            in_order = match.group(1) != "Unsorted"
            sources = [name for name in match.group(2).split(", ") if name]
            original = [_operation(name) for name in match.group(3).split(", ") if name]
        elif match := _NODE.match(line.strip()):
            nodes.append((match.group(1), _operation(match.group(2))))
        elif match := _MAPPING.match(line.strip()):
            mapping |= dict.fromkeys(match.group(2).split(", "), match.group(1))
        if match := _INPUT.match(line.strip()):
            name, dtype, shape = match.groups()
            sizes = tuple(shape.split(", ")) if shape else ()
            inputs[name] = Buffer(name, dtype or "", sizes if dtype else None)
    if nodes:
        by_source = {source: tuple(op for node, op in nodes if mapping.get(node) == source) for source in sources}
        ops = [FusedOp(source, aten) for source, aten in by_source.items() if aten]
        if rest := tuple(op for node, op in nodes if mapping.get(node) not in by_source):
            ops.append(FusedOp("", rest))
    elif mapping:
        ops = [
            FusedOp(source, tuple(_NUMBER.sub("", node) for node, origin in mapping.items() if origin == source))
            for source in sources
        ]
    else:
        ops = [FusedOp(", ".join(sources), tuple(original))] if original else []
    return Provenance(tuple(ops), tuple(inputs.values()), in_order)


def called_operation(path: str, comment: Sequence[str]) -> tuple[FusedOp, ...]:
    """The operation of a call into a library, from the comment above it; nothing where it cannot be told.

    Inductor also names there what the call's inputs came from. A capture has it name the call's own node alone
    (`kernelsnap.capture.hooks.own_operations`); in other text it is the one that the callee is named after.
    """
    said = provenance(comment)
    sources = [source for op in said.ops for source in op.source.split(", ")]
    named = [aten for op in said.ops for aten in op.aten]
    computed = [aten for aten in named if aten not in VIEWS] or named
    called = _called(path)
    if len(computed) == 1 or called in computed:
        op = called if called in computed else computed[0]
        # Its own source is the last of all, if it is the last operation.
        own = len(sources) == 1 or (said.in_order and op == named[-1])
        return (FusedOp(sources[-1] if own else "", (op,)),)
    return ()


def without_called(ops: Iterable[FusedOp], calls: Iterable[Call]) -> tuple[FusedOp, ...]:
    """The operations of a kernel without those that are calls of the host code, or kernels of the user's.

    Inductor names them above each kernel that computes an input of theirs.
    """
    called = {_called(call.name) for call in calls if call.kind == "extern"}
    others = {name for name in called if "." in name}.union(_USER_KERNELS)
    kept = (replace(op, aten=tuple(name for name in op.aten if name not in others)) for op in ops)
    return tuple(op for op in kept if op.aten)


def _called(path: str) -> str:
    """`mm` of `extern_kernels.mm`; `mylib.op` of `torch.ops.mylib.op.default`."""
    namespace, *rest = path.removeprefix("torch.ops.").split(".")
    return rest[0] if namespace in ("aten", "extern_kernels") and rest else ".".join([namespace, *rest[:1]])


def _operation(target: str) -> str:
    """`torch.ops.aten.sum.dim_IntList` and `aten.sum` are both `sum`; other namespaces keep theirs: `prims.iota`."""
    namespace, *rest = target.removeprefix("torch.ops.").split(".")
    name = ".".join(rest[:1] if namespace == "aten" else [namespace, *rest[:1]])
    return name.replace(" ", "_")  # a golden separates operations by spaces: <built-in function getitem>
