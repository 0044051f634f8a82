"""Compare a recording with what the virtual device generates, and render the result.

Raw text is compared as it was generated, but for three things that say nothing about the code:

    # kernel path: /tmp/.../cabc.py                  a path of the machine
    # AOT ID: ['12_forward']                         how many graphs this process compiled before: the number goes
    'backend_hash': '9F4C...'                        a hash of the installed driver and compiler

Above a combo kernel `kernelsnap` has Inductor say where its operations came from; a recording that was made before it
did so says nothing there, and nothing is compared.

Goldens are compared as `kernelsnap` compares them. A case that fails on both sides with the same error counts as
identical. Not compared: values. That the code computes the right thing is not this tool's question.
"""

from __future__ import annotations

import argparse
import fnmatch
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from fidelity_cases import selected
from fidelity_recording import Recording, to_capture

Verdict = Literal["raw", "golden", "error", "differs"]

_RAW_NOISE = (
    # # kernel path: /tmp/torchinductor_root/ab/cabc.py
    (re.compile(r"^# kernel path: .*\n", re.MULTILINE), ""),
    # # AOT ID: ['12_forward']
    (re.compile(r"^# AOT ID: \['\d+_", re.MULTILINE), "# AOT ID: ['_"),
    # 'backend_hash': '9F4C5BB1'
    (re.compile(r"'backend_hash': '\w*'"), "'backend_hash': ''"),
)

# What stood above a combo kernel: that nothing is known of it.
_UNDESCRIBED = "# Unsorted Source Nodes: [], Original ATen: []\n# Source node to ATen node mapping:\n"
_OF_UNDESCRIBED = re.compile(rf"^{re.escape(_UNDESCRIBED)}(?=(\w+) = async_compile\.)", re.MULTILINE)

#: Answers of torch about the device that rightly differ, or say nothing about it.
_NOT_COMPARED = {
    "torch": "both are of one release",
    "triton": "both are of one release",
    "cuda": "what the wheel was built with",
    "python": "any",
    "transformers": "any",
    "cudnn": "what the wheel was built with",
    "properties": "compared one by one",
    "mem_get_info": "how much is free depends on who else uses the GPU",
    "arch_list": "what the wheel was built for",
    "priority": "torch sets it when it is first asked about attention; the virtual device, at once",
}

#: What a differing line suggests, the first that matches.
_CAUSES = (
    (r"_scaled_dot_product_|_fused_sdp", "choice of the attention backend"),
    (r"multi_processor_count|DeviceProperties", "device properties"),
    (r"autotune|BLOCK_M|BLOCK_N|template", "a choice between candidates"),
    (r"assert_size_stride|empty_strided|reinterpret_tensor|size_hints", "memory layout or order of buffers"),
    (r"extern_kernels\.(mm|addmm|bmm|baddbmm)", "choice of a matrix product"),
    (r"convolution", "choice of a convolution"),
    (r"XBLOCK|num_warps|num_stages", "launch configuration"),
)


class MismatchError(Exception):
    """The recording and this machine cannot be compared."""


@dataclass(frozen=True)
class Row:
    """One case compared."""

    key: str
    training: bool
    verdict: Verdict
    recorded: str = ""  # the first differing line, and its context
    generated: str = ""
    cause: str = ""
    exception: str = ""  # why the case is known to differ

    @property
    def family(self) -> str:
        """The family of the case."""
        return self.key.partition("/")[0]


@dataclass
class Comparison:
    """A recording compared."""

    recording: Recording
    rows: list[Row] = field(default_factory=list)
    facts: dict[str, tuple[int, int, list[str]]] = field(default_factory=dict)  # identical, of, differences

    @property
    def faithful(self) -> bool:
        """Whether every case is identical after normalization or a known exception, and every fact the same."""
        return all(row.verdict != "differs" or row.exception for row in self.rows) and not any(
            differences for _, _, differences in self.facts.values()
        )


def compared(recording: Recording, options: argparse.Namespace) -> Comparison:
    """Generate every recorded case that was selected on the virtual device, and compare.

    Raises `MismatchError` where torch or triton are of another version, or the GPU is no known target.
    """
    from fidelity_workers import FACTS, run_all

    target = _target(recording)
    keys = [key for key in selected(options.cases) if key in recording.cases]
    if not keys:
        raise MismatchError("the recording has none of these cases")
    facts = [] if options.cases else [FACTS + part for part in ("device", "sdpa", "backends")]
    generated: dict[str, dict[str, Any]] = {}
    run_all(facts + keys, target, options.workers, options.minutes * 60, options.case_seconds, generated.__setitem__)
    comparison = Comparison(recording)
    comparison.rows = [
        _row(key, recording.cases[key], generated.get(key, {"error": "not reached in time", "traceback": ""}))
        for key in keys
    ]
    mine: dict[str, Any] = {}
    for key in facts:
        mine.update(generated.get(key, {}))
    comparison.facts = dict(_facts(recording.facts, mine))
    return comparison


def _target(recording: Recording) -> str:
    import torch
    import triton

    from kernelsnap.targets.lookup import TARGETS

    device = recording.facts.get("device")
    if device is None:
        raise MismatchError("the recording does not say what it was made with")
    for name, here in (("torch", torch.__version__), ("triton", triton.__version__)):
        if device[name].partition("+")[0] != here.partition("+")[0]:
            raise MismatchError(f"it was recorded with {name} {device[name]}; this is {name} {here}")
    if recording.target != "native":
        return recording.target
    name = device["properties"]["name"]
    known = [target.name for target in TARGETS.values() if target.device_name == name]
    if not known:
        raise MismatchError(f"it was recorded on {name}, which is no target")
    return known[0]


def _row(key: str, recorded: dict[str, Any], generated: dict[str, Any]) -> Row:
    from fidelity_cases import all_cases

    training = all_cases()[key].training
    errors = [side.get("error", "") for side in (recorded, generated)]
    if any(errors):
        if errors[0] == errors[1]:
            return Row(key, training, "error", errors[0], errors[1])
        causes = "an error on one side", _known(key)
        return Row(key, training, "differs", *(e or "(no error)" for e in errors), *causes)
    generated = _described_as(recorded, generated)
    # Equal text is not enough: launch configurations, counts and candidates do not stand in it.
    goldens = [_golden(key, side) for side in (recorded, generated)]
    if goldens[0] != goldens[1]:
        difference = _first_difference(*goldens)
        return Row(key, training, "differs", *difference, _cause(*difference), _known(key))
    raw = [_raw(side) for side in (recorded, generated)]
    if raw[0] == raw[1]:
        return Row(key, training, "raw")
    difference = _first_difference(*raw)
    return Row(key, training, "golden", *difference, _cause(*difference))


def _described_as(recorded: dict[str, Any], generated: dict[str, Any]) -> dict[str, Any]:
    """What was generated, with nothing said above the kernels of which the recording says nothing."""
    graphs = [dict(graph) for graph in generated["graphs"]]
    for graph, other in zip(graphs, recorded["graphs"], strict=False):
        for name in _OF_UNDESCRIBED.findall(other["text"]):
            above = re.compile(rf"^(?:#.*\n)+(?={re.escape(name)} = async_compile\.)", re.MULTILINE)
            graph["text"] = above.sub(_UNDESCRIBED, graph["text"])
    return {**generated, "graphs": graphs}


def _raw(side: dict[str, Any]) -> str:
    texts = []
    for graph in side["graphs"]:
        text = graph["text"]
        for pattern, replacement in _RAW_NOISE:
            text = pattern.sub(replacement, text)
        texts.append(f"=== {graph['phase']}\n{text}")
    return "\n".join(texts)


def _golden(key: str, side: dict[str, Any]) -> str:
    from kernelsnap.golden.build import build_golden
    from kernelsnap.golden.format import render

    golden = render(build_golden(to_capture(side), key))
    # The targets' names: a GPU that no target describes goes by its own.
    return re.sub(r"^target .*\n", "", golden, count=1, flags=re.MULTILINE)


def _first_difference(recorded: str, generated: str) -> tuple[str, str]:
    a, b = recorded.splitlines(), generated.splitlines()
    for left, right in zip(a, b, strict=False):
        if left != right:
            return left.strip(), right.strip()
    longer = a if len(a) > len(b) else b
    rest = longer[min(len(a), len(b))].strip() if len(a) != len(b) else ""
    return (rest, "(end)") if len(a) > len(b) else ("(end)", rest)


def _cause(recorded: str, generated: str) -> str:
    for pattern, cause in _CAUSES:
        if re.search(pattern, recorded) or re.search(pattern, generated):
            return cause
    return "unknown"


def _known(key: str) -> str:
    from fidelity_cases import exceptions

    return next((cause for glob, cause in exceptions().items() if fnmatch.fnmatchcase(key, glob)), "")


def _facts(recorded: dict[str, Any], mine: dict[str, Any]) -> Iterator[tuple[str, tuple[int, int, list[str]]]]:
    if "sdpa" in recorded and "sdpa" in mine:
        yield "attention backends", _answers(recorded["sdpa"], mine["sdpa"])
    for kind in ("convolution", "batch_norm"):
        if "backends" in recorded and "backends" in mine:
            yield f"{kind} backends".replace("_", " "), _answers(recorded["backends"][kind], mine["backends"][kind])
    if "device" in recorded and "device" in mine:
        theirs, ours = recorded["device"]["properties"], mine["device"]["properties"]
        asked = [name for name in ours if name in theirs]
        wrong = [f"{name}: {theirs[name]!r}, here {ours[name]!r}" for name in asked if theirs[name] != ours[name]]
        yield "device properties", (len(asked) - len(wrong), len(asked), wrong)
        theirs, ours = recorded["device"], mine["device"]
        asked = [name for name in theirs if name not in _NOT_COMPARED]
        wrong = [
            f"{name}: {theirs[name]!r}, here {ours.get(name)!r}" for name in asked if theirs[name] != ours.get(name)
        ]
        yield "further answers about the device", (len(asked) - len(wrong), len(asked), wrong)


def _answers(recorded: list[dict[str, Any]], mine: list[dict[str, Any]]) -> tuple[int, int, list[str]]:
    def question(asked: dict[str, Any]) -> str:
        return ", ".join(f"{name} {value}" for name, value in sorted(asked.items()) if name != "answer")

    here = {question(asked): asked["answer"] for asked in mine}
    wrong = [
        f"{question(asked)}: {asked['answer']}, here {here.get(question(asked))}"
        for asked in recorded
        if here.get(question(asked)) != asked["answer"]
    ]
    return len(recorded) - len(wrong), len(recorded), wrong


def print_report(comparison: Comparison) -> None:
    """The table by family, and every difference, for a terminal."""
    print(f"{'family':14} {'cases':>6} {'training':>9} {'raw':>6} {'golden':>7} {'known':>6} {'differs':>8}")
    for name, counts in _table(comparison):
        print(
            f"{name:14} {counts['cases']:6} {counts['training']:9} {counts['raw']:6} {counts['golden']:7} "
            f"{counts['known']:6} {counts['differs']:8}"
        )
    for name, (same, total, differences) in comparison.facts.items():
        print(f"{name}: {same} of {total} the same")
        for line in differences[:40]:
            print(f"    {line}")
    for row in comparison.rows:
        if row.verdict in ("differs", "golden"):
            print(f"\n{row.key}: {row.verdict}  {row.exception or row.cause}")
            print(f"  - {row.recorded[:300]}\n  + {row.generated[:300]}")


def _table(comparison: Comparison) -> Iterator[tuple[str, Counter[str]]]:
    total: Counter[str] = Counter()
    for family in dict.fromkeys(row.family for row in comparison.rows):
        counts = Counter[str]()
        for row in comparison.rows:
            if row.family == family:
                identical = row.verdict in ("raw", "error")
                counts.update(
                    {
                        "cases": 1,
                        "training": row.training,
                        "raw": identical,
                        "golden": identical or row.verdict == "golden",
                        "known": row.verdict == "differs" and bool(row.exception),
                        "differs": row.verdict == "differs" and not row.exception,
                    }
                )
        total.update(counts)
        yield family, counts
    yield "total", total


def markdown(comparison: Comparison) -> str:
    """The tables of docs/fidelity.md."""
    device = comparison.recording.facts["device"]
    lines = [
        f"{device['properties']['name']}, torch {device['torch']}, triton {device['triton']}, CUDA {device['cuda']}.",
        "",
        "| family | cases | training | identical raw | identical golden | named exceptions | differing |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    columns = ("cases", "training", "raw", "golden", "known", "differs")
    lines += [f"| {name} | {' | '.join(str(counts[c]) for c in columns)} |" for name, counts in _table(comparison)]
    lines += ["", "| asked of the device | the same |", "| --- | --: |"]
    lines += [f"| {name} | {same} of {total} |" for name, (same, total, _) in comparison.facts.items()]
    named = [row for row in comparison.rows if row.verdict == "differs"]
    if named:
        lines += ["", "| case | why it differs |", "| --- | --- |"]
        lines += [f"| `{row.key}` | {row.exception or row.cause} |" for row in named]
    return "\n".join(lines)
