"""A small project with golden tests, in which whole runs of pytest are made; and a browser for the HTML report.

The project's tests compare goldens made by hand, and its device is a stand-in that imports no torch: a run takes
milliseconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# `golden()` is what a capture would be; its code is in the file `constant`, so that a test can change "the compiler".
_CONFTEST = """
import contextlib, pathlib, sys, types
import pytest
from kernelsnap.metrics import METRICS
from kernelsnap.model import Buffer, Code, FusedOp, Golden, KernelConfig, LaunchConfig, Metric, Plan, Step

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
        step = Step("k0", "pointwise", (("x", "64"),), (FusedOp("add", ("add",)),), ("arg0",), (buf0,))
        return Golden(
            case="any",
            target=target or active[-1],
            plan=(Plan("inference", (arg0,), (step,), ("buf0",)),),
            metrics=tuple(Metric("total", metric.name, 1) for metric in METRICS),
            config=(KernelConfig("inference", "k0", (), (LaunchConfig((("XBLOCK", 64),), 2, 1),)),),
            code=(
                Code("inference", "k0", f"def k0(in_ptr0):\\n{body}    tl.store(in_ptr0, {constant})\\n"),
                Code("inference", "host", "buf0 = k0.run(arg0)\\n"),
            ),
        )
    return make
"""


# Hypothesis is not used in the project, and takes longer to load than the rest of a run.
_QUICK = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")


class Project:
    """A project in a temporary folder, and its goldens."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
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
        return self.pytester.runpytest_subprocess(*_QUICK, *arguments)

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


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    # The runs made here are no workers, also where the test that makes them runs in one.
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
    return Project(pytester)


class Repository:
    """A repository whose commits are written in one go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")
        self.commits: list[str] = []

    def git(self, *arguments: str, **options: str) -> str:
        """Run git there; its output."""
        environment = {"GIT_CONFIG_GLOBAL": "/dev/null", "PATH": "/usr/bin:/bin"}
        command = ["git", *arguments]
        done = subprocess.run(
            command, cwd=self.root, env=environment, check=True, capture_output=True, text=True, **options
        )
        return done.stdout

    def commit_all(self, commits: list[tuple[str, dict[str, str | None]]]) -> None:
        """Commit a list of (message, files); a file of None is deleted, and what is not named stays."""
        stream = []
        for number, (message, files) in enumerate(commits):
            stream.append(
                f"commit refs/heads/main\nmark :{number + 1}\ncommitter T <t@t> {1_700_000_000 + number} +0000"
            )
            stream.append(f"data {len(message.encode())}\n{message}")
            for name, text in files.items():
                if text is None:
                    stream.append(f"D {name}")
                else:
                    stream.append(f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}")
        self.git("fast-import", "--quiet", "--force", input="\n".join(stream) + "\n")
        self.git("reset", "--quiet", "--hard", "main")
        self.commits = self.git("rev-list", "--reverse", "main").split()

    def name(self, index: int) -> str:
        """The abbreviated hash of a commit, by its number."""
        return self.commits[index][:12]

    def everything(self) -> tuple[object, ...]:
        """All that belongs to the user: the tree, what git says of it, and git's own files."""
        tree = {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".git" not in path.parts
        }
        state = [self.git("status", "--porcelain"), self.git("for-each-ref"), self.git("worktree", "list")]
        return tree, state, sorted(path.name for path in (self.root / ".git").iterdir())


@pytest.fixture
def repository(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty repository, in which the test runs, and not in the project."""
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    return Repository(root)


class Index:
    """A folder of wheels of small modules, which is all that installers find."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, version: str, source: str) -> None:
        """Add a version of a package that is one module of the same name."""
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}.py": source,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        with zipfile.ZipFile(self.folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An empty index; what is made of it is kept in a folder of the test's own."""
    made = Index(tmp_path / "index")
    values = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(made.folder), "PIP_CONFIG_FILE": "/dev/null"}
    for name, value in {**values, "KERNELSNAP_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def existing(project):
    """A project of existing tests, which knows nothing of goldens."""
    (project.root / "conftest.py").unlink()
    return project


# A table's value where a name is not there at all.
_ABSENT = object()


def _torch_state() -> dict[object, object]:
    """Everything that the virtual device may touch, by identity."""
    # Imported late: most tests here need no torch.
    import torch
    import torch._dynamo.device_interface as interface
    import triton
    from torch._inductor import compile_fx, graph
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    from kernelsnap.virtual import patches

    owners = {
        "torch": torch,
        "torch.cuda": torch.cuda,
        "torch.version": torch.version,
        "torch._C": torch._C,
        "CudaInterface": interface.CudaInterface,
        "Worker": interface.CudaInterface.Worker,
        "device_interface": interface,
        "FakeTensor": FakeTensor,
        "FakeTensorMode": FakeTensorMode,
        "compile_fx": compile_fx,
        "GraphLowering": graph.GraphLowering,
    }
    state: dict[object, object] = {
        (owner, name): value
        for owner, module in owners.items()
        for name, value in vars(module).items()
        if name != "__warningregistry__"
    }
    for patch in patches.PATCHES:
        state[str(patch.at)] = vars(patches._owner(patch.at)).get(patch.at.name, _ABSENT)
    state["triton active"] = triton.runtime.driver._active
    state["triton default"] = triton.runtime.driver._default
    state["multithreading"] = torch._C._is_multithreading_enabled()
    state["grad"] = torch.is_grad_enabled()
    return state


@pytest.fixture
def torch_state() -> Callable[[], dict[object, object]]:
    """What reads everything that the virtual device may touch."""
    return _torch_state


@pytest.fixture
def torch_is_as_before() -> Iterator[Callable[[], None]]:
    """What asserts that torch is as it was when the test began; it is asserted at the end of the test as well."""
    import torch

    from kernelsnap.virtual import active_target

    before = _torch_state()

    def as_before() -> None:
        after = _torch_state()
        assert after.keys() == before.keys()
        assert [name for name in before if after[name] is not before[name]] == []
        assert active_target() is None
        assert torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is None

    yield as_before
    as_before()


@pytest.fixture(scope="session")
def chromium():
    """A real Chromium, of the system's packages."""
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    binary, driver = next(filter(None, found), None), shutil.which("chromedriver")
    if not binary or not driver:
        why = "no Chromium with its driver: apt-get install -y --no-install-recommends chromium chromium-driver"
        if os.environ.get("CI") == "true" and shutil.which("apt-get"):
            pytest.fail(why)
        pytest.skip(why)
    # Imported late: few of the tests here need it.
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as browser:
        yield browser


@dataclass(frozen=True)
class Watched:
    """What a browser said and asked for since the test began."""

    browser: Any

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requested(self):
        """Addresses that were asked for, but for what is in the page itself and what its policy stopped."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = {e["params"]["requestId"]: e["params"]["request"]["url"] for e in events if _is(e, "requestWillBeSent")}
        for event in events:
            if _is(event, "loadingFailed") and event["params"].get("blockedReason") == "csp":
                del urls[event["params"]["requestId"]]
        return {url for url in urls.values() if not url.startswith(("data:", "about:"))}


def _is(event, name):
    return event["method"] == f"Network.{name}"


@pytest.fixture
def watched(chromium):
    chromium.get("about:blank")
    found = Watched(chromium)
    found.complaints()
    found.requested()
    return found
