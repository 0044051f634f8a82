"""Measures both sides of changed goldens, in turns, and puts each time beside its estimate."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kernelsnap.cost.measure.graphs import runnable
from kernelsnap.cost.measure.inputs import CannotRunError
from kernelsnap.cost.measure.turns import Timing, time_in_turns
from kernelsnap.model.golden import Golden

_CLOCKS = "clocks.sm,clocks.max.sm,clocks.mem,temperature.gpu"


@dataclass(frozen=True)
class Measured:
    """One side of a golden: what ran, by graph and in order, and how long it took, in microseconds."""

    total: float
    low: float  # the first quartile
    high: float
    kernels: tuple[tuple[str, str, float], ...]  # graph, name on the GPU, time

    @classmethod
    def of(cls, timing: Timing, graphs: list[str]) -> Measured:
        """From what was timed."""
        kernels = tuple((graphs[one.part], one.name, one.time.median) for one in timing.kernels)
        return cls(timing.total.median, timing.total.low, timing.total.high, kernels)


def measure(old: Golden, new: Golden, repetitions: int = 11) -> tuple[Measured, Measured]:
    """Both sides, in turns, in this process. The text of both goldens is executed.

    Raises:
        CannotRunError: one of them cannot be run here.
    """
    import torch

    if not torch.cuda.is_available():
        raise CannotRunError("there is no GPU: `kernelsnap time` runs the code of goldens on one")
    folder = Path(tempfile.mkdtemp(prefix="kernelsnap-time-"))
    try:
        sides = [runnable(golden, folder / side) for golden, side in ((old, "old"), (new, "new"))]
        timings = time_in_turns([[call for _, call in graphs] for graphs in sides], repetitions)
    except CannotRunError:
        raise
    except Exception as error:
        # The text of a golden may be any program: whatever it raises is its own.
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise CannotRunError(f"its code failed: {type(error).__name__}: {first[:200]}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    before, after = (
        Measured.of(timing, [graph for graph, _ in graphs]) for timing, graphs in zip(timings, sides, strict=True)
    )
    return before, after


def where() -> str:
    """What runs it: the GPU, and the versions of torch and triton."""
    import torch
    import triton

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{name}, torch {torch.__version__}, triton {triton.__version__}"


def clocks() -> str:
    """The clocks of the GPU just now, in words."""
    command = ["nvidia-smi", f"--query-gpu={_CLOCKS}", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        clock, most, memory, degrees = found.stdout.splitlines()[0].split(", ")
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return "clocks unknown (nvidia-smi does not tell)"
    return f"clocks of {clock} MHz of at most {most}, memory {memory} MHz, {degrees} degrees C"
