"""Makes the choices of max-autotune by a rule in place of timing, and records the candidates.

A time differs on every run, and a virtual GPU has none. So the library's own kernel is taken where it
is a candidate, else the first candidate in Inductor's order: PyTorch's rule for `torch._inductor.config.deterministic`.
The rule holds on a real GPU too, so that a golden is the same with it and without.

A choice is one call of Inductor's `AlgorithmSelectorCache`, which asks its `pick_deterministic_choice` if the setting
`deterministic` is on and there are two or more candidates.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from kernelsnap.capture import private
from kernelsnap.model.capture import Candidate, Choice
from kernelsnap.shared.private_names import require

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
    require(*private.OF_CHOICES)
    call, pick, inductor_config = (name.get() for name in (private.CHOOSE, private.PICK_DETERMINISTIC, private.CONFIG))
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
            private.PICK_DETERMINISTIC.replaced(by_rule),
        ):
            return call(selector, name, *args, **kwargs)

    with private.CHOOSE.replaced(choose):
        yield made


def _library_first(choices: list[Any]) -> Any:
    return next((choice for choice in choices if _is_library(choice)), choices[0])


def _is_library(choice: Any) -> bool:
    return isinstance(choice, private.LIBRARY_CHOICE.get())


def _candidate(choice: Any) -> Candidate:
    """A candidate, described without what depends on earlier compiles of the process."""
    name = str(choice.name)
    if _is_library(choice):
        return Candidate(f"library {name}")
    settings = (setting.partition("=") for setting in _NEXT.split(str(choice.description)) if setting)
    return Candidate(_COUNTED.sub("", name), tuple((key, value) for key, _, value in settings))
