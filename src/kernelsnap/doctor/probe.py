"""The part of `kernelsnap doctor` that needs torch, in a process of its own: what is broken here may end the process.

    python -m kernelsnap.doctor.probe RESULTS STEP...

Each step adds one line of JSON to the file RESULTS, so that what was found stays if a later step ends the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def _torch() -> dict[str, Any]:
    import torch

    from kernelsnap.capture.private import check_torch
    from kernelsnap.errors import UnsupportedTorchError

    found: dict[str, Any] = {"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip}
    try:
        check_torch()
    except UnsupportedTorchError as error:
        found["unsupported"] = str(error)
    return found


def _triton() -> dict[str, Any]:
    import triton

    from kernelsnap.virtual.private import TRITON_BACKENDS

    ptxas = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
    return {
        "version": triton.__version__,
        "backends": sorted(TRITON_BACKENDS.get()),
        "ptxas": str(ptxas) if ptxas.is_file() else "",
    }


def _private() -> dict[str, Any]:
    from kernelsnap.capture.private import all_names
    from kernelsnap.shared.private_names import listed

    return {"names": listed(all_names())}


def _gpu() -> dict[str, Any]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {"names": [torch.cuda.get_device_name(index) for index in range(count)]}


def _compiler() -> dict[str, Any]:
    from kernelsnap.virtual import guard

    compiler = guard.find_compiler()
    return {"library": str(guard.build()), "compiler": compiler[0] if compiler else ""}


def _capture() -> dict[str, Any]:
    import torch

    from kernelsnap.capture.run import capture
    from kernelsnap.normalize.meta import unjudged
    from kernelsnap.virtual import CompilerMissingError, virtual_device

    with virtual_device("h100"):
        x = torch.randn(64, 1024, device="cuda", requires_grad=True)
        try:
            captured, what = capture(torch.softmax, x, -1, backward=True), "forward and backward"
        except CompilerMissingError:
            captured, what = capture(torch.softmax, x.detach(), -1), "forward"
    facts = {
        name for graph in captured.graphs for kernel in graph.kernels for name in unjudged(kernel.meta, kernel.language)
    }
    return {"kernels": captured.kernels, "what": what, "unjudged": sorted(facts)}


STEPS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "torch": _torch,
    "triton": _triton,
    "private": _private,
    "gpu": _gpu,
    "compiler": _compiler,
    "capture": _capture,
}


def main(results: str, *steps: str) -> None:
    """Take the steps in turn; one that raises says so and does not stop the others."""
    for name in steps:
        try:
            found = STEPS[name]()
        except Exception as error:  # reported, whatever it is: that is what this is for
            found = {"error": f"{type(error).__name__}: {error}"}
        with Path(results).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": name, **found}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
