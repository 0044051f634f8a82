"""Proposes which axis to search, by what differs: the program, the toolchain, the settings around them, or the plan.

The first three tell whose change it is. The plan tells where in the compiler it shows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelsnap.bisect.axes.git import git
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe.observe import Observation
from kernelsnap.bisect.outcome import diffs
from kernelsnap.bisect.predicate.question import stored_files, stored_goldens
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.golden import toolchain
from kernelsnap.golden.toolchain import COMPILERS, Toolchain, golden_names
from kernelsnap.model.golden import LAYERS
from kernelsnap.report.headline import headline

# Causes that lie in what the program computes, not in how it is compiled.
_OF_THE_PROGRAM = (CauseName.OPERATIONS, CauseName.SHAPES, CauseName.DTYPE, CauseName.GRAPH_BREAKS)
_SETTINGS = ("TORCHINDUCTOR_", "TORCHDYNAMO_", "TRITON_")
# Causes that the scheduler alone can be behind: the same operations, in other kernels.
_OF_FUSION = (CauseName.FUSION_SPLIT, CauseName.FUSION_MERGE, CauseName.OP_MOVED)


@dataclass(frozen=True)
class Symptoms:
    """What is known before anything is searched."""

    causes: tuple[CauseName, ...]  # why the case's golden differs from the stored one
    recorded: Mapping[str, str]  # the versions that the stored golden was recorded with
    present: Mapping[str, str]
    commit: str  # the commit that last wrote the stored golden; "" where there is none
    commits: int  # how many came after it
    variables: tuple[str, ...]  # those set now that change how code is generated
    layer: str = ""  # the first that differs


@dataclass(frozen=True)
class Proposal:
    """An axis to search, with the arguments for it, and why."""

    arguments: tuple[str, ...]
    because: str


def propose(symptoms: Symptoms) -> tuple[Proposal, ...]:
    """The axes that may explain a difference, the likeliest first."""
    git_axis = Proposal(
        ("--axis", "git", "--range", f"{symptoms.commit}.."),
        f"{symptoms.commits} commits came after {symptoms.commit}, which recorded the golden",
    )
    wheels = [
        Proposal(("--axis", f"{name}={old}..{new}"), f"the golden was recorded with {name} {old}, and this is {new}")
        for name, (old, new) in other_versions(symptoms).items()
    ]
    found = wheels
    if symptoms.commit and symptoms.commits:
        of_the_program = [name for name in symptoms.causes if name in _OF_THE_PROGRAM]
        # Another torch may decompose a program into other operations, too: then both are proposed.
        found = [git_axis, *wheels] if of_the_program or not wheels else [*wheels, git_axis]
    if symptoms.variables:
        names = ", ".join(symptoms.variables)
        found = [*found, Proposal(("--axis", "config"), f"{names} is set, which changes how code is generated")]
    return (*found, *_in_the_compiler(symptoms))


def other_versions(symptoms: Symptoms) -> dict[str, tuple[str, str]]:
    """The packages that a golden was recorded with in another version than is here: that one, and this one.

    torch comes before Triton, because it writes what Triton is given, and the libraries of the program last.
    """
    order = [*COMPILERS, *sorted(set(symptoms.recorded) - set(COMPILERS))]
    versions = {name: (symptoms.recorded.get(name, ""), symptoms.present.get(name, "")) for name in order}
    return {name: (old, new) for name, (old, new) in versions.items() if old and new and old != new}


def _in_the_compiler(symptoms: Symptoms) -> tuple[Proposal, ...]:
    """Where in the compiler to search: its decisions show in the plan, or nowhere."""
    if symptoms.layer != "plan":
        return ()
    if any(name in _OF_FUSION for name in symptoms.causes) and CauseName.OPERATIONS not in symptoms.causes:
        arguments = ("--axis", "passes", "--subsystem", "fusions")
        return (Proposal(arguments, "the same operations run in other kernels, which a fusion decides"),)
    because = "the plan differs, which a pass, a decomposition, a lowering or a fusion decides"
    return (Proposal(("--axis", "passes"), because),)


def gather(goldens: Path, seen: Observation) -> tuple[Symptoms, str]:
    """What the goldens folder, its repository and this process show; and in words how the case differs.

    Raises:
        BisectError: the case does not run, has no golden, or generates just that.
    """
    if seen.skipped:
        raise BisectError(f"the case generates nothing here and now: {seen.skipped}")
    stored = stored_goldens(goldens, seen)
    if stored is None:
        raise BisectError(f"{goldens} has no golden of this case to compare with: name an --axis to search")
    found = diffs(stored, seen)
    if not found:
        raise BisectError("the case generates what its golden holds: there is no change to look for; name an --axis")
    names = [cause.name for diff in found for cause in diff.causes]
    commit, commits = _last_commit(stored_files(goldens, seen))
    symptoms = Symptoms(
        causes=tuple(dict.fromkeys(names)),
        recorded=_recorded(goldens, seen),
        present=seen.toolchain,
        commit=commit,
        commits=commits,
        variables=tuple(sorted(name for name in os.environ if name.startswith(_SETTINGS))),
        layer=next((layer for layer in LAYERS if any(layer in diff.layers for diff in found)), ""),
    )
    return symptoms, headline(found[0])


def _recorded(goldens: Path, seen: Observation) -> dict[str, str]:
    """Everything that the stored goldens of a case were recorded with."""
    recorded = toolchain.read(goldens) or Toolchain()
    names = [name for path in stored_files(goldens, seen) for name in golden_names(path, goldens)]
    return {package: version for name in names for package, version in recorded.of(name).items()}


def _last_commit(files: Sequence[Path]) -> tuple[str, int]:
    """The commit that last wrote one of the files, and how many came after it; "" where no repository has them."""
    try:
        folder = files[0].parent
        names = [str(path.resolve()) for path in files]
        commit = git(folder, "log", "-1", "--format=%h", "--", *names).strip()
        return (commit, int(git(folder, "rev-list", "--count", f"{commit}..HEAD"))) if commit else ("", 0)
    except BisectError:
        return "", 0
