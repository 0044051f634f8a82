"""A small project with golden tests, in which whole runs of pytest are made.

Its tests compare goldens made by hand, and its device is a stand-in that imports no torch: a run takes milliseconds.
"""

from __future__ import annotations

import importlib
import itertools
import re
from pathlib import Path

import pytest

from forked_runs import COMPARING, PLAIN, TORCH, ForkedRuns
from kernelsnap.cli.main import _COMMANDS

# `golden()` is what a capture would be; its code is in the file `constant`, so that a test can change "the compiler".
_CONFTEST = """
import contextlib, pathlib, sys, types
import pytest
from kernelsnap.model.metrics import METRICS
from kernelsnap.model.capture import Buffer, FusedOp, LaunchConfig
from kernelsnap.model.golden import Code, Golden, KernelConfig, Metric, Plan, PlanStep

HERE = pathlib.Path(__file__).parent
active = []

@contextlib.contextmanager
def virtual_device(target):
    active.append(target.name)
    yield target
    active.pop()

device = types.ModuleType("kernelsnap.virtual")
device.virtual_device = virtual_device
sys.modules["kernelsnap.virtual"] = device

@pytest.fixture
def golden():
    def make(target=None, lines=3, constant=None):
        constant = constant or (HERE / "constant").read_text()
        body = "".join(f"    tmp{i} = tl.load(in_ptr0 + {i})\\n" for i in range(lines))
        arg0, buf0 = Buffer("arg0", "f32", ("64",)), Buffer("buf0", "f32", ("64",))
        step = PlanStep("k0", "pointwise", (("x", "64"),), (FusedOp("add", ("add",)),), ("arg0",), (buf0,))
        return Golden(
            case="any",
            target=target or active[-1],
            plan=(Plan("inference", (arg0,), (step,), ("buf0",)),),
            metrics=tuple(Metric("total", metric.name, int(metric.name != "extern calls")) for metric in METRICS),
            config=(KernelConfig("inference", "k0", (), (LaunchConfig((("XBLOCK", 64),), 2, 1),)),),
            code=(
                Code("inference", "k0", f"def k0(in_ptr0):\\n{body}    tl.store(in_ptr0, {constant})\\n"),
                Code("inference", "host", "buf0 = k0.run(arg0)\\n"),
            ),
        )
    return make
"""


# Lets a test set which versions of packages are installed: those that the file `versions` has.
_VERSIONS = """
from importlib import metadata
versions = dict(line.split("=") for line in (HERE / "versions").read_text().split())
patch = pytest.MonkeyPatch()

def version(name, original=metadata.version):
    if name not in versions and name in ("torch", "triton", "pytorch-triton", "pytorch-triton-rocm", "flash-attn-4"):
        raise metadata.PackageNotFoundError(name)
    return versions.get(name) or original(name)

patch.setattr(metadata, "version", version)

def pytest_unconfigure():
    patch.undo()
"""


# What a run imports when a golden differs. pytester forgets what was imported in a run, and pytest rewrites each module
# of a plugin's package when it is imported: that would take longer than the rest of the run, in every run.
for module in (*COMPARING, *(f"kernelsnap.cli.{adder.partition('.')[0]}" for adder in _COMMANDS)):
    importlib.import_module(module)

#: Plugins that no project of a test uses, and that take longer to load than the rest of a run.
WITHOUT_PLUGINS = ("-p", "no:hypothesispytest", "-p", "no:anyio")
_QUICK = ("-p", "no:cacheprovider", *WITHOUT_PLUGINS)


class Project:
    """A project in a temporary folder, and its goldens."""

    def __init__(self, pytester: pytest.Pytester, runs: ForkedRuns) -> None:
        self.pytester = pytester
        self._runs = runs
        self.root = pytester.path
        self.goldens = self.root / "goldens"
        self.compiler("1.0")
        pytester.makeconftest(_CONFTEST)
        self.ini()

    def ini(self, **settings: str) -> None:
        """Write pytest's configuration."""
        settings = {"xfail_strict": "false", **settings}
        lines = [f"{key} = {value}" for key, value in settings.items()]
        (self.root / "pytest.ini").write_text("\n".join(["[pytest]", *lines, ""]))

    def compiler(self, constant: str) -> None:
        """Change what is generated."""
        (self.root / "constant").write_text(constant)

    def versions(self, *names: str) -> None:
        """Change which versions of torch, triton and flash-attn-4 are installed: `torch=2.13.0`."""
        conftest = self.root / "conftest.py"
        if _VERSIONS not in conftest.read_text():
            conftest.write_text(conftest.read_text() + _VERSIONS)
        (self.root / "versions").write_text("\n".join(names))

    def test(self, source: str, name: str = "test_a.py") -> None:
        """Write a test module."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = source.strip("\n").split("\n")
        indent = len(lines[0]) - len(lines[0].lstrip())
        path.write_text("".join(f"{line[indent:]}\n" for line in lines))

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in the project."""
        return self.pytester.runpytest(*_QUICK, *arguments)

    def subprocess(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in the project and in a process of its own."""
        return self.subprocess_with_cache("-p", "no:cacheprovider", *arguments)

    def subprocess_with_cache(self, *arguments: str) -> pytest.RunResult:
        """The same, with what pytest keeps between two runs."""
        captures = any("import torch" in path.read_text() for path in self.root.rglob("*.py"))
        return self._runs.pytest(self.root, [*WITHOUT_PLUGINS, *arguments], TORCH if captures else PLAIN)

    def record(self, *arguments: str) -> None:
        """Record every golden."""
        result = self.run("--snapshot-update", *arguments)
        assert result.ret == 0, result.stdout.str()

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Content and time of writing of everything under the goldens folder."""
        return {
            path.relative_to(self.goldens).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.goldens.rglob("*"))
            if path.is_file()
        }

    def names(self) -> list[str]:
        """The goldens, without the record of the toolchain."""
        return [name for name in self.files() if name.endswith(".ksnap")]

    def golden(self, name: str) -> Path:
        """The path of one golden."""
        return self.goldens / name


_NUMBERS = re.compile(r"\d+ goldens? (unchanged|recorded|rewritten|failing)(, \d+ \w+)*\Z")


def notes(result: pytest.RunResult) -> list[str]:
    """What a run ends with about its goldens, but for their number and the failures in groups."""
    lines = result.outlines
    start = next((place for place, line in enumerate(lines) if "= kernelsnap =" in line), len(lines))
    told = itertools.takewhile(lambda line: not line.startswith(("=", "-")), lines[start + 1 :])
    rest = (line for line in told if line and not line.startswith("  ") and not _NUMBERS.match(line))
    return [line for line in rest if "the worst first" not in line]
