"""`--kernelsnap-config NAME=VALUE`: what would another Inductor setting do to the kernels of these tests?"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from kernelsnap.errors import KernelsnapError

OPTION = "--kernelsnap-config"


class SettingError(KernelsnapError):
    """A setting given on the command line is not of the form NAME=VALUE, or does not exist."""


def settings_of_command_line(config: pytest.Config) -> dict[str, Any]:
    """The settings that the command line asks for, by name.

    A value is a Python literal (`1`, `True`, `None`, `{"a": 1}`); anything else is taken as a string.

    Raises:
        SettingError: a setting is not of the form NAME=VALUE, or goldens would be recorded with it: they hold what
            their tests ask for, so a setting to record with belongs in the test (`capture(..., config={...})`).
    """
    given: list[str] = config.getoption(OPTION)
    settings = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise SettingError(f"{OPTION} {text}: expected NAME=VALUE, such as max_fusion_size=1")
        try:
            settings[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name] = value
    if settings and (config.getoption("update_snapshots") or config.getoption("update_new_snapshots_only")):
        raise SettingError(
            f"{OPTION} only compares: a golden is recorded with the settings that its test asks for. "
            f"Write capture(..., config={settings!r}) in the test to record it so"
        )
    return settings


@contextlib.contextmanager
def applied(settings: dict[str, Any]) -> Iterator[None]:
    """Compile with these settings of `torch._inductor.config` inside the block, whatever a capture asks for.

    Raises:
        CaptureError: this torch has no such setting, or no capture can have it.
    """
    if not settings:
        yield
        return
    # Imported late: it imports torch, which a run without captures must not wait for.
    from kernelsnap.capture.settings import settings_of_command_line

    with settings_of_command_line(settings):
        yield
