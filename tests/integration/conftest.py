"""A small project with golden tests, in which whole runs of pytest are made.

Its tests compare goldens made by hand, and its device is a stand-in that imports no torch: a run takes milliseconds.
"""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

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
    active.append(target)
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
