"""All checks, in the order in which one depends on another."""

from __future__ import annotations

from pathlib import Path

from kernelsnap.doctor.check import Check
from kernelsnap.doctor.machine import machine_checks
from kernelsnap.doctor.project import look_at
from kernelsnap.doctor.torch_side import capture_check, now, probe, torch_checks


def examine(folder: Path, *, quick: bool = False) -> tuple[Check, ...]:
    """What this machine can do for the project in this folder; `quick` leaves out the capture."""
    project = look_at(folder)
    started = now()
    facts = probe(folder, quick=quick)
    checks = [*machine_checks(), *torch_checks(facts, project.recorded, project.table, started), *project.checks]
    if not quick and "error" not in facts["torch"]:
        checks.append(capture_check(facts))
    return tuple(checks)
