"""Renders and parses the candidates of max-autotune, as the config layer of a golden has them.

    inference  choice mm
      each  ACC_TYPE='tl.float32'  ALLOW_TF32=False  EVEN_K=True
      taken  library mm
      or  triton_mm  BLOCK_K=16  BLOCK_M=32  BLOCK_N=32  num_stages=1  num_warps=2
      or  triton_mm  BLOCK_K=32  BLOCK_M=64  BLOCK_N=64  num_stages=2  num_warps=4

One candidate a line, in Inductor's order; `each` has the settings that all candidates with settings share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kernelsnap.golden.lines import Lines
from kernelsnap.model.capture import Candidate, Choice
from kernelsnap.model.golden import KernelChoice

#: What the name of a choice begins with where the config layer has the name of a kernel.
CHOICE = "choice "
_SHARED, _TAKEN, _OTHER = "each", "taken", "or"


def kernel_choices(graph: str, choices: Sequence[Choice]) -> Iterator[KernelChoice]:
    """The choices of one graph, numbered where an operation has several."""
    seen: Counter[str] = Counter()
    for choice in choices:
        number = seen[choice.op]
        seen[choice.op] += 1
        shared = _in_common([candidate.settings for candidate in choice.candidates if candidate.settings])
        yield KernelChoice(
            graph,
            f"{choice.op}.{number}" if number else choice.op,
            shared,
            tuple(
                Candidate(candidate.name, tuple(pair for pair in candidate.settings if pair not in shared))
                for candidate in choice.candidates
            ),
            choice.taken,
        )


def _in_common(settings: Sequence[tuple[tuple[str, str], ...]]) -> tuple[tuple[str, str], ...]:
    """The settings that are in each of several lists; none for fewer than two lists, where sharing shortens nothing."""
    if len(settings) < 2:
        return ()
    return tuple(pair for pair in settings[0] if all(pair in others for others in settings[1:]))


def render_choice(choice: KernelChoice) -> Iterator[str]:
    """The lines of one choice."""
    yield f"  {choice.graph}  {CHOICE}{choice.name}"
    if choice.shared:
        yield f"    {_SHARED}  {_fields(choice.shared)}"
    for index, candidate in enumerate(choice.candidates):
        word = _TAKEN if index == choice.taken else _OTHER
        yield "    " + "  ".join(filter(None, [word, candidate.name, _fields(candidate.settings)]))


def _fields(settings: Sequence[tuple[str, str]]) -> str:
    return "  ".join(f"{name}={value}" for name, value in settings)


def parse_choice(lines: Lines, graph: str, name: str) -> KernelChoice:
    """The choice whose heading was just read. Raises `GoldenFormatError`."""
    shared: tuple[tuple[str, str], ...] = ()
    candidates: list[Candidate] = []
    taken: list[int] = []
    while (line := lines.at(indent=2)) is not None:
        word, *fields = line.split("  ")
        if word == _SHARED and not shared and not candidates:
            shared = _settings(lines, fields)
        elif word in (_TAKEN, _OTHER) and fields:
            if word == _TAKEN:
                taken.append(len(candidates))
            candidates.append(Candidate(fields[0], _settings(lines, fields[1:])))
        else:
            lines.fail(f"a choice has lines `{_SHARED}`, `{_TAKEN}` and `{_OTHER}`, not {line!r}")
    if len(taken) != 1:
        lines.fail(f"one candidate of {CHOICE}{name} is taken, not {len(taken)}")
    return KernelChoice(graph, name, shared, tuple(candidates), taken[0])


def _settings(lines: Lines, fields: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for field in fields:
        name, found, value = field.partition("=")
        if not found:
            lines.fail(f"a setting of a candidate is written NAME=VALUE, not {field!r}")
        pairs.append((name, value))
    return tuple(pairs)
