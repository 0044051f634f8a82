"""Cuts the text of a golden into sections, each about one kernel or graph, so that the same ones can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kernelsnap.golden.format import render
from kernelsnap.model.golden import LAYERS, RESOURCES, Golden

_BREAK = "graph break  "


@dataclass(frozen=True)
class Section:
    """Consecutive lines about one thing: a graph of the plan, a graph's metrics, a kernel's config, a piece of code."""

    layer: str  # "" for the head and the end of the file
    key: tuple[str, ...]  # equal in two goldens for the same thing
    lines: tuple[str, ...]
    titles: tuple[str, ...]  # for each line what it is about: "forward k1  persistent reduction"


def sections(golden: Golden, graphs: Mapping[str, str]) -> list[Section]:
    """The file of a golden in sections; `graphs`: the name of each graph in the other golden."""
    kinds = {(plan.graph, step.name): step.kind for plan in golden.plan for step in plan.steps}
    found: list[Section] = []
    layer = ""
    key: tuple[str, ...]
    lines = render(golden).removesuffix("\n").split("\n")
    starts = [index for index in range(len(lines)) if _is_start(lines, index)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        line = lines[start]
        if not line.startswith(" "):
            layer = line if line in (*LAYERS, RESOURCES) else layer if not line else ""
            key, title = (line,), ""
        else:
            key, title = _heading(line, layer, graphs, kinds)
        titles = _step_titles(lines[start:end], title) if layer == "plan" else [title] * (end - start)
        found.append(Section(layer, (layer, *key), tuple(lines[start:end]), tuple(titles)))
    return found


def _is_start(lines: list[str], index: int) -> bool:
    """Whether a section starts here: a line of the two outermost levels, or the empty line between two layers."""
    if not lines[index]:
        return lines[index + 1] != "" and not lines[index + 1].startswith(" ")
    return not lines[index].startswith("   ")


def _heading(
    line: str, layer: str, graphs: Mapping[str, str], kinds: Mapping[tuple[str, str], str]
) -> tuple[tuple[str, ...], str]:
    """What identifies a section, and its title."""
    if layer == "plan" and line.strip().startswith(_BREAK):
        return (line,), "graph break"
    if layer == RESOURCES:
        target, graph, kernel = line.strip().split("  ")
        title = f"{graph} {kernel}  {kinds.get((graph, kernel), '')}".rstrip()
        return (graphs.get(graph, graph), kernel, target), f"{title}  on {target}"
    graph, *rest = line.strip().split("  ")
    key = graphs.get(graph, graph)
    if layer in ("config", "code"):
        kind = kinds.get((graph, rest[0]), "")
        return (key, rest[0]), f"{graph} {rest[0]}  {kind}".rstrip()
    return (key,), graph


def _step_titles(lines: list[str], graph: str) -> list[str]:
    """The title of each line of a plan: the kernel that it is below."""
    titles = []
    title = graph
    for line in lines:
        if line.startswith("    ") and not line.startswith("     "):
            name, *rest = line.strip().split("  ")
            title = graph if name in ("inputs", "outputs") else "  ".join([f"{graph} {name}", *rest[:1]])
        titles.append(title)
    return titles
