"""The unified diff of two goldens: hunks with the kernel's name in each header and no time stamps.

The text of a golden is cut into sections, each about one kernel or graph; those about the same thing are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import NamedTuple

from kernelsnap.diff.text.lines import common, edits
from kernelsnap.golden.format import render
from kernelsnap.model.golden import LAYERS, RESOURCES, WHY, Golden

#: Lines shown before and after a change.
CONTEXT = 3


@dataclass(frozen=True)
class Hunk:
    """Lines that change together, with some around them; the numbers are those of the golden files, from 1."""

    layer: str
    title: str  # what the first changed line is about: "forward k1  persistent reduction"
    about: tuple[str, ...]  # what its changed lines are about: "forward k1"
    old_start: int
    new_start: int
    lines: tuple[str, ...]  # each after " ", "-" or "+"

    @property
    def header(self) -> str:
        """The line that introduces it: `@@ -12,7 +12,8 @@ forward k1  persistent reduction`."""
        old = sum(line[0] != "+" for line in self.lines)
        new = sum(line[0] != "-" for line in self.lines)
        # A side without lines names the line before it.
        old_start, new_start = self.old_start - (not old), self.new_start - (not new)
        return f"@@ -{old_start},{old} +{new_start},{new} @@ {self.title}".rstrip()

    def to_read(self) -> Hunk:
        """The hunk without its layer's heading and the empty line that closes it, unless they changed.

        A report has a heading of its own; a patch keeps both, or `git apply` would take the hunk for the file's end.
        """
        frame = (" ", f" {self.layer}")
        start = next(index for index, line in enumerate(self.lines) if line not in frame)
        end = next(index for index in range(len(self.lines), 0, -1) if self.lines[index - 1] not in frame)
        return replace(
            self, old_start=self.old_start + start, new_start=self.new_start + start, lines=self.lines[start:end]
        )


class _DiffLine(NamedTuple):
    tag: str
    text: str
    layer: str
    title: str
    old: int  # number of this line in the old file, or of the next one
    new: int


def hunks(old: Golden, new: Golden, graphs: Mapping[str, str]) -> tuple[Hunk, ...]:
    """All hunks that turn the file of one golden into that of the other; none reaches over two layers.

    A section is compared with the same section of the other side only: a new kernel is added lines, never another
    kernel rewritten. `graphs` gives for the graphs of `new` their names in `old`. Reasons are not compared.
    """
    old, new = replace(old, why=()), replace(new, why=())
    diff_lines = _diff_lines(sections(old, {}), sections(new, graphs))
    return tuple(hunk for _, layer in groupby(diff_lines, key=lambda line: line.layer) for hunk in _hunks(list(layer)))


def _diff_lines(old: Sequence[Section], new: Sequence[Section]) -> Iterator[_DiffLine]:
    i = j = 0
    old_line = new_line = 1
    pairs = common([section.key for section in old], [section.key for section in new])
    for i_next, j_next in [*pairs, (len(old), len(new))]:
        changes: list[tuple[Section | None, Section | None]]
        changes = [(section, None) for section in old[i:i_next]] + [(None, section) for section in new[j:j_next]]
        if i_next < len(old):
            changes.append((old[i_next], new[j_next]))
        for before, after in changes:
            for line in _section_lines(before, after, old_line, new_line):
                yield line
                old_line += line.tag != "+"
                new_line += line.tag != "-"
        i, j = i_next + 1, j_next + 1


def _section_lines(old: Section | None, new: Section | None, old_line: int, new_line: int) -> Iterator[_DiffLine]:
    for tag, i, j in edits(old.lines if old else (), new.lines if new else ()):
        section, index = (new, j) if tag == "+" else (old, i)
        assert section is not None
        yield _DiffLine(tag, section.lines[index], section.layer, section.titles[index], old_line + i, new_line + j)


def _hunks(diff_lines: Sequence[_DiffLine]) -> Iterator[Hunk]:
    changed = [index for index, line in enumerate(diff_lines) if line.tag != " "]
    apart = [(a, b) for a, b in pairwise(changed) if b - a > 2 * CONTEXT]
    starts = [*changed[:1], *(b for _, b in apart)]
    ends = [*(a for a, _ in apart), *changed[-1:]]
    for first, last in zip(starts, ends, strict=True):
        shown = diff_lines[max(0, first - CONTEXT) : last + CONTEXT + 1]
        lines = tuple(line.tag + line.text for line in shown)
        about = dict.fromkeys(line.title.partition("  ")[0] for line in shown if line.tag != " ")
        yield Hunk(diff_lines[first].layer, diff_lines[first].title, tuple(about), shown[0].old, shown[0].new, lines)


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
            layer = line if line in (*LAYERS, RESOURCES, WHY) else layer if not line else ""
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
