"""Gives local names canonical numbers: first used, first numbered.

Inductor numbers temporaries and buffers with counters that also count what was dropped on the way, so that an
unrelated change renumbers a whole kernel. Every renaming here is a bijection on the local names of one scope: two
names are equal after it if and only if they were equal before, so no two operations become one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache

from kernelsnap.errors import HostCodeError
from kernelsnap.normalize.lexer import Token, tokens
from kernelsnap.normalize.variables import lines, variables

#: The first line of the function that runs a model, in host code in C++, which AOTInductor writes.
RUN_IMPL = "void AOTInductorModel::run_impl("

#     auto arg2_1 = ...   [[maybe_unused]] auto& l_weight = ...   static constexpr int64_t int_array_0[] = {8L, 64L};
#     AtenTensorHandle handle_buf0;   RAIIAtenTensorHandle buf0(handle_buf0);   std::vector<int64_t> sizes{...};
_DECLARED = re.compile(
    r"^ *(?:\[\[maybe_unused\]\] )?(?:static |constexpr |const )*"
    r"(?!return\b|delete\b|throw\b|else\b|void\b)[A-Za-z_][\w:]*(?:<[\w:, ]*>)?[&*]? [&*]?"
    r"(?P<name>[A-Za-z_]\w*)(?:\[\w*\])?(?: = |\(|;|\{)",
    re.MULTILINE,
)
# tmp5  _tmp5  tmp5_mean  tmp5_tmp: one number, worn in several forms, stays one number.
_TEMPORARY = re.compile(r"(_?tmp)(\d+)((?:_[a-z]\w*)?)\Z")
# in_ptr0  in_out_ptr1  out_ptr0  ks0  x0  r0_2 (loop variable 2 of reduction r0_): the digits at the end count.
_KERNEL_NAME = re.compile(r"(in_out_ptr|in_ptr|out_ptr|ws_ptr|ks|x|y|z|r\d*_)(\d+)\Z")
# buf12  arg0_1  primals_3  add_7  s77: a stem and what numbers it.
_HOST_NAME = re.compile(r"(.*?[^\W\d_])(?:_?\d+(?:_\d+)*)?\Z")
# true_graph_0_buf3  decompose_k_mm_2_split_6_arg0_1: a buffer of a subgraph, under the name of the subgraph.
_OF_SUBGRAPH = re.compile(r"\w+_(buf|arg|primals|tangents)(?:_?\d+(?:_\d+)*)?\Z")
# triton_poi_fused_add_cat_0_xnumel: the size of a dynamic kernel's launch, under the name of the kernel.
_LAUNCH_SIZE = re.compile(r"triton_(?=\w*numel\Z)\w+?_\d+_(\w*)\Z")
# Stems whose first name keeps its number: "buf0" and "s0" read better than "buf" and "s".
_JOIN = {"arg": "", "buf": "", "s": "", "u": "", "ks": "", "primals": "_", "tangents": "_"}

#: With more names than this, looking for each in a text costs more than reading the text once.
_FEW = 64


def rename(text: str, mapping: Mapping[str, str]) -> str:
    """`text` with every name in `mapping` replaced, attributes (`a.name`) and keywords of calls left alone."""
    if text.isdecimal():  # most sizes of a plan
        return text
    changes = mapping
    if len(mapping) <= _FEW:
        changes = {old: new for old, new in mapping.items() if old != new and old in text}
    return _replace(text, lambda name: changes.get(name, name)) if changes else text


@lru_cache(maxsize=2048)  # the goldens of a tree share kernels, and both sides of a comparison most of them
def number_kernel_names(text: str) -> str:
    """Renumber temporaries, loop variables and arguments of a kernel by first use.

    `tmp23 = tl.load(in_ptr1 + r0_1)` becomes `tmp1 = tl.load(in_ptr1 + r0_0)` where it is the second temporary and
    the first loop variable of its reduction.
    """
    numbers: dict[str, dict[str, int]] = {}

    def renumbered(name: str) -> str:
        if (local := numbered_local(name)) is None:
            return name
        family, number, form = local
        seen = numbers.setdefault(family, {})
        return form.format(seen.setdefault(number, len(seen)))

    return _replace(text, cache(renumbered))


def host_names(text: str, first: str = "") -> dict[str, str]:
    """Canonical names for what host code assigns and for its subgraphs, by first use in `first`, then in the code.

    `arg3_1` becomes `arg0` where it is the first input used, `buf12` becomes `buf0`, `add_7` becomes `add`. A subgraph
    is a function that the code calls by its name; Inductor may number it with a counter of the process, and writes its
    name before those of its variables: `split_6` becomes `split`, `split_6_args` `split_args`, and `split_6_buf0` a
    buffer as any other. Names that the text uses but never assigns are not local (`torch`, `extern_kernels`): they
    stay and are never handed out.
    """
    return dict(_host_names(text, first))


@lru_cache(maxsize=1024)
def _host_names(text: str, first: str) -> Mapping[str, str]:
    names = _variable_names(text)
    # The plan of C++ was read from the same graph's Python wrapper: a buffer of it may be none of the C++.
    local = host_locals(text) | (host_locals(first) if is_cpp_wrapper(text) else frozenset())
    taken = set(names) - local
    subgraphs = _subgraphs(text)
    mapping: dict[str, str] = {}

    def give(name: str, like: str) -> None:
        if name in local and name not in mapping:
            mapping[name] = next(new for new in host_candidates(like) if new not in taken)
            taken.add(mapping[name])

    for name in names:
        if name in subgraphs:
            give(name, name)
    for name in [*_variable_names(first), *names]:
        subgraph = max((s for s in subgraphs if name.startswith(f"{s}_")), key=len, default="")
        give(name, mapping.get(subgraph, "") + name.removeprefix(subgraph))
    return mapping


def _replace(text: str, new_name: Callable[[str], str]) -> str:
    by_line = lines(text)
    if by_line is not None:
        named = [(line, tuple(map(new_name, line.names))) for line in by_line]
        return "\n".join([line.text if names == line.names else line.template % names for line, names in named])
    stream = tokens(text)
    for index in variables(stream):
        stream[index] = Token("name", new_name(stream[index].text))
    return "".join([token.text for token in stream])


def _variable_names(text: str) -> list[str]:
    by_line = lines(text)
    if by_line is not None:
        return [name for line in by_line for name in line.names]
    stream = tokens(text)
    return [stream[index].text for index in variables(stream)]


#: What an error shows of a line that is not Python.
_SHOWN = 200


@lru_cache(maxsize=2)  # the same text is asked for its variables and for its subgraphs
def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        line = f": {error.text.strip()[:_SHOWN]}" if error.text else ""
        raise HostCodeError(f"the host code is not Python: {error.msg}{line}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise HostCodeError(f"the host code is no Python that can be read: {error or type(error).__name__}") from None


@lru_cache(maxsize=1024)
def host_locals(text: str) -> frozenset[str]:
    """The variables that host code assigns, and its subgraphs: the names that `host_names` may change."""
    if is_cpp_wrapper(text):
        return cpp_locals(text)
    names: set[str] = set()
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return frozenset(names) | _subgraphs(text)


@lru_cache(maxsize=1024)
def _subgraphs(text: str) -> frozenset[str]:
    """The functions of the module that it calls by their names; `call`, and partitions, are reached in other ways."""
    if text.count("def ") < 2 or is_cpp_wrapper(text):
        return frozenset()
    tree = _parsed(text)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in called)


def numbered_local(name: str) -> tuple[str, str, str] | None:
    """The family, number and form of a kernel's local name; None for a name that canonical numbering leaves alone.

    `_tmp5_mean` is ("tmp", "5", "_tmp{}_mean"): number 5 of the family, worn in that form.
    """
    if match := _TEMPORARY.match(name):
        prefix, number, suffix = match.groups()
        return "tmp", number, f"{prefix}{{}}{suffix}"
    if match := _KERNEL_NAME.match(name):
        stem, number = match.groups()
        return stem, number, f"{stem}{{}}"
    return None


def host_stem(name: str) -> str:
    """What `host_names` keeps of a name: `buf` of `buf12`, `add` of `add_7`."""
    match = _LAUNCH_SIZE.match(name) or _OF_SUBGRAPH.match(name) or _HOST_NAME.match(name)
    return match.group(1) if match else name


def host_candidates(name: str) -> Iterator[str]:
    """The names that `host_names` may give to this variable, in the order in which it tries them."""
    stem = host_stem(name)
    if stem not in _JOIN:
        yield stem
    number = 0 if stem in _JOIN else 1
    while True:
        yield f"{stem}{_JOIN.get(stem, '_')}{number}"
        number += 1


def is_cpp_wrapper(text: str) -> bool:
    """Whether host code is C++."""
    return RUN_IMPL in text


@lru_cache(maxsize=256)
def cpp_locals(text: str) -> frozenset[str]:
    """The variables that host code in C++ declares."""
    return frozenset(match["name"] for match in _DECLARED.finditer(text))
