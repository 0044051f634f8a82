"""Max-autotune without a clock: what there was to choose from is recorded, and a stated rule chooses.

A time is another one on every run, and a GPU that is not there has none. So the library's own kernel is taken where it
is a candidate, else the first candidate in Inductor's order: PyTorch's rule for `torch._inductor.config.deterministic`.
The rule holds on a real GPU too, so that a golden is the same with it and without.

Private API, checked on torch 2.11, 2.13 and 2.14: `AlgorithmSelectorCache.__call__`, which asks
`.pick_deterministic_choice` if `config.deterministic` is on and there are two or more candidates; and a candidate's
`.name` and `.description`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch._inductor import config as inductor_config
from torch._inductor import select_algorithm

from kernelsnap.model.capture import Candidate, Choice
from kernelsnap.virtual.support import UnsupportedTorchError

# triton_mm_17: the number counts the candidates of a process
_COUNTED = re.compile(r"_\d+\Z")
# BLOCK_M=64, FLOAT32_PRECISION="'ieee'", kwargs={'a': 1, 'b': 2}: a comma ends a setting where the next one begins
_NEXT = re.compile(r", (?=\w+=)")


@contextlib.contextmanager
def untimed_choices() -> Iterator[list[Choice]]:
    """Inside the block choices of max-autotune are made by rule; the list grows by each, as it is made.

    Raises:
        UnsupportedTorchError: this torch makes its choices in another place.
    """
    cache = getattr(select_algorithm, "AlgorithmSelectorCache", None)
    for name in ("__call__", "pick_deterministic_choice"):
        if not hasattr(cache, name):
            raise UnsupportedTorchError(
                f"torch {torch.__version__} has no select_algorithm.AlgorithmSelectorCache.{name}, which knows what "
                "max-autotune chooses from: this torch is not supported yet"
            )
    assert cache is not None
    call, pick = cache.__call__, cache.pick_deterministic_choice
    made: list[Choice] = []

    def choose(selector: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        asked = inductor_config.deterministic

        def by_rule(selector: Any, choices: list[Any]) -> Any:
            # It was turned on for the sake of this question only: the code of what is chosen must not know it.
            inductor_config.deterministic = asked
            taken = pick(selector, choices) if asked else _library_first(choices)
            made.append(Choice(name, tuple(map(_candidate, choices)), choices.index(taken)))
            return taken

        with (
            inductor_config.patch(deterministic=True),
            mock.patch.object(cache, "pick_deterministic_choice", by_rule),
        ):
            return call(selector, name, *args, **kwargs)

    with mock.patch.object(cache, "__call__", choose):
        yield made


def _library_first(choices: list[Any]) -> Any:
    return next((choice for choice in choices if _is_library(choice)), choices[0])


def _is_library(choice: Any) -> bool:
    return isinstance(choice, select_algorithm.ExternKernelCaller)


def _candidate(choice: Any) -> Candidate:
    """A candidate in words that do not depend on what the process compiled before."""
    name = str(choice.name)
    if _is_library(choice):
        return Candidate(f"library {name}")
    settings = (setting.partition("=") for setting in _NEXT.split(str(choice.description)) if setting)
    return Candidate(_COUNTED.sub("", name), tuple((key, value) for key, _, value in settings))
