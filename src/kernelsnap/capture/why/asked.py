"""Records, for a golden's section `why`, the compiler settings of a graph that are not torch's defaults."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from operator import itemgetter
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.settings import PINNED_FOR_CPU, SETTINGS, SETTINGS_OF_DYNAMO, is_asked
from kernelsnap.capture.why.reasons import printable

#: What torch sets itself while it compiles, whatever somebody asked for.
_SET_BY_TORCH = frozenset([
    "deterministic", "unlift_effect_tokens", "functionalize_rng_ops", "fake_tensor_allow_unsafe_data_ptr_access",
])  # fmt: skip
#: What torch sets for a graph on the CPU.
_SET_FOR_CPU = frozenset(["comprehensive_padding", "inplace_buffers"])
#: A value is not longer than this.
_LONGEST = 100
# <function pass_ at 0x7f0a4c1d2b80>: where it is in memory differs from run to run
_ADDRESS = re.compile(r" at 0x[0-9a-f]++")


def settings_asked(devices: Collection[str]) -> tuple[str, ...]:
    """The settings as goldens have them, `max_fusion_size = 1`, of a graph for devices of these types.

    Those of AOTAutograd begin with `functorch.` and those of Dynamo with `dynamo.`. None where torch lacks what tells.
    """
    if not all(name.is_there() for name in private.OF_SETTINGS):
        return ()
    modules = {"": private.CONFIG, "functorch.": private.FUNCTORCH_CONFIG, "dynamo.": private.DYNAMO_CONFIG}
    theirs = _SET_BY_TORCH | SETTINGS.keys() | SETTINGS_OF_DYNAMO.keys()
    if "cuda" not in devices:
        theirs |= _SET_FOR_CPU | PINNED_FOR_CPU.keys()
    return tuple(
        f"{prefix}{name} = {_shown(value)}"
        for prefix, module in modules.items()
        for name, value in sorted(_otherwise(module.get()), key=itemgetter(0))
        if name not in theirs or (not prefix and is_asked(name))
    )


def _otherwise(config: Any) -> Iterator[tuple[str, Any]]:
    """The settings of a module of settings that have another value than by default, and decide what is generated."""
    ignored = ("_", *getattr(config, private.IGNORED_BY_CACHES.name, ()))
    for name, entry in private.KNOWN_SETTINGS.of(config).items():
        # To ask for one that is deprecated warns of it.
        deprecated = getattr(entry, private.SETTING_DEPRECATED.name, False)
        if not (name.startswith(ignored) or private.SETTING_STANDS_FOR.of(entry) or deprecated):
            value = getattr(config, name)
            if value != private.SETTING_DEFAULT.of(entry):
                yield name, value


def _shown(value: Any) -> str:
    text = printable(_ADDRESS.sub("", repr(value)))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
