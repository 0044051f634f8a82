"""Loads the kernels of a golden as Triton kernels, and launches each in the configuration that is fastest."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from kernelsnap.capture import private
from kernelsnap.cost.grids import grid_of
from kernelsnap.cost.kernel_text import KernelText, read_kernel
from kernelsnap.cost.measure.inputs import CannotRunError
from kernelsnap.errors import CannotTellError
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.golden import KernelConfig

# How often each configuration is tried.
_TRIES = 5


@dataclass
class LoadedKernel:
    """One kernel, ready to be launched as its host code does."""

    name: str
    text: KernelText
    function: Any  # what `triton.jit` made
    configs: tuple[LaunchConfig, ...]
    meta: Mapping[str, str]
    chosen: dict[tuple[Any, ...], LaunchConfig] = field(default_factory=dict)

    def run(self, *given: Any, stream: object = None) -> None:
        """Launch it; the first time each configuration is timed, and the fastest is kept."""
        sizes = tuple(value for value in given if isinstance(value, int))
        if sizes not in self.chosen:
            self.chosen[sizes] = self._fastest(given)
        self._launch(self.chosen[sizes], given)

    def _fastest(self, given: tuple[Any, ...]) -> LaunchConfig:
        import torch

        times = {}
        for config in self.configs:
            self._launch(config, given)  # compiles it
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            start.record()
            for _ in range(_TRIES):
                self._launch(config, given)
            end.record()
            torch.cuda.synchronize()
            times[config] = start.elapsed_time(end)
        return min(times, key=times.__getitem__)

    def _launch(self, config: LaunchConfig, given: tuple[Any, ...]) -> None:
        blocks = dict(config.blocks)
        names = self.text.given
        arguments = dict(zip(names, given, strict=False))
        numbers = {**self.text.numbers, **{name: value for name, value in arguments.items() if type(value) is int}}
        try:
            grid = grid_of(self.meta, numbers | blocks, given[len(names) :])
        except CannotTellError as error:
            raise CannotRunError(f"{self.name}: {error}") from error
        self.function[grid](
            **arguments, **blocks, num_warps=config.num_warps, num_stages=config.num_stages, **_options(config)
        )


def _options(config: LaunchConfig) -> dict[str, int]:
    return {name: int(value) for name, value in config.options if value.isdecimal()}


def load_kernels(
    texts: Mapping[str, str], configs: Mapping[str, KernelConfig], folder: Path
) -> dict[str, LoadedKernel]:
    """The kernels of one graph by name. Their code is written to files in `folder`, where Triton reads it.

    Raises:
        CannotRunError: one of them is no Triton kernel, or needs what a golden does not have.
    """
    return {name: _load(name, text, configs.get(name), folder) for name, text in texts.items()}


def _load(name: str, text: str, config: KernelConfig | None, folder: Path) -> LoadedKernel:
    parsed = read_kernel(text)
    if isinstance(parsed, str):
        raise CannotRunError(f"{name}: {parsed}")
    if any(argument.endswith("_NUM_BLKS") for argument, _ in parsed.declared):
        raise CannotRunError(f"{name}: a golden does not have the values of a block mask")
    file = folder / f"{name}.py"
    file.write_text(f"import triton\nimport triton.language as tl\n\n{parsed.code}\n", encoding="utf-8")
    module = _module(file)
    configs = config.configs if config else ()
    return LoadedKernel(
        name,
        parsed,
        getattr(module, parsed.kernel.name),
        configs or (LaunchConfig((), 4, 1),),
        dict(config.meta) if config else {},
    )


def _module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"kernelsnap_golden_{file.parent.name}_{file.stem}", file)
    assert spec  # of a file that is there
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # What the code of Inductor's kernels calls.
    module.__dict__.update(
        triton_helpers=private.TRITON_HELPERS.get(), libdevice=private.LIBDEVICE.get(),
        tl_math=private.TRITON_MATH.get(),
    )  # fmt: skip
    spec.loader.exec_module(module)
    return module
