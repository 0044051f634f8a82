"""A virtual GPU for code that compiles by itself: tests that were written for a real one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch._inductor import config as inductor_config

from kernelsnap.capture.hooks import GeneratedGraph, recording
from kernelsnap.capture.no_timing import no_timing
from kernelsnap.capture.run import SETTINGS
from kernelsnap.targets.lookup import Target
from kernelsnap.virtual import virtual_device
from kernelsnap.virtual.streams import harmless_streams
from kernelsnap.virtual.values import Refusals, refusing_values


@dataclass(frozen=True)
class VirtualSession:
    """What happened since the session began, or since it was last told to forget."""

    refusals: Refusals
    graphs: list[GeneratedGraph]

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self.refusals.errors.clear()
        self.graphs.clear()


@contextlib.contextmanager
def virtual_session(target: str | Target) -> Iterator[VirtualSession]:
    """Generate code for this GPU inside the block, whoever calls `torch.compile`; run none of it.

    A compiled function computes fake tensors. What torch tells of generated code is as ever (`run_and_get_code`, the
    metrics, logs, counters). What needs the GPU raises `NeedsGpuError`, or `CaptureError` for a choice by timing; the
    former are noted in what this yields. Settings of Inductor are those of every capture (`SETTINGS`).

    Raises what `virtual_device` raises.
    """
    with (
        virtual_device(target),
        harmless_streams(),
        inductor_config.patch(dict(SETTINGS)),
        no_timing(),
        recording(run=False) as graphs,
        refusing_values() as refusals,
    ):
        try:
            yield VirtualSession(refusals, graphs)
        finally:
            torch._dynamo.reset()
