"""Turns generated code into canonical code by an ordered table of rules, one small function each.

What they remove belongs to a machine, a run, a setting of the process or the process's history. What they keep is
everything else, unknown things included: a line that no rule knows stays. A rule never makes two different operations
equal; "unchanged" is byte equality after the rules.

Not checked here: that the code is right. `kernelsnap` compares code with code.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kernelsnap.normalize.lexer import tokens
from kernelsnap.normalize.names import host_names, number_kernel_names, rename

Scope = Literal["kernel", "host", "any", "kernel names", "host names"]


@dataclass(frozen=True)
class Rule:
    """One named step of normalization."""

    name: str
    scope: Scope
    line: str  # a line that it matches, as generated
    becomes: str  # what is left of that line
    why: str  # why no meaning is lost
    apply: Callable[[str], str]


# Only these can carry a string over the end of a line; nine texts of ten have none and need no lexer.
_MULTILINE = re.compile(r"\'\'\'|\"\"\"|\\\n")


def _drop_comments(text: str) -> str:
    if "#" not in text:  # most kernels: spares them the lexer
        return text
    return "".join(token.text for token in tokens(text) if token.kind != "comment")


def _tidy_lines(text: str) -> str:
    """No trailing space, no blank line outside a string; the text ends in one line end."""
    if not _MULTILINE.search(text):
        lines = [line.rstrip(" \t") for line in text.split("\n")]
    else:
        lines = [""]
        for token in tokens(text):
            if token.kind == "newline":
                lines[-1] = lines[-1].rstrip(" \t")
                lines.append("")
            else:
                lines[-1] += token.text
        lines[-1] = lines[-1].rstrip(" \t")
    return "".join(f"{line}\n" for line in lines if line)


# The imports at the top of every generated Triton kernel (torch 2.11 to 2.13), by what they import.
_KERNEL_IMPORTS = re.compile(
    r"^(import triton|import triton\.language as tl|from torch\._inductor\.runtime(\.\w+)? import [\w ,]+"
    r"|triton_helpers\.set_driver_to_gpu\(\))$\n?",
    re.MULTILINE,
)
# @triton_heuristics.pointwise(        The parenthesis that closes it starts a line of its own.
#     size_hints={'x': 128},
# )
_DECORATOR = re.compile(r"^@triton_heuristics\.\w+\($.*?^\)\n", re.MULTILINE | re.DOTALL)
# raw_stream0 = get_raw_stream(0)
_FETCH_STREAM = re.compile(r"^[ ]*raw_stream(\d+) = get_raw_stream\(\1\)\n", re.MULTILINE)
# , stream=raw_stream0)
_PASS_STREAM = re.compile(r", stream=raw_stream(\d+)\)(?=\n)")


# "index out of bounds: 0 <= tmp4 < 100"
_BOUND = re.compile(r'("index out of bounds: [^"\n]*?\btmp)\d+(?=[^"\n]*")')


# def cutedsl_fused_flex_attention_101f4a15_main(          "cutedsl_fused_flex_attention_101f4a15_score"
_CONTENT_NAME = re.compile(r"\bcutedsl_(?:\w+_)?[0-9a-f]{8}_(?=[a-z])")


#     USE_TMA : tl.constexpr = False        Inductor's own form: people write no space before the colon.
_CONSTANT = re.compile(
    r"^(?P<indent> *)(?P<name>\w+) : tl\.constexpr = "
    r"(?:-?\d[\w.]*(?:[eE][+-]\d+)?|True|False|None|tl\.\w+|'[^'\\\n]*'|\"[^\"\\\n]*\")$"
)


def _sort_constants(text: str) -> str:
    """Each run of constants in the order of their names, unless a name is in it twice or means a module."""
    if " : tl.constexpr = " not in text or _MULTILINE.search(text):
        return text
    found = [(_CONSTANT.match(line), line) for line in text.split("\n")]
    lines: list[str] = []
    for _, run in itertools.groupby(found, key=lambda pair: pair[0] and pair[0]["indent"]):
        constants = [(match["name"] if match else "", line) for match, line in run]
        names = {name for name, _ in constants}
        if "" not in names and "tl" not in names and len(names) == len(constants):
            constants.sort()
        lines += (line for _, line in constants)
    return "\n".join(lines)


def _drop_streams(text: str) -> str:
    fetched = set(_FETCH_STREAM.findall(text))
    text = _FETCH_STREAM.sub("", text)
    return _PASS_STREAM.sub(lambda match: ")" if match.group(1) in fetched else match.group(), text)


# with record_function('graph_165_inductor_wrapper_call'):
_PROFILED_CALL = re.compile(r"(\brecord_function\(')graph_\d+_(?=inductor_wrapper_call'\))")
# RAIIAtenRecordFunctionHandle record_graph_165_cpp_fused_add_0_("graph_165_cpp_fused_add_0", nullptr);
_PROFILED_KERNEL = re.compile(r"(\bRAIIAtenRecordFunctionHandle record_)(graph_\d+_)(\w*\(\")\2")


def _drop_graph_numbers(text: str) -> str:
    return _PROFILED_KERNEL.sub(r"\1\3", _PROFILED_CALL.sub(r"\1", text)) if "graph_" in text else text


# assert_size_stride_grouped((arg1_1, arg0_1), ((64, 8), (64, )), ((8, 1), (1, )), 'input')
_GROUPED = re.compile(r"^( *)assert_size_stride_grouped(\(.*\))$", re.MULTILINE)


def _one_assertion_a_line(text: str) -> str:
    return _GROUPED.sub(_ungrouped, text) if "_grouped(" in text else text


def _ungrouped(match: re.Match[str]) -> str:
    """The assertions of a group, one a line; the group itself where it has another form than the known one."""
    indent, arguments = match.groups()
    # The names, sizes and strides of the same number of tensors, then what they are.
    try:
        parsed = ast.parse(arguments, mode="eval").body
    except SyntaxError:
        return match.group()
    parts = parsed.elts if isinstance(parsed, ast.Tuple) else []
    columns = [part.elts for part in parts[:-1] if isinstance(part, ast.Tuple)]
    if len(parts) != 4 or len(columns) != 3 or len({len(column) for column in columns}) != 1:
        return match.group()
    rows = [[*row, parts[-1]] for row in zip(*columns, strict=True)]
    calls = (", ".join(ast.get_source_segment(arguments, value) or "" for value in row) for row in rows)
    return "\n".join(f"{indent}assert_size_stride({call})" for call in calls)


def _number_host_names(text: str) -> str:
    return rename(text, host_names(text))


RULES = (
    Rule(
        "comments",
        "any",
        "    # Topologically Sorted Source Nodes: [softmax], Original ATen: [aten._softmax]",
        "",
        "A comment is not code. Where operations came from is read out of it before, and is in the plan.",
        _drop_comments,
    ),
    Rule(
        "decorator",
        "kernel",
        "@triton_heuristics.pointwise(\n    size_hints={'x': 128},\n    triton_meta={}\n)\n@triton.jit\n",
        "@triton.jit\n",
        "Its contents are in the plan (kind, sizes), the config layer and the argument lines of the code layer.",
        lambda text: _DECORATOR.sub("", text),
    ),
    Rule(
        "kernel imports",
        "kernel",
        "from torch._inductor.runtime import triton_helpers, triton_heuristics",
        "",
        "The same prelude is in every generated kernel. An import of any other module is kept.",
        lambda text: _KERNEL_IMPORTS.sub("", text),
    ),
    Rule(
        "assertion messages",
        "kernel",
        '    tl.device_assert((0 <= tmp4) & (tmp4 < 100), "index out of bounds: 0 <= tmp4 < 100")',
        '    tl.device_assert((0 <= tmp4) & (tmp4 < 100), "index out of bounds: 0 <= tmp < 100")',
        "A counter in a message: the condition next to it has the same temporary, where renumbering reaches it.",
        lambda text: _BOUND.sub(r"\1", text),
    ),
    Rule(
        "content names",
        "kernel",
        "def cutedsl_fused_flex_attention_101f4a15_main(arg_Q, arg_K, arg_V, out_ptr0, stream):",
        "def main(arg_Q, arg_K, arg_V, out_ptr0, stream):",
        "A CuteDSL kernel's name ends in a hash of its text, so that any edit would rename all that it defines.",
        lambda text: _CONTENT_NAME.sub("", text),
    ),
    Rule(
        "stream",
        "host",
        "        raw_stream0 = get_raw_stream(0)\n        k.run(buf0, 100, stream=raw_stream0)\n",
        "        k.run(buf0, 100)\n",
        "Every launch goes to the current stream of its device. Only the pair of that form is removed: a launch on a "
        "stream that the code made itself keeps it.",
        _drop_streams,
    ),
    Rule(
        "grouped assertions",
        "host",
        "    assert_size_stride_grouped((a, b), ((64, 8), (64, )), ((8, 1), (1, )), 'input')",
        "    assert_size_stride(a, (64, 8), (8, 1), 'input')\n    assert_size_stride(b, (64, ), (1, ), 'input')",
        "torch 2.14 checks its inputs in one call, in the order and with the sizes and strides of one call for each.",
        _one_assertion_a_line,
    ),
    Rule(
        "profiler marks",
        "any",
        "with record_function('graph_165_inductor_wrapper_call'):",
        "with record_function('inductor_wrapper_call'):",
        "What a profile calls the code has the number of graphs that the process compiled before it.",
        _drop_graph_numbers,
    ),
    Rule(
        "kernel numbers",
        "kernel names",
        "    tmp23 = tl.load(in_ptr1 + (r0_1), None)",
        "    tmp0 = tl.load(in_ptr0 + (r0_0), None)",
        "A bijection on the local names of one kernel: names that were equal stay equal, names that differed differ.",
        number_kernel_names,
    ),
    Rule(
        "host numbers",
        "host names",
        "buf7 = buf3; del buf3",
        "buf0 = buf3; del buf3",
        "A bijection on the variables that the host code assigns and the subgraphs that it calls; other names stay.",
        _number_host_names,
    ),
    Rule(
        "tidy lines",
        "any",
        "    tmp0 = tmp1   \n\n",
        "    tmp0 = tmp1\n",
        "White space at the end of a line and blank lines mean nothing outside a string.",
        _tidy_lines,
    ),
    Rule(
        "constants",
        "kernel",
        "    WRITE_DQ : tl.constexpr = True\n    USE_TMA : tl.constexpr = False\n",
        "    USE_TMA : tl.constexpr = False\n    WRITE_DQ : tl.constexpr = True\n",
        "Neighbouring lines that each give a name of its own a literal: none reads another, so their order, which is "
        "that in which Inductor filled a dict, is nothing that runs.",
        _sort_constants,
    ),
)


def normalize(text: str, scope: Literal["kernel", "host", "cpp"]) -> str:
    """`text` after every rule of its scope but those that rename, in the order of `RULES`; twice changes nothing more.

    Renaming has to agree between the layers of a golden, so `kernelsnap.golden.canonical` does it for a whole golden.
    """
    text = text if text.endswith("\n") else f"{text}\n"
    for rule in RULES:
        # The comments of C++ are not Python's.
        if rule.scope in (scope, "any") and not (scope == "cpp" and rule.name == "comments"):
            text = rule.apply(text)
    return text
