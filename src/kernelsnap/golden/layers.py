"""Leaves layers out of goldens: of a whole model, say, the code of every kernel."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from kernelsnap.errors import GoldenError
from kernelsnap.model.golden import LAYERS, Golden


def only_layers(names: Collection[str]) -> tuple[str, ...]:
    """The layers of these names as a golden holds them: in the order of `LAYERS`, the plan always among them."""
    return tuple(layer for layer in LAYERS if layer in names or layer == "plan")


def checked_layers(names: Collection[str]) -> tuple[str, ...]:
    """`only_layers` of names that a user wrote. Raises `GoldenError` for one that is no layer."""
    if isinstance(names, str):
        raise GoldenError(f'layers are given as several names, layers=("plan", "metrics"), not as {names!r}')
    for name in names:
        if name not in LAYERS:
            raise GoldenError(f"a golden has no layer {name!r}: its layers are {', '.join(LAYERS)}")
    return only_layers(names)


def with_layers(golden: Golden, layers: tuple[str, ...]) -> Golden:
    """The golden without its other layers."""
    return replace(
        golden,
        metrics=golden.metrics if "metrics" in layers else (),
        config=golden.config if "config" in layers else (),
        choices=golden.choices if "config" in layers else (),
        code=golden.code if "code" in layers else (),
        layers=tuple(layer for layer in golden.layers if layer in layers),
    )
