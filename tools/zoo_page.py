"""Writes docs/zoo.md from the results of tools/zoo.py."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from zoo_modules import MODELS, TIMM

Result = dict[str, Any]

# What a real GPU does where a capture is refused. A reason that no line knows is shown as not judged.
_ON_GPU: tuple[tuple[str, str], ...] = (
    (r"no output requires a gradient", "the same: there is no gradient to follow"),
    (
        r"nothing was compiled",
        "the same: Dynamo compiles nothing of it (seen on an H200, too)",
    ),
    (r"^in eager mode, too", "the same: the module itself is wrong"),
    (r"DataDependentError", "it runs: the GPU has the values"),
    (r"needs a kernel that only a GPU has", "it runs there"),
)
_OUTCOMES = ("captured", "refused", "failed", "not installed")
_SLOWEST = 10

_INTRODUCTION = """\
# Modules that nobody wrote for kernelsnap

The corpus and the cases of [fidelity](fidelity.md) were chosen here. These modules were not: the problems of
[KernelBench](https://github.com/ScalingIntelligence/KernelBench) (levels 1 to 3), models of `transformers`, built small
from their configurations, and small models of `timm`. Each is captured on a virtual H100, once for inference and once
forward and backward for training. Its golden is written as text, read back, written again, and compared with itself;
without `--once`, a second capture in the same process has to give the same golden. A module without parameters is
trained by the gradients of its inputs. What a model skips or masks at random is off (layers, spans of sound): no two
runs would be equal. An error that the module raises without `torch.compile`, too, is none of kernelsnap's.

```console
python tools/zoo.py --kernelbench CHECKOUT_OF_KERNELBENCH
python tools/zoo.py --page docs/zoo.md
```

The first command goes on where it was stopped. Models of `timm` are in it where `timm` and torchvision, which it
imports, are installed for the torch that is there.
"""


def page(results: Iterable[Result]) -> str:
    """The page, in Markdown."""
    known = sorted(results, key=lambda result: (result["name"], result["phase"]))
    parts = [
        [_INTRODUCTION],
        _totals(known),
        _refusals(known),
        _failures(known),
        _slowest(known),
    ]
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _totals(results: list[Result]) -> Iterator[str]:
    yield "## What came of them\n"
    yield (
        "KernelBench has 100, 100 and 50 problems in its levels, and the tool lists "
        f"{len(MODELS)} models of\n`transformers` and {len(TIMM)} of `timm`. "
        "Each has two captures, one a phase; what is missing in a row was not run yet.\n"
    )
    yield "| modules | phase | torch | captures | " + " | ".join(_OUTCOMES) + " | captured twice |"
    yield "| --- | --- | --- |" + " --: |" * (len(_OUTCOMES) + 2)
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        groups[_source(result), result["phase"]].append(result)
    for (source, phase), members in [*sorted(groups.items()), (("total", ""), results)]:
        counts = Counter(member["outcome"] for member in members)
        twice = sum(member.get("twice", False) for member in members)
        numbers = [len(members), *(counts[outcome] for outcome in _OUTCOMES), twice]
        releases = " and ".join(sorted({member["torch"] for member in members if "torch" in member}))
        yield f"| {source} | {phase} | {releases} | " + " | ".join(map(str, numbers)) + " |"
    kernels = sum(result.get("kernels", 0) for result in results)
    broken = sum(bool(result.get("breaks")) for result in results)
    yield f"\nThe goldens have {kernels} launches of kernels, and {broken} of them a graph break.\n"


def _source(result: Result) -> str:
    """`KernelBench level 1`, or `transformers`."""
    project, _, rest = result["name"].partition("/")
    return f"KernelBench {rest.partition('/')[0].replace('level', 'level ')}" if project == "kernelbench" else project


def _refusals(results: list[Result]) -> Iterator[str]:
    yield "## Refused, and what a GPU does\n"
    refused: dict[tuple[str, str], list[str]] = defaultdict(list)
    for result in results:
        if result["outcome"] in ("refused", "not installed"):
            refused[_reason(result), _on_gpu(result)].append(f"{result['name']} ({result['phase']})")
    if not refused:
        yield "None.\n"
        return
    yield "| reason | captures | on a GPU | which |"
    yield "| --- | --: | --- | --- |"
    for (reason, on_gpu), names in sorted(refused.items()):
        yield f"| {reason} | {len(names)} | {on_gpu} | {', '.join(names)} |"
    yield ""


def _reason(result: Result) -> str:
    """What was raised, without the place in a file, in one cell of a table."""
    text = re.sub(r" \((?:/|in torch itself)[^)]*\)", "", result["reason"])
    return text.replace("|", "\\|")


def _on_gpu(result: Result) -> str:
    if result["outcome"] == "not installed":
        return "the same, without the package"
    return next((answer for pattern, answer in _ON_GPU if re.search(pattern, result["reason"])), "not judged")


def _failures(results: list[Result]) -> Iterator[str]:
    failed = [result for result in results if result["outcome"] == "failed"]
    yield "## Failed\n"
    if not failed:
        yield "None.\n"
        return
    yield "| module | phase | why |"
    yield "| --- | --- | --- |"
    for result in failed:
        yield f"| {result['name']} | {result['phase']} | {_reason(result)} |"
    yield ""


def _slowest(results: list[Result]) -> Iterator[str]:
    timed = sorted(results, key=lambda result: -result.get("processor_seconds", 0.0))[:_SLOWEST]
    timed = [result for result in timed if "processor_seconds" in result]
    if not timed:
        return
    yield "## The slowest\n"
    yield "Seconds of the processor for one capture, without imports.\n"
    yield "| module | phase | kernels | seconds |"
    yield "| --- | --- | --: | --: |"
    for result in timed:
        yield f"| {result['name']} | {result['phase']} | {result['kernels']} | {result['processor_seconds']:.0f} |"
