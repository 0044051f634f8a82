"""The checks of torch, triton, the compiler and the GPU, from what the probe found."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from kernelsnap.doctor.check import Check, asked, private_names_check
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.normalize.meta import unjudged_facts
from kernelsnap.shared.supported import TORCH_SUPPORTED, TRITON_FOR_TORCH, checked_releases
from kernelsnap.targets.lookup import TargetTable

Facts = Mapping[str, Mapping[str, Any]]

_QUICK = ("torch", "triton", "private", "gpu", "compiler")
_TRITON_BACKENDS = {"cuda": "nvidia", "hip": "amd"}
_COMPILER_NEEDED_FOR = "gradients, convolutions and attention cannot be captured without it"


def probe(folder: Path, *, quick: bool) -> Facts:
    """What the probe found, by step. A step that it did not finish has an `error`."""
    steps = (*_QUICK, *(() if quick else ("capture",)))
    lines, ended = asked("kernelsnap.doctor.probe", steps, folder)
    found = {line["step"]: line for line in lines}
    return {step: found.get(step, {"error": ended or "no answer"}) for step in steps}


def torch_checks(facts: Facts, recorded: Toolchain, table: TargetTable, started: float) -> Iterator[Check]:
    """The checks that need the probe; `started` is the time before it ran, in seconds as `time.time` gives it."""
    yield _torch(facts["torch"], recorded)
    if "error" in facts["torch"]:
        return
    release = _release(facts["torch"]["version"])
    yield _triton(facts["triton"], release, recorded)
    yield _internals(facts["private"], recorded)
    yield _compiler(facts["compiler"], started)
    yield _ptxas(facts["triton"])
    yield _gpu(facts["gpu"])
    yield _targets(facts["triton"], table)


def capture_check(facts: Facts) -> Check:
    """Whether a small function was captured."""
    found = facts["capture"]
    if "error" in found:
        return Check("capture", "missing", f"softmax for the h100: {_short(found['error'])}", "see the checks above")
    number = found["kernels"]
    says = f"softmax for the h100, {found['what']}: {number} kernel{'s' * (number > 1)}"
    if found["unjudged"]:
        return Check("capture", "warning", f"{says}; {unjudged_facts(found['unjudged'])}")
    return Check("capture", "ok", says)


def _torch(found: Mapping[str, Any], recorded: Toolchain) -> Check:
    first, beyond = TORCH_SUPPORTED
    install = _install(recorded)
    if "error" in found:
        return Check("torch", "missing", f"cannot be imported: {_short(found['error'])}", install)
    if "unsupported" in found:
        return Check("torch", "missing", found["unsupported"], install)
    wheel = f"CUDA {found['cuda']}" if found["cuda"] else f"ROCm {found['hip']}" if found["hip"] else "CPU"
    release = _release(found["version"])
    if not first <= release < beyond:
        says = f"{found['version']} ({wheel} build) was never checked; {checked_releases()} were"
        return Check("torch", "warning", says, install)
    return Check("torch", "ok", f"{found['version']}, {wheel} build")


def _triton(found: Mapping[str, Any], torch: Version, recorded: Toolchain) -> Check:
    wanted = _triton_of_torch(torch)
    install = f"pip install {shlex.quote(f'triton{wanted}')}" if wanted else _install(recorded)
    if "error" in found:
        return Check("triton", "missing", f"cannot be imported: {_short(found['error'])}", install)
    version = found["version"]
    if wanted and not Requirement(f"triton{wanted}").specifier.contains(Version(version).base_version):
        return Check("triton", "warning", f"{version}; torch {torch} goes with triton {wanted}", install)
    known = f"the one of torch {torch}" if wanted else f"which one goes with torch {torch} is not recorded"
    return Check("triton", "ok", f"{version}, {known}")


def _triton_of_torch(torch: Version) -> str:
    """The triton that torch asks for, as a specifier; what it was built against where it asks for none (CPU wheels)."""
    for text in metadata.requires("torch") or ():
        requirement = Requirement(text)
        if requirement.name == "triton" and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            return str(requirement.specifier)
    known = TRITON_FOR_TORCH.get(f"{torch.major}.{torch.minor}")
    return f"=={known}" if known else ""


def _internals(found: Mapping[str, Any], recorded: Toolchain) -> Check:
    if "error" in found:
        return Check("torch internals", "warning", f"cannot be looked at: {_short(found['error'])}")
    return private_names_check("torch internals", found["names"], _install(recorded))


def _compiler(found: Mapping[str, Any], started: float) -> Check:
    if "error" in found:
        # The message of `CompilerMissingError` ends with what to install.
        says, hint, rest = found["error"].partition("install a C++ compiler")
        says = _short(says.removeprefix("CompilerMissingError: ")).rstrip(": ")
        return Check("C++ compiler", "warning", f"{says}; {_COMPILER_NEEDED_FOR}", hint + rest)
    library = Path(found["library"])
    if library.stat().st_mtime >= started:
        return Check("C++ compiler", "ok", f"{found['compiler']} built {library}")
    return Check("C++ compiler", "ok", f"{found['compiler'] or 'none, nor needed'}; built before: {library}")


def _ptxas(found: Mapping[str, Any]) -> Check:
    path = found.get("ptxas") or shutil.which("ptxas")
    if not path:
        return Check("ptxas", "ok", "none; goldens do not need it, only counting registers and spills would")
    try:
        printed = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("ptxas", "warning", f"{path} cannot be run: {error}")
    release = re.search(r"release (\S+),", printed)
    return Check("ptxas", "ok", f"{release[1] if release else 'of unknown release'}, {path}")


def _gpu(found: Mapping[str, Any]) -> Check:
    if "error" in found:
        return Check("GPU", "warning", f"cannot be asked: {_short(found['error'])}; only --kernelsnap-target native is")
    names = ", ".join(found["names"])
    return Check("GPU", "ok", names or "none, nor needed: only `--kernelsnap-target native` would use one")


def _targets(found: Mapping[str, Any], table: TargetTable) -> Check:
    entries = table.entries.values()
    backends: Sequence[str] = found.get("backends", ())
    able = [entry.name for entry in entries if not entry.is_gpu or _TRITON_BACKENDS[entry.backend] in backends]
    unable = [entry.name for entry in entries if entry.name not in able]
    if unable:
        says = f"{', '.join(able)}; not {', '.join(unable)}: this triton lacks their backend"
        return Check("targets", "warning", says, "install a triton that is built with the backends nvidia and amd")
    return Check("targets", "ok", ", ".join(able))


def _install(recorded: Toolchain) -> str:
    versions = {name: version for name, version in recorded.versions.items() if name in ("torch", "triton")}
    if "torch" in versions:
        return f"pip install {' '.join(f'{name}=={version}' for name, version in versions.items())}"
    torch, triton = list(TRITON_FOR_TORCH.items())[-1]
    return f"pip install 'torch=={torch}.*' triton=={triton}"


def _release(version: str) -> Version:
    return Version(Version(version).base_version)


def _short(text: str) -> str:
    """A message in one line."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]}…"


def now() -> float:
    """The time, to tell what was built from what was there: file systems round down to a few milliseconds."""
    return time.time() - 0.01
