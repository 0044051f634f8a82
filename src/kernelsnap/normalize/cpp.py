"""Recognizes host code in C++, which AOTInductor writes, and finds the variables that it declares."""

from __future__ import annotations

import re
from functools import lru_cache

#: The first line of the function that runs a model.
RUN_IMPL = "void AOTInductorModel::run_impl("

#     auto arg2_1 = ...   [[maybe_unused]] auto& l_weight = ...   static constexpr int64_t int_array_0[] = {8L, 64L};
#     AtenTensorHandle handle_buf0;   RAIIAtenTensorHandle buf0(handle_buf0);   std::vector<int64_t> sizes{...};
_DECLARED = re.compile(
    r"^ *(?:\[\[maybe_unused\]\] )?(?:static |constexpr |const )*"
    r"(?!return\b|delete\b|throw\b|else\b|void\b)[A-Za-z_][\w:]*(?:<[\w:, ]*>)?[&*]? [&*]?"
    r"(?P<name>[A-Za-z_]\w*)(?:\[\w*\])?(?: = |\(|;|\{)",
    re.MULTILINE,
)


def is_cpp_wrapper(text: str) -> bool:
    """Whether host code is C++."""
    return RUN_IMPL in text


@lru_cache(maxsize=256)
def cpp_locals(text: str) -> frozenset[str]:
    """The variables that host code in C++ declares."""
    return frozenset(match["name"] for match in _DECLARED.finditer(text))
