"""Hold the virtual device against a real GPU.

    python tools/fidelity.py record --out RECORDING [--minutes 8] [--workers 12] [--virtual h100] [CASE ...]
    python tools/fidelity.py compare RECORDING [--workers 2] [CASE ...]
    python tools/fidelity.py table RECORDING

    record   on a machine with a GPU: captures every case of tests/fidelity, and writes the generated code, the
             device's properties, and which backends it chooses, as one compressed file. With --virtual the virtual
             device records itself, which tests this script and compares versions.
    compare  generates the same cases on the virtual device, with the same torch, and compares: the raw text, and
             the goldens. Ends with status 0 if every golden is identical, 1 if one differs, 2 if it cannot compare.
    table    the same comparison as Markdown, for docs/fidelity.md.

A CASE is a family (`sdpa`), or a family and a glob (`sdpa/gqa*`). What raw text is compared without, and why, stands in
`tools/fidelity_compare.py`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from fidelity_cases import selected
from fidelity_recording import Recording, read, write

NATIVE_WORKERS = 12


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run in (("record", record), ("compare", compare), ("table", compare)):
        command = commands.add_parser(name)
        command.set_defaults(run=run, table=name == "table")
        if name == "record":
            command.add_argument("--out", type=Path, required=True)
            command.add_argument("--virtual", metavar="TARGET")
        else:
            command.add_argument("recording", type=Path)
        command.add_argument("cases", nargs="*", metavar="CASE")
        command.add_argument("--workers", type=int, default=NATIVE_WORKERS if name == "record" else 2)
        command.add_argument("--minutes", type=float, default=8.0 if name == "record" else 60.0)
        command.add_argument("--case-seconds", type=float, default=150.0, help="after which a case is given up")
    return parser


def record(options: argparse.Namespace) -> int:
    """Record every selected case and the facts about the device."""
    import torch

    from fidelity_workers import FACTS, run_all

    if not options.virtual and not torch.cuda.is_available():
        print("this machine has no GPU that torch can use: record on one that has, or with --virtual", file=sys.stderr)
        return 2
    start = time.monotonic()
    recording = Recording(target=options.virtual or "native")
    unsaved = 0

    def done(key: str, result: dict) -> None:
        nonlocal unsaved
        if key.startswith(FACTS):
            recording.facts.update(result)
        else:
            recording.cases[key] = result
        unsaved += 1
        shown = result.get("error", "") or f"{result.get('seconds', 0):.1f} s"
        print(f"{time.monotonic() - start:6.1f}  {len(recording.cases):4}  {key}  {shown[:150]}", flush=True)
        if unsaved >= 40:
            write(recording, options.out, quick=True)
            unsaved = 0

    # A time limit from outside must not lose what is there.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    keys = [FACTS + part for part in ("device", "sdpa", "backends")] + selected(options.cases)
    try:
        run_all(keys, options.virtual, options.workers, options.minutes * 60, options.case_seconds, done)
    finally:
        write(recording, options.out)
    failed = [key for key, case in recording.cases.items() if "error" in case]
    size = options.out.stat().st_size / 2**20
    print(f"{len(recording.cases)} of {len(keys) - 3} cases in {time.monotonic() - start:.0f} s, {len(failed)} failed")
    print(f"{options.out}: {size:.1f} MiB")
    return 0 if recording.cases else 2


def compare(options: argparse.Namespace) -> int:
    """Generate the recorded cases on the virtual device; print what differs, or the table as Markdown."""
    from fidelity_compare import MismatchError, compared, markdown, print_report

    try:
        comparison = compared(read(options.recording), options)
    except MismatchError as error:
        print(f"cannot compare: {error}", file=sys.stderr)
        return 2
    if options.table:
        print(markdown(comparison))
    else:
        print_report(comparison)
    return 0 if comparison.faithful else 1


if __name__ == "__main__":
    raise SystemExit(main())
