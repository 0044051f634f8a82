"""Measure how many goldens another torch changes, layer by layer.

    python tools/stability.py --python OTHER/bin/python [--workers 2] [--cases] [TEST ...]
    python tools/stability.py --tree OTHER_GOLDENS [--cases]

Records the corpus (or the tests named) with another Python environment, in which torch, pytest and syrupy stand,
into a temporary folder, and compares every golden with the one in `goldens/`. Nothing there is changed. `--tree`
compares a tree that was recorded before. `--cases` names the goldens behind each number.

The table is Markdown, for docs/stability.md. A golden that only one side has is counted apart, never as unchanged.
Templates of the compiler stand once in a tree: the second column counts goldens whose own part changed, which are those
that differ also where the other side's golden is read with the templates of `goldens/`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, unified_diff
from pathlib import Path

from kernelsnap.diff.compare import Diff, compare
from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import toolchain
from kernelsnap.golden.files import read_text
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.store import golden_files, golden_text
from kernelsnap.golden.templates.folding import folded, unfolded
from kernelsnap.golden.templates.template_store import lookup_near, stored_templates
from kernelsnap.model.golden import LAYERS, Golden

ROOT = Path(__file__).resolve().parents[1]
GOLDENS = ROOT / "goldens"


@dataclass(frozen=True)
class Comparison:
    """Two trees of goldens compared."""

    diffs: dict[str, Diff]  # by path below the tree
    own: dict[str, Diff]  # the same, with the templates of this side in the goldens of both
    templates: list[str]  # those that both sides have, with another text
    only_here: list[str]
    only_there: list[str]


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 0 if every golden could be compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    other = parser.add_mutually_exclusive_group(required=True)
    other.add_argument("--python", type=Path, help="the interpreter of another environment")
    other.add_argument("--tree", type=Path, help="a folder of goldens recorded before")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cases", action="store_true", help="name the goldens that changed")
    parser.add_argument("tests", nargs="*", default=["tests/corpus"], metavar="TEST")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        tree = options.tree or Path(folder) / "goldens"
        if options.python:
            record(options.python, tree, options.tests, options.workers)
        compared = compare_trees(GOLDENS, tree)
        if not compared.diffs:
            sys.exit("no golden was recorded by both: nothing is compared, which is not the same as unchanged")
        print("\n".join([*table(compared, GOLDENS, tree), "", *files(compared, GOLDENS, tree)]))
        if options.cases:
            print("\n".join(cases(compared)))
    return 1 if compared.only_there else 0


def record(python: Path, tree: Path, tests: list[str], workers: int) -> None:
    """Record the tests with another interpreter. A test that fails there leaves no golden, which the table counts."""
    path = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    # Not its bin folder's pytest: only the interpreter is named.
    command = [python, "-m", "pytest", *tests, "-q", "--snapshot-update", "-o", f"kernelsnap_goldens={tree}"]
    command += ["-n", str(workers), "--dist", "loadfile", "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, stdout=sys.stderr, check=False)


def compare_trees(here: Path, there: Path) -> Comparison:
    """Every golden of both trees, compared with its counterpart."""
    old, new = (_files(tree) for tree in (here, there))
    both = sorted(old.keys() & new.keys())
    diffs = {name: compare(_read(old[name]), _read(new[name])) for name in both}
    own = {name: compare(_read(old[name]), _read_with(new[name], old[name])) for name in both}
    texts = [{template.name: template.text for template in stored_templates(tree)} for tree in (here, there)]
    templates = sorted(name for name in texts[0].keys() & texts[1].keys() if texts[0][name] != texts[1][name])
    return Comparison(diffs, own, templates, sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys()))


def _files(tree: Path) -> dict[str, Path]:
    return {path.relative_to(tree).as_posix(): path for path in golden_files(tree)}


def _read(path: Path) -> Golden:
    return parse(golden_text(path), str(path))


def _read_with(path: Path, other: Path) -> Golden:
    """A golden with the templates of another one, where its own part says all that they ask for."""
    try:
        return parse(unfolded(read_text(path), lookup_near(other), str(path), strict=False), str(path))
    except GoldenFormatError:
        return _read(path)


def table(compared: Comparison, here: Path, there: Path) -> Iterator[str]:
    """How many goldens changed in each layer, and how many kernels and lines of code."""
    total = len(compared.diffs)
    yield f"| | goldens changed, of {total} | share | own part changed | share |"
    yield "| --- | --- | --- | --- | --- |"
    for layer in (*LAYERS, "any layer"):
        counts = [
            sum(layer in diff.layers or (layer not in LAYERS and not diff.same) for diff in diffs.values())
            for diffs in (compared.diffs, compared.own)
        ]
        yield f"| {layer} | " + " | ".join(f"{count} | {_share(count, total)}" for count in counts) + " |"
    yield ""
    yield f"Templates that changed: {', '.join(compared.templates) or 'none'}."
    kernels = [kernels_changed(diff) for diff in compared.diffs.values()]
    many, all_kernels = sum(n for n, _ in kernels), sum(n for _, n in kernels)
    added, removed = (sum(_lines(diff, mark) for diff in compared.diffs.values()) for mark in "+-")
    yield f"Kernels whose code changed: {many} of {all_kernels}. Lines: {added} added, {removed} removed."
    yield f"Recorded by one side only: {len(compared.only_here)} here, {len(compared.only_there)} there."
    versions = [toolchain.read(tree) for tree in (here, there)]
    yield "; ".join(" ".join(f"{k} {v}" for k, v in side.versions.items()) for side in versions if side)


def files(compared: Comparison, here: Path, there: Path) -> Iterator[str]:
    """What an update with the other environment would change in `goldens/`, and what it would without templates."""
    templates = stored_templates(there)
    lines: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, diff in compared.diffs.items():
        if not diff.same:
            count = lines[name.partition("/")[0]]
            count["changed"] += 1
            new = render(diff.new)
            before = _edited(golden_text(here / name), new)
            after = _edited(read_text(here / name), folded(new, templates))
            count["files"] += any(after)
            count.update(added=after[0], removed=after[1], added_whole=before[0], removed_whole=before[1])
    yield "| module | goldens changed | files that change | lines in them | lines written whole |"
    yield "| --- | --- | --- | --- | --- |"
    for module, n in sorted(lines.items(), key=lambda item: (-item[1]["changed"], item[0])):
        yield (
            f"| {module} | {n['changed']} | {n['files']} | +{n['added']} -{n['removed']} "
            f"| +{n['added_whole']} -{n['removed_whole']} |"
        )
    both = {template.name: template for template in stored_templates(here)}
    edits = [_edited(both[template.name].text, template.text) for template in templates if template.name in both]
    changed = [edit for edit in edits if any(edit)]
    yield f"| templates | | {len(changed)} | +{sum(a for a, _ in changed)} -{sum(r for _, r in changed)} | |"


def _edited(old: str, new: str) -> tuple[int, int]:
    """How many lines were added, and how many removed."""
    marks = [line[:1] for line in unified_diff(old.split("\n"), new.split("\n"), n=0, lineterm="")][2:]
    return marks.count("+"), marks.count("-")


def kernels_changed(diff: Diff) -> tuple[int, int]:
    """How many kernels have no kernel of the same code on the old side, and how many there are."""
    old, new = (Counter(_bodies(golden)) for golden in (diff.old, diff.new))
    return (new - old).total(), new.total()


def _bodies(golden: Golden) -> Iterator[str]:
    from kernelsnap.golden.canonical import canonical

    for code in canonical(replace(golden)).code:
        if code.name != "host":
            yield code.text.replace(f"def {code.name}(", "def k(")


def _lines(diff: Diff, mark: str) -> int:
    return sum(line.startswith(mark) for hunk in diff.hunks for line in hunk.lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def cases(compared: Comparison) -> Iterator[str]:
    """The goldens whose own part is behind the numbers, and the changed lines that occur most."""
    for layer in LAYERS:
        yield f"\n{layer}"
        yield from (f"  {name}" for name, diff in compared.own.items() if layer in diff.layers)
        lines: Counter[str] = Counter()
        for diff in compared.own.values():
            if layer in diff.layers:
                lines.update({shape for hunk in diff.hunks if hunk.layer == layer for shape in _edits(hunk.lines)})
        yield from (f"    {count:4} goldens  {shape}" for shape, count in lines.most_common(25))
    yield from (f"only here  {name}" for name in compared.only_here)
    yield from (f"only there  {name}" for name in compared.only_there)


def _edits(lines: tuple[str, ...]) -> Iterator[str]:
    """What changed in each changed line: `maximum(tmp0 -> PropagateNan.ALL`, local numbers left out."""
    removed = [line[1:].strip() for line in lines if line.startswith("-")]
    added = [line[1:].strip() for line in lines if line.startswith("+")]
    if len(removed) != len(added):
        yield from (f"- {_plain(line)}" for line in removed)
        yield from (f"+ {_plain(line)}" for line in added)
        return
    for old, new in zip(removed, added, strict=True):
        parts = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        yield " ".join(f"[{old[a:b]} -> {new[c:d]}]" for tag, a, b, c, d in parts if tag != "equal")[:150]


def _plain(line: str) -> str:
    return "".join("#" if char.isdecimal() else char for char in line)[:120]


if __name__ == "__main__":
    sys.exit(main())
