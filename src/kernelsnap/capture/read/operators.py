"""What an operator does to the tensors that it is given, by its schema: what it reads, writes and returns.

aten::sum.dim_IntList(Tensor self, int[1]? dim, ...) -> Tensor          reads self, returns a new tensor
aten::index_put_(Tensor(a!) self, Tensor?[] indices, ...) -> Tensor(a!)  reads and writes self, and returns it
aten::mm.out(Tensor self, Tensor mat2, *, Tensor(a!) out) -> Tensor(a!)  writes out
aten::slice.Tensor(Tensor(a) self, ...) -> Tensor(a)                     a view: nothing runs on the device
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from kernelsnap.capture.read.host_values import Items, Reference, Tensor, Value, tensors_in

# The namespaces of operators, as the generated code abbreviates them. `extern_kernels.mm` is the library's `aten.mm`.
_ALIASES = {
    "aten": "torch.ops.aten",
    "extern_kernels": "torch.ops.aten",
    "inductor_ops": "torch.ops.inductor",
    "_quantized": "torch.ops._quantized",
}
# Operators that write their first argument, or that return a view, without a word of it in their schema.
_WRITE_FIRST = ("inductor::accumulate_grad_", "inductor::resize_storage_bytes_")
_VIEWS = ("inductor::_alloc_from_pool", "inductor::_reinterpret_tensor")
# Operators that write their first argument and take nothing of what was in it: no schema tells.
_OVERWRITE = ("aten::copy_", "aten::fill_", "aten::zero_", "fsdp::copy_")


@dataclass(frozen=True)
class Effect:
    """What one call of an operator does."""

    runs: bool  # whether anything runs on the device: not for a view, or the question for a size
    reads: tuple[Tensor, ...]
    writes: tuple[Tensor, ...]
    result: Value  # what is returned, where that is one of the arguments or a view of it
    makes: bool  # whether it returns new tensors
    known: bool = True  # whether there is a schema: without one, only what is passed as `out` is known to be written


def effect_of(path: str, arguments: Sequence[Value], keywords: Mapping[str, Value]) -> Effect:
    """The effect of calling the operator with the dotted name `path`, such as `torch.ops.aten.sort.stable`."""
    schemas = _schemas(path)
    for schema in schemas:
        given = _bound(schema, arguments, keywords)
        if given is not None and (len(schemas) == 1 or _fit(schema, given)):
            return _effect(schema, given)
    passed = [*arguments, *(value for name, value in keywords.items() if name != "out")]
    out = keywords.get("out")
    return Effect(True, _tensors(passed), _tensors([out]), out, makes=out is None, known=False)


def is_operator(path: str) -> bool:
    """Whether a dotted name is in a namespace of operators: `extern_kernels.mm`, `torch.ops.aten.sort.stable`."""
    return path.partition(".")[0] in _ALIASES or path.startswith("torch.ops.")


def of_torch(name: str) -> str:
    """The operator that the function `torch.stack`, or the method `stack` of a tensor, is; "" if it is none."""
    path = f"aten.{name}"
    return path if _schemas(path) else ""


def _effect(schema: Any, given: Mapping[str, Value]) -> Effect:
    name = schema.name
    written = [a for a in schema.arguments if _is_written(a)] or (schema.arguments[:1] if name in _WRITE_FIRST else [])
    only_written = {a.name for a in written if a.kwarg_only or name in _OVERWRITE}
    result = _result(schema, given)
    is_view = name in _VIEWS or (result is not None and not written and not _may_copy(schema))
    return Effect(
        runs=not is_view and not _asks_for_size(schema),
        reads=_tensors(value for argument, value in given.items() if argument not in only_written),
        writes=_tensors(given.get(argument.name) for argument in written),
        result=result,
        makes=result is None and any("Tensor" in str(returned.type) for returned in schema.returns),
    )


def _result(schema: Any, given: Mapping[str, Value]) -> Value:
    """The arguments that are returned, or that what is returned is a view of; None for new tensors."""
    if schema.name in _VIEWS:
        return next(iter(given.values()))
    same = [
        given.get(argument.name)
        for returned in schema.returns
        for argument in schema.arguments
        if returned.alias_info and argument.alias_info and _sets(returned) & _sets(argument)
    ]
    if not same or len(same) < len(schema.returns) or (not any(map(_is_written, schema.returns)) and _may_copy(schema)):
        return None
    return same[0] if len(same) == 1 else Items(same)


def _sets(annotated: Any) -> set[str]:
    return set(annotated.alias_info.before_set)


def _is_written(annotated: Any) -> bool:
    return annotated.alias_info is not None and annotated.alias_info.is_write


def _may_copy(schema: Any) -> bool:
    """Whether an operator that returns a view by its schema is written in terms of others, which may copy: `to`."""
    from kernelsnap.capture import private

    name = f"{schema.name}.{schema.overload_name}".rstrip(".")
    return bool(private.HAS_KERNEL.get()(name, "CompositeImplicitAutograd"))


def _asks_for_size(schema: Any) -> bool:
    """`aten::size.int(Tensor self, int dim) -> int` asks the tensor's description, `item` the device."""
    types = [str(returned.type) for returned in schema.returns]
    return bool(types) and all(type_ in ("int", "List[int]", "SymInt", "List[SymInt]") for type_ in types)


def _tensors(values: Any) -> tuple[Tensor, ...]:
    return tuple(dict.fromkeys(tensor for value in values for tensor in tensors_in(value)))


def _bound(schema: Any, arguments: Sequence[Value], keywords: Mapping[str, Value]) -> dict[str, Value] | None:
    """The arguments under the names that the schema gives them; None if it does not take them."""
    by_place = [argument for argument in schema.arguments if not argument.kwarg_only]
    if len(arguments) > len(by_place):
        return None
    given = dict(zip((argument.name for argument in by_place), arguments, strict=False))
    given |= keywords
    declared = {argument.name for argument in schema.arguments}
    if len(given) < len(arguments) + len(keywords) or not given.keys() <= declared:
        return None
    missing = [a for a in schema.arguments if a.name not in given and not a.has_default_value()]
    return None if missing else given


def _fit(schema: Any, given: Mapping[str, Value]) -> bool:
    """Whether the arguments are of the types that this overload takes, as far as tensors and lists of them go."""
    types = {argument.name: str(argument.type) for argument in schema.arguments}
    return all(_fits(types[name], value) for name, value in given.items())


def _fits(type_: str, value: Value) -> bool:
    takes_tensors, is_list = "Tensor" in type_, type_.startswith(("List", "Optional[List"))
    match value:
        case Tensor():
            return takes_tensors and not is_list
        case Items():
            return is_list and (takes_tensors or not any(tensors_in(value)))
        case Reference():
            return False
    return not takes_tensors or type_.startswith("Optional")


@cache
def _schemas(path: str) -> tuple[Any, ...]:
    """The schema of the overload that a path names, or those of all overloads; none for what is no operator."""
    # Imported late: the rest of this package reads text without torch.
    import torch

    from kernelsnap.capture import private

    first, _, rest = path.partition(".")
    names = f"{_ALIASES.get(first, first)}.{rest}".split(".")
    operator: Any = torch.ops
    for name in names[2:]:
        operator = getattr(operator, name, None)
    if isinstance(operator, private.OPERATOR_PACKET.get()):
        return tuple(_overloads(operator))
    schema = getattr(operator, private.OPERATOR_SCHEMA.name, None)
    return () if schema is None else (schema,)


def _overloads(packet: Any) -> Iterator[Any]:
    """The schemas of all overloads, the default one first; those on lists of Python are none of tensors."""
    from kernelsnap.capture import private

    names = packet.overloads()
    for name in sorted(names, key=lambda name: name != "default"):
        schema = getattr(getattr(packet, name), private.OPERATOR_SCHEMA.name)
        if any("Tensor" in str(argument.type) for argument in schema.arguments) or not schema.arguments:
            yield schema
