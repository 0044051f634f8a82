"""What pytest's configuration says here, asked of pytest itself: `python -m kernelsnap.plugin.probe RESULTS`.

pytest stops before it collects anything. The answer is one line of JSON in the file RESULTS.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelsnap.errors import KernelsnapError
from kernelsnap.plugin import private
from kernelsnap.plugin.run import GOLDENS_INI
from kernelsnap.plugin.targets import of_command_line, of_ini
from kernelsnap.shared.private_names import listed, names_in

_PLUGIN = "kernelsnap.plugin.hooks"


class _Ask:
    """A plugin that answers in place of the run."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Read the configuration, and end here."""
        plugins = {getattr(plugin, "__name__", "") for plugin in config.pluginmanager.get_plugins()}
        self.answer = {"version": pytest.__version__, "rootdir": str(config.rootpath), "plugin": _PLUGIN in plugins}
        if self.answer["plugin"]:
            self.answer["private"] = listed(names_in(vars(private)))
            self.answer["goldens"] = str(config.rootpath / str(config.getini(GOLDENS_INI)))
            try:
                of_ini(config)
                of_command_line(config)
            except KernelsnapError as error:
                self.answer["error"] = str(error)
        return 0


def ask() -> dict[str, Any]:
    """What pytest answers; `error` is what it says where it does not start."""
    told = io.StringIO()
    # A project's own options stand in its conftest.py, which may also import anything: so only where it is needed.
    for arguments in (["--noconftest"], []):
        plugin, told = _Ask(), io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            pytest.main([*arguments, "-p", "no:cacheprovider"], plugins=[plugin])
        if plugin.answer:
            return plugin.answer
    lines = [line.strip() for line in told.getvalue().splitlines() if line.strip()]
    # Of a wrong option the first line says only how to use pytest.
    errors = [line for line in lines if ": error: " in line] or [line for line in lines if line.startswith("ERROR")]
    return {"error": (errors or lines or ["pytest did not say why"])[0]}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(ask()) + "\n", encoding="utf-8")
