"""A recording: what a device generated for the fidelity set, as one compressed file.

JSON in xz. Captures are kept as the text that Inductor generated and what it counted, never as goldens: the golden
format may change, and both sides of a comparison have to be rendered by the same code.
"""

from __future__ import annotations

import dataclasses
import json
import lzma
import site
import sys
import sysconfig
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernelsnap.model.capture import Candidate, Capture, Choice, Graph, GraphCounts, LaunchConfig

VERSION = 2


@dataclass
class Recording:
    """Cases by name, each a capture (see `from_capture`) or an error; and facts about the device and its software."""

    target: str
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def write(recording: Recording, path: Path, quick: bool = False) -> None:
    """Write the file; one that was cut off never replaces a whole one."""
    data = json.dumps({"version": VERSION, **dataclasses.asdict(recording)}, sort_keys=True).encode()
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(lzma.compress(data, preset=1 if quick else 9))
    part.replace(path)


def read(path: Path) -> Recording:
    """The recording in a file."""
    data = json.loads(lzma.decompress(path.read_bytes()))
    version = data.pop("version")
    if version != VERSION:
        raise SystemExit(f"{path} has version {version} of the recording format; this tool reads {VERSION}")
    return Recording(**data)


#: Folders of the machine that records, which are nobody else's business, nor part of what is compared.
_PLACES = (Path(__file__).parents[1], *site.getsitepackages(), sysconfig.get_path("stdlib"), tempfile.gettempdir())


def without_places(text: str) -> str:
    """A text that names files as they are called in their package, not where they stood."""
    for place in map(str, (*_PLACES, sys.prefix)):
        text = text.replace(f"{place}/", "")
    return text


def from_capture(capture: Capture) -> dict[str, Any]:
    """What is recorded of a capture."""
    return {
        "target": capture.target,
        "graph_breaks": list(capture.graph_breaks),
        "graphs": [_from_graph(graph) for graph in capture.graphs],
    }


def _from_graph(graph: Graph) -> dict[str, Any]:
    return {
        "phase": graph.phase,
        "text": without_places(graph.text),
        "counts": dataclasses.asdict(graph.counts),
        # Inductor's heuristics read the device: they are part of what is compared.
        "configs": {
            kernel.name: [dataclasses.asdict(config) for config in kernel.configs]
            for kernel in graph.kernels
            if kernel.language == "triton"
        },
        # So do the candidates of max-autotune.
        "choices": [dataclasses.asdict(choice) for choice in graph.choices],
    }


def to_capture(data: dict[str, Any]) -> Capture:
    """The capture that was recorded."""
    return Capture(data["target"], tuple(map(_to_graph, data["graphs"])), tuple(data["graph_breaks"]))


def _to_graph(data: dict[str, Any]) -> Graph:
    from kernelsnap.capture.read.parse import read_graph

    graph = read_graph(data["text"], data["phase"], GraphCounts(**data["counts"]))
    kernels = tuple(
        dataclasses.replace(kernel, configs=tuple(map(_to_config, data["configs"].get(kernel.name, ()))))
        for kernel in graph.kernels
    )
    return dataclasses.replace(graph, kernels=kernels, choices=tuple(map(_to_choice, data["choices"])))


def _to_choice(data: dict[str, Any]) -> Choice:
    candidates = (
        Candidate(one["name"], tuple((name, value) for name, value in one["settings"])) for one in data["candidates"]
    )
    return Choice(data["op"], tuple(candidates), data["taken"])


def _to_config(data: dict[str, Any]) -> LaunchConfig:
    return LaunchConfig(
        tuple((name, value) for name, value in data["blocks"]),
        data["num_warps"],
        data["num_stages"],
        tuple((name, value) for name, value in data["options"]),
    )
