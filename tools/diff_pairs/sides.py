"""What each labelled pair is made from, as tests/data/diff_pairs/labels.toml names it."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

#: The folder of the labels and of the archive with the goldens.
PAIRS = Path(__file__).parents[2] / "tests" / "data" / "diff_pairs"

#: A function and its arguments; then options of `capture`, if it takes any.
Program = tuple[Callable[..., Any], tuple[Any, ...]] | tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
#: By name; everything is made when it is asked for, inside a virtual device.
Programs = dict[str, Callable[[], Program]]


@dataclass(frozen=True)
class Side:
    """One capture."""

    program: str  # `module.name`, in this package
    settings: Mapping[str, Any]  # of Inductor; those of AOTAutograd and Dynamo start with `functorch.` and `dynamo.`
    target: str = "h100"
    torch: str = "2.13.0"

    def make(self) -> Program:
        """The program, made anew."""
        module, _, name = self.program.partition(".")
        programs: Programs = importlib.import_module(f"diff_pairs.{module}").PROGRAMS
        return programs[name]()


def labelled_sides() -> dict[str, tuple[Side, Side]]:
    """The old and the new side of each pair, by the pair's name; what both have in common is named once."""
    labels = tomllib.loads((PAIRS / "labels.toml").read_text())
    return {name: (_side(label, "old"), _side(label, "new")) for name, label in labels.items()}


def _side(label: Mapping[str, Any], side: str) -> Side:
    own = label.get(side, {})
    common = {name: label[name] for name in ("program", "settings") if name in label}
    return Side(**{"settings": {}, **common, **own})


BF16 = torch.bfloat16
#: Options of a program whose backward is generated too.
TRAIN = {"backward": True}


def integers(high: int, *shape: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    """Random integers below `high`, on the virtual device."""
    return torch.randint(0, high, shape, device="cuda", dtype=dtype)


def randn(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> torch.Tensor:
    """A tensor on the virtual device."""
    return torch.randn(shape, device="cuda", dtype=dtype, requires_grad=grad)


def several(number: int, *shape: int, **options: Any) -> tuple[torch.Tensor, ...]:
    """Tensors of one shape."""
    return tuple(randn(*shape, **options) for _ in range(number))
