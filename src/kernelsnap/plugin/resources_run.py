"""`--kernelsnap-resources`: whether a run compares resources.

Only where it is asked for: by the option, the setting `kernelsnap_resources`, or `kernel_snapshot(resources=True)`.
Otherwise such a file is not looked at, whatever is updated.
"""

from __future__ import annotations

import pytest

OPTION = "--kernelsnap-resources"
INI = "kernelsnap_resources"


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """Add the option and the setting."""
    group.addoption(
        OPTION,
        action="store_true",
        help="compile every kernel to machine code, and compare registers, spills and so on with the files beside the "
        "goldens; --snapshot-update records them",
    )
    parser.addini(INI, f"the same as {OPTION} in every run (default: false)", type="bool", default=False)


def are_asked_for(config: pytest.Config) -> bool:
    """Whether this run compares resources where a test does not say."""
    return bool(config.getoption(OPTION)) or bool(config.getini(INI))
