"""`kernelsnap show`: prints goldens, or parts of them, in colours on a terminal. Needs no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kernelsnap.errors import GoldenError
from kernelsnap.model.golden import LAYERS, WHY, Golden
from kernelsnap.report.visible import shows_color, visible
from kernelsnap.shared.places import from_here, is_file
from kernelsnap.shared.wording import listed

#: How many cases, or parts, an error names.
_NAMED = 8


def add_show(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "show",
        help="print a golden, or parts of it",
        description="Print goldens (`show tests/test_a.py::test_b`) or a part (`show tests/test_a.py::test_b:k1`). "
        "A part is a kernel, `host`, or either after the name of its graph: `'…:backward k1'`.",
    )
    parser.add_argument("golden", metavar="GOLDEN[:PART]", help="a .ksnap file, or the node id of a test")
    parser.add_argument("--layer", choices=(*LAYERS, WHY), action="append", help="only this layer; may be repeated")
    add_which(parser)
    parser.set_defaults(command=_show)


def add_which(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose among the goldens of a test."""
    parser.add_argument("--target", action="append", default=[], metavar="NAME", help="only the golden of this GPU")
    parser.add_argument(
        "--goldens", type=Path, metavar="FOLDER", help="the folder of the goldens (default: `goldens` here or above)"
    )


def _show(options: argparse.Namespace) -> int:
    from kernelsnap.golden.format import parse
    from kernelsnap.golden.store import golden_text

    files, part = _found(options.golden, options)
    color = shows_color(sys.stdout)
    for number, file in enumerate(files):
        golden = parse(golden_text(file), str(file))
        lines = list(_lines(golden, part, options.layer))
        if not any(layer for layer, _ in lines):
            raise GoldenError(f"{file} has no part {part}; there is {listed(_parts(golden), _NAMED)}")
        if len(files) > 1:
            sys.stdout.write(f"{chr(10) * bool(number)}{_painted(f'# {visible(str(file))}', '', color=color)}\n")
        sys.stdout.writelines(f"{_painted(visible(line), layer, color=color)}\n" for layer, line in lines)
    return 0


def goldens_called(name: str, options: argparse.Namespace) -> list[Path]:
    """The files of a golden or of a test, without a part. Raises `GoldenError` where there is none."""
    files, part = _found(name, options)
    if part:
        raise GoldenError(f"{name}: no such file, and no test of this name has a golden")
    return files


def _found(name: str, options: argparse.Namespace) -> tuple[list[Path], str]:
    """The files that are meant, and the part of each; "" for all of it."""
    before, _, part = name.rpartition(":")
    if is_file(name) or name.endswith(".ksnap"):
        return [Path(name)], ""
    if is_file(before) and before.endswith(".ksnap"):
        return [Path(before)], part
    goldens = options.goldens or _goldens_near()
    heads = _heads(goldens)
    targets = options.target
    for wanted, of in ((name, ""), (before, part)):
        case = from_here(wanted, goldens.absolute().parent)
        cases = {each for _, each, _ in heads if each == case or each.startswith(f"{case}@")} or {
            each for _, each, _ in heads if case and each.endswith((f"/{case}", f"::{case}"))
        }
        files = [file for file, each, of_it in heads if each in cases and (not targets or {*targets} & {*of_it})]
        if files:
            return files, of
    for_them = f" for {', '.join(targets)}" if targets else ""
    raise GoldenError(f"{name}: no such file, and no test of this name has a golden{for_them} in {goldens}")


def _heads(goldens: Path) -> list[tuple[Path, str, tuple[str, ...]]]:
    from kernelsnap.golden.sharing import heads_below

    return list(heads_below(goldens)) if goldens.is_dir() else []


def _goldens_near() -> Path:
    here = Path.cwd()
    found = (folder / "goldens" for folder in (here, *here.parents))
    near = next((folder for folder in found if folder.is_dir()), here / "goldens")
    return near.relative_to(here) if near.is_relative_to(here) else near


def _lines(golden: Golden, part: str, layers: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """The lines that are shown, each with its layer; "" for the head and the end."""
    from kernelsnap.diff.text.hunks import sections

    found = sections(golden, {})
    wanted = [section for layer in layers for section in found if section.layer == layer] if layers else found
    shown = ""
    for section in wanted:
        for title, line in zip(section.titles, section.lines, strict=True):
            is_heading = line == section.layer
            if part and (is_heading or part not in _called(title)):
                continue
            if part and section.layer != shown:
                shown = section.layer
                yield shown, shown
            if line or not (part or layers):
                yield section.layer, line


def _called(title: str) -> tuple[str, str]:
    """How a user may call what a line is about."""
    place = title.partition("  ")[0]
    return place, place.rpartition(" ")[2]


def _parts(golden: Golden) -> list[str]:
    return list(dict.fromkeys(f"{code.graph} {code.name}" for code in golden.code))


def _painted(line: str, layer: str, *, color: bool) -> str:
    """A line in colours: headings bold, what a kernel's line begins with in cyan, code as Python."""
    if not color or not line:
        return line
    if not line.startswith(" "):
        return f"\x1b[{'1' if layer else '2'}m{line}\x1b[0m"
    if line.startswith("    ") or layer != "code":
        return _code(line) if layer == "code" else line
    return f"\x1b[36m{line}\x1b[0m"


def _code(line: str) -> str:
    """A line of code, as a terminal with eight colours shows Python."""
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console(color_system="standard", force_terminal=True, width=10_000, no_color=False)
    with console.capture() as text:
        console.print(Syntax("", "python", theme="ansi_dark", background_color="default").highlight(line), end="")
    return text.get().rstrip("\n")
