"""The settings of Inductor that a capture is compiled with: which of several places decides, and that it was followed.

From the strongest to the weakest: the command line (`--kernelsnap-config`), the test (`config=`), and what every
capture has (`SETTINGS`). A setting that somebody asked for is in force while code is generated; else the capture is an
error. What Inductor would ask this machine's processor is pinned, so that a capture for `cpu` is the same everywhere.
"""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch

from kernelsnap.capture import private
from kernelsnap.errors import CaptureError
from kernelsnap.shared.assigned import assigned

PADDING, FORCED_PADDING = "shape_padding", "force_shape_pad"
_DETERMINISTIC = "deterministic"

#: Settings of every capture, so that a golden depends on the code alone.
SETTINGS: Mapping[str, Any] = {
    # A cache hit generates no code.
    "force_disable_caches": True,
    # Nothing is compiled in the background.
    "compile_threads": 1,
    # pad_mm decides by timing real multiplications: another answer on every run, and none without a GPU.
    PADDING: False,
}
#: Settings of Dynamo that every capture has: none decides anything of the code.
SETTINGS_OF_DYNAMO: Mapping[str, Any] = {
    # It takes 10 ms after each graph; Python looks for garbage by itself.
    "run_gc_after_compile": False
}
# The target `cpu` is: AVX2, which every x86-64 server of the last ten years has, and eight threads.
THREADS = 8
# With `vec_isa_ok` no compiler is asked whether this machine has these vector instructions.
PINNED_FOR_CPU: Mapping[str, Any] = {"cpp.threads": THREADS, "cpp.vec_isa_ok": True}

_NOTHING: Mapping[str, Any] = {}
# What the command line asks for.
_command_line: ContextVar[Mapping[str, Any]] = ContextVar("kernelsnap_command_line", default=_NOTHING)
# What was asked for of the capture that runs, and with what every capture has.
_asked: ContextVar[Mapping[str, Any]] = ContextVar("kernelsnap_asked", default=_NOTHING)
_in_force: ContextVar[Mapping[str, Any]] = ContextVar("kernelsnap_in_force", default=_NOTHING)


@contextlib.contextmanager
def settings_of_command_line(settings: Mapping[str, Any]) -> Iterator[None]:
    """Compile every capture inside the block with these settings, whatever its test asks for.

    Raises:
        CaptureError: this torch has no such setting, or no capture can have it.
    """
    with assigned(_command_line, checked_settings(settings)), private.CONFIG.get().patch(dict(settings)):
        yield


@contextlib.contextmanager
def settings_of_capture(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Compile with what this capture asks for inside the block; yields all settings that it pins.

    Raises:
        CaptureError: this torch has no such setting, or no capture can have it.
    """
    asked = {**checked_settings(config), **_command_line.get()}
    settings = {**SETTINGS, **asked}
    if PADDING not in asked and asked.get(FORCED_PADDING, private.CONFIG.get().force_shape_pad):
        # Nothing is timed for it.
        settings[PADDING] = True
    with assigned(_asked, asked), assigned(_in_force, settings), private.CONFIG.get().patch(settings):
        yield settings


def is_asked(name: str) -> bool:
    """Whether the capture that runs was asked for a value of this setting."""
    return name in _asked.get()


def check_in_force() -> None:
    """Raise `CaptureError` unless the settings of the capture are those that code is about to be generated with.

    `deterministic` is one that torch itself sets: after it traced, Dynamo calls `torch.use_deterministic_algorithms`
    with what was in force before, which sets it, too. A backward is compiled later, on a GPU as here: a warning.
    """
    config = private.CONFIG.get()
    for name, value in _in_force.get().items():
        if (found := getattr(config, name)) != value:
            if name == _DETERMINISTIC and found == torch.are_deterministic_algorithms_enabled():
                warnings.warn(
                    f"`{name}` was to be {value!r}, but torch sets it to {found!r} after tracing: a later graph, "
                    "such as a backward, is compiled with that, on a GPU as well. "
                    f"torch.use_deterministic_algorithms({value!r}) holds for every graph",
                    stacklevel=2,
                )
                continue
            raise CaptureError(
                f"`{name}` was to be {value!r}, but this function is compiled with {found!r}: the `mode` or the "
                "`options` of torch.compile, an environment variable of torch, or the function itself sets it too. Ask "
                "for it in one place only"
            )


def checked_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings themselves. Raises `CaptureError` for one that torch does not have, or that no capture can have."""
    module = private.CONFIG.get()
    known = known_settings(module)
    for name, value in config.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise CaptureError(f"torch._inductor.config of torch {torch.__version__} has no setting {name!r}{hint}")
        kind = module.get_type(name)
        if isinstance(value, str) and kind in (bool, int, float):
            raise CaptureError(f"`{name}` is of type {kind.__name__}, and {value!r} is a text")
    if not config.get("force_disable_caches", True):
        raise CaptureError("`force_disable_caches` stays on: a graph found in a cache generates no code")
    return config


def known_settings(config: Any) -> Collection[str]:
    """The names of the settings in one of torch's modules of settings, those that stand for another one too."""
    names: Collection[str] = private.KNOWN_SETTINGS.of(config)
    return names


@contextlib.contextmanager
def pinned_cpu() -> Iterator[None]:
    """Generate C++ for AVX2 and `THREADS` threads inside the block, whatever this machine's processor has.

    Raises:
        UnsupportedTorchError: this torch asks for its vector instructions in another way.
    """
    with (
        private.PICK_VECTOR_ISA.replaced(_vector_isa),
        private.PICK_VECTOR_ISA_OF_GEMM.replaced(_vector_isa),
        private.CONFIG.get().patch(dict(PINNED_FOR_CPU)),
    ):
        yield


def _vector_isa() -> Any:
    """AVX2, or what the setting `cpp.simdlen` asks for."""
    bits = private.CONFIG.get().cpp.simdlen
    if bits is None:
        return _available(private.AVX2.get())()
    if bits <= 1:
        return private.NO_VECTOR_ISA.get()
    for name in (private.AVX2, private.AVX512):
        isa = _available(name.get())()
        if isa.bit_width() == bits:
            return isa
    raise CaptureError(f"`cpp.simdlen` is {bits}, but vectors of the target `cpu` have 256 bits, or 512 if asked for")


@cache
def _available(isa: Any) -> Any:
    """A class of vector instructions that says it is there: torch remembers for ever that this machine lacked one."""
    return type(isa.__name__, (isa,), {"__bool__": lambda self: True})
