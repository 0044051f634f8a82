"""The fidelity set: cases of every family that people compile, captured on a real GPU and on the virtual one.

Not tests and not goldens: `tools/fidelity.py` runs them. Each family is a module with a table `CASES`.
"""

from __future__ import annotations

import dataclasses
import importlib

from .case import Case

FAMILIES = (
    "pointwise", "reductions", "norms", "indexing", "matmul", "convolution", "pooling", "sdpa", "flex", "rng",
    "sorting", "optimizers", "losses", "shapes", "programs", "dtypes", "modes", "mutation", "extensions", "blocks",
    "models",
)  # fmt: skip

_SIZED = "refused: between two graphs torch runs `bincount`, whose result is as large as the largest value"

#: Cases that differ on a real GPU, as globs, and why; docs/fidelity.md lists them. Only the last is captured, and
#: warned about.
EXCEPTIONS: dict[str, str] = {
    "blocks/dispatch*": _SIZED,
    "optimizers/adamw_tensor_lr": "refused: AdamW compares a learning rate that is a tensor on the GPU, which has no "
    "value here; one on the CPU has",
    "modes/tensor_descriptor_train": "on the GPU Triton refuses to compile the kernel that Inductor generated; a "
    "virtual capture compiles none, and warns",
}


def all_cases() -> dict[str, Case]:
    """Every case by its unique name, in the order of the families."""
    cases: dict[str, Case] = {}
    for family in FAMILIES:
        for case in importlib.import_module(f".{family}", __package__).CASES:
            named = dataclasses.replace(case, family=family)
            if named.key in cases:
                raise ValueError(f"two fidelity cases are called {named.key}")
            cases[named.key] = named
    return cases
