"""`kernelsnap targets`: the GPUs that code can be generated for, their numbers and sources, and reading a real one."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kernelsnap.golden.files import replace_bytes
from kernelsnap.targets.device_reading import (
    DeviceReadingError,
    Nearest,
    Reading,
    disagreements,
    nearest,
    table_text,
    target_of,
    with_table,
)
from kernelsnap.targets.lookup import (
    FILE,
    NATIVE,
    TABLE,
    TARGETS,
    TargetTable,
    files_upward,
    name_for_device,
    project_targets,
    target,
)
from kernelsnap.targets.target import NUMBERS, UNITS, Target

SCHEMA = 1
_GIB = 1024**3


def add_targets(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "targets",
        help="list the GPUs that code can be generated for, or read a real one",
        description="List the built-in targets and those that the project of this folder defines in pyproject.toml.",
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="show every number of this one, and its source")
    parser.add_argument("--sources", action="store_true", help="say where the numbers of each come from")
    parser.add_argument("--json", action="store_true", help="as data")
    device = parser.add_argument_group("a real GPU")
    device.add_argument(
        "--from-device", nargs="?", type=int, const=0, metavar="INDEX", help="read one of this machine (default: 0)"
    )
    device.add_argument("--name", help="what to call it (default: made from the name of the device)")
    device.add_argument("--write", action="store_true", help=f"append the table to the project's {FILE}")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """List, show or read; the exit status."""
    if options.from_device is None and (options.name or options.write):
        raise DeviceReadingError("--name and --write go with --from-device")
    if options.from_device is not None:
        if options.target:
            raise DeviceReadingError(f"give either {options.target} or --from-device, not both")
        sys.stdout.write(_from_device(options))
        return 0
    table = project_targets(Path.cwd())
    shown = [target(options.target, table)] if options.target else list(table.entries.values())
    if options.json:
        data = [{**_data(entry), "defined": _defined(entry, table)} for entry in shown]
        sys.stdout.write(_json({"targets": data}))
    elif options.target:
        sys.stdout.write(_lines(_details(shown[0], table)))
    else:
        sys.stdout.write(_lines(_list(shown, table, options.sources)))
    return 0


def _list(entries: Sequence[Target], table: TargetTable, sources: bool) -> Iterable[str]:
    head = ("target", "device", "arch", "SMs", "memory", "numbers", "defined")
    rows = [head, *(_row(entry, table) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row, entry in zip(rows, [None, *entries], strict=True):
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        if sources and entry:
            yield from (f"    {', '.join(source.fields)}: {source.kind}: {source.citation}" for source in entry.sources)
    yield f"{NATIVE:{widths[0]}}  the GPU of this machine; its code is really run"


def _row(entry: Target, table: TargetTable) -> tuple[str, ...]:
    kinds = ", ".join(dict.fromkeys(source.kind for source in entry.sources))
    if not entry.is_gpu:
        return entry.name, "C++ for AVX2", str(entry.arch), "", "", "", _defined(entry, table)
    return (
        entry.name,
        entry.device_name,
        str(entry.arch),
        str(entry.multi_processor_count),
        f"{entry.total_memory / _GIB:.1f} GiB",
        kinds,
        _defined(entry, table),
    )


def _details(entry: Target, table: TargetTable) -> Iterable[str]:
    yield f"{entry.name}  {entry.device_name}  {entry.backend}  {entry.arch}  {entry.gcnArchName}".rstrip()
    yield f"defined: {_defined(entry, table)}"
    for source in entry.sources:
        yield ""
        yield f"{source.kind}: {source.citation}"
        for field in sorted(source.fields, key=NUMBERS.index):
            yield f"  {field:34}{getattr(entry, field):>18_} {UNITS.get(field, '')}".rstrip()


def _defined(entry: Target, table: TargetTable) -> str:
    return "built in" if entry.name in TARGETS else str(table.file)


def _data(entry: Target) -> dict[str, Any]:
    fields = {field: getattr(entry, field) for field in NUMBERS} if entry.is_gpu else {}
    return {
        "name": entry.name,
        "device_name": entry.device_name,
        "backend": entry.backend,
        "arch": entry.arch,
        "gcnArchName": entry.gcnArchName,
        **fields,
        "sources": [dataclasses.asdict(source) for source in entry.sources],
    }


def _from_device(options: argparse.Namespace) -> str:
    reading = _read(options.from_device)
    found = target_of(reading, options.name or name_for_device(str(reading.properties["name"])))
    like = nearest(found, TARGETS.values())
    text = table_text(found, _comments(found, reading, like))
    path = _append(found.name, text) if options.write else None
    if options.json:
        return _json(
            {
                "target": _data(found),
                "nearest": like.entry.name if like else None,
                "equal": like is not None and like.equal,
                "differing": [
                    {"field": field, "device": ours, "target": theirs}
                    for field, ours, theirs in (like.differing if like else ())
                ],
                "toml": text,
                "written": str(path) if path else None,
            }
        )
    return f"{path}: [{TABLE}.{found.name}] added\n" if path else text


def _read(index: int) -> Reading:
    if importlib.util.find_spec("torch") is None:
        raise DeviceReadingError("a GPU is read through torch, which is not installed here")
    try:
        from kernelsnap.virtual.properties import read_gpu
    except (ImportError, OSError) as error:
        raise DeviceReadingError(f"a GPU is read through torch, which cannot be imported here: {error}") from error
    return read_gpu(index)


def _comments(found: Target, reading: Reading, like: Nearest | None) -> Iterable[str]:
    yield f"{found.device_name}, read by `kernelsnap targets --from-device`"
    yield f"through torch {reading.torch} and Triton {reading.triton}."
    if like is None:
        yield "No built-in target has its architecture."
    elif not like.differing:
        yield f"It equals {like.entry.name}, a built-in target: all numbers are the same, and it needs no table."
    elif like.equal:
        yield f"All numbers are those of {like.entry.name}, a built-in target. It differs in:"
    else:
        yield f"The nearest built-in target is {like.entry.name}. It differs in:"
    if like is not None:
        yield from (f"  {field} {ours} ({like.entry.name}: {theirs})" for field, ours, theirs in like.differing)
    yield from (f"Not the same everywhere: {sentence}." for sentence in disagreements(reading))


def _append(name: str, text: str) -> Path:
    table = project_targets(Path.cwd())
    path = table.file or next(iter(files_upward(Path.cwd())), None)
    if path is None:
        raise DeviceReadingError(f"there is no {FILE} here or in a folder above: make one, or paste the table")
    content = path.read_bytes()
    try:
        whole = with_table(content, name, text)
    except DeviceReadingError as error:
        raise DeviceReadingError(f"{path}: {error}") from None
    replace_bytes(path, whole)
    return path


def _json(content: dict[str, Any]) -> str:
    return json.dumps({"schema": SCHEMA, **content}, indent=2, ensure_ascii=False) + "\n"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line.rstrip()}\n" for line in lines)
