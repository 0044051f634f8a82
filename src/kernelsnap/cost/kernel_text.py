"""What a golden has of one Triton kernel: its arguments with their types, and its code, parsed."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

# k12
KERNEL = re.compile(r"k\d+\Z")
# xnumel, r0_numel
_SIZE = re.compile(r"(?:[xyz]|r\d?_?)numel\Z")
# arg in_ptr0  *fp32 align 16
_ARGUMENT = re.compile(r"arg (\w+)  (\S++)(.*)\Z")


@dataclass(frozen=True)
class KernelText:
    """A kernel as a golden has it."""

    code: str  # Python, with the functions that it calls
    declared: tuple[tuple[str, str], ...]  # its arguments in order: name, and `*fp32`, `i32` or `constexpr`
    kernel: ast.FunctionDef
    functions: Mapping[str, ast.FunctionDef]
    numbers: dict[str, int]  # sizes that its text gives, such as `xnumel = 100`
    aligned: frozenset[str] = frozenset()  # arguments that Triton is told are multiples of 16
    fixed: frozenset[str] = frozenset()  # those that are constants of the kernel, and are given all the same

    @property
    def given(self) -> list[str]:
        """The arguments that host code gives: also a size of 1, which Inductor makes a constant of the kernel."""
        return [name for name, kind in self.declared if kind != "constexpr" or _SIZE.match(name) or name in self.fixed]


# Configurations of one kernel come one after the other; a tree of a large kernel has megabytes, so few are kept.
@lru_cache(maxsize=32)
def read_kernel(text: str) -> KernelText | str:
    """A kernel from its text in a golden, or why it is none."""
    declared: list[tuple[str, str]] = []
    aligned: set[str] = set()
    fixed: set[str] = set()
    lines: list[str] = []
    for line in text.split("\n"):
        if not lines and (match := _ARGUMENT.match(line)):
            declared.append((match[1], match[2]))
            if "align 16" in match[3]:
                aligned.add(match[1])
            if match[2] == "constexpr" and match[3].startswith(" = "):
                fixed.add(match[1])
        else:
            lines.append(line)
    code = "\n".join(lines)
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"its text is no Python ({type(error).__name__})"
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    kernel = next((node for name, node in functions.items() if KERNEL.match(name)), None)
    if kernel is None:
        return "it is no Triton kernel"
    return KernelText(code, tuple(declared), kernel, functions, _numbers(kernel), frozenset(aligned), frozenset(fixed))


def _numbers(kernel: ast.FunctionDef) -> dict[str, int]:
    return {
        node.targets[0].id: node.value.value
        for node in kernel.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and type(node.value.value) is int
    }
