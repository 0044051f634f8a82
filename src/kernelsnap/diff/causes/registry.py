"""The one table of causes: each family of causes, with the module that finds it.

A new cause is a member of `CauseName`, a module with its `Family`, and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping

from kernelsnap.diff.causes import (
    attention,
    backend,
    fusion,
    graphs,
    host,
    kernel_code,
    kernels,
    launches,
    moved,
    operations,
    precision,
    program,
    reductions,
    resources,
    tensors,
    unexplained,
)
from kernelsnap.diff.causes.cause_names import CauseName, Scope
from kernelsnap.diff.causes.family import CauseKind, Kinds

#: In a phase, families are asked in this order; it is the order of a cause's evidence, and decides nothing else.
FAMILIES = (
    program.FAMILY,
    graphs.FAMILY,
    operations.FAMILY,
    moved.FAMILY,
    precision.FAMILY,
    tensors.FAMILY,
    backend.FAMILY,
    attention.FAMILY,
    fusion.FAMILY,
    reductions.FAMILY,
    kernels.FAMILY,
    kernel_code.FAMILY,
    launches.FAMILY,
    host.FAMILY,
    resources.FAMILY,
    unexplained.FAMILY,
)
#: Every cause by its name, in the order in which reports list them.
CAUSES: Mapping[CauseName, CauseKind] = {
    name: kind for name in CauseName for family in FAMILIES for kind in family.kinds if kind.name == name
}
#: What follows from a finding, by its kind.
FOLLOWS: Mapping[CauseName | Scope, Kinds] = {
    **{name: cause.follows for name, cause in CAUSES.items()},
    **{scope: follows for cause in CAUSES.values() for scope, follows in cause.scopes.items()},
}
