"""A stand-in for torch of which only the settings are there, for tests of what tries settings in many processes.

The real `torch._inductor.config` takes seconds to import, in every process.
"""

from __future__ import annotations

from pathlib import Path

_CONFIG = """
import contextlib

_values = {values!r}

def get_config_copy():
    return dict(_values)

def __getattr__(name):
    try:
        return _values[name]
    except KeyError:
        raise AttributeError(name) from None

@contextlib.contextmanager
def patch(changes):
    before = dict(_values)
    _values.update(changes)
    yield
    _values.update(before)
"""


def write_torch(folder: Path, **settings: object) -> None:
    """Write a package `torch` below `folder` whose Inductor has these settings; Dynamo and functorch have none."""
    for name, values in (("_inductor", settings), ("_dynamo", {}), ("_functorch", {})):
        package = folder / "torch" / name
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "config.py").write_text(_CONFIG.format(values=values))
    (folder / "torch" / "__init__.py").touch()
