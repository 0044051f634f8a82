"""Fixtures of several modules: a project with golden tests, a repository, an index of wheels, torch, and a browser."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from forked_runs import TORCH, ForkedRuns, replace_runs
from git_repository import Repository
from golden_project import WITHOUT_PLUGINS, Project
from kernelsnap.cli.main import main
from kernelsnap.shared.places import cache_folder
from torch_settings import write_torch
from torch_state import torch_state
from watched_browser import Watched
from wheel_index import WheelIndex

# Of the user who runs the tests.
_BUILT = cache_folder()


@pytest.fixture(scope="session")
def forked_runs() -> Iterator[ForkedRuns]:
    runs = ForkedRuns()
    yield runs
    runs.close()


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, forked_runs: ForkedRuns) -> Project:
    for name in ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    # The runs made here are no workers, also where the test that makes them runs in one.
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
    # For runs in processes of their own, too. What loads there by itself takes longer than the rest of a run.
    monkeypatch.setenv("PYTEST_ADDOPTS", shlex.join(WITHOUT_PLUGINS))
    # pytester's home folder is an empty one. There, every process that needs it would build the guard in C++ anew.
    for library in _BUILT.glob("*.so"):
        cache = pytester.path / ".cache" / "kernelsnap"
        cache.mkdir(parents=True, exist_ok=True)
        (cache / library.name).symlink_to(library)
    return Project(pytester, forked_runs)


@pytest.fixture
def ask(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str, int]]:
    """Standard output, standard error and status of a command, which runs in the project."""

    def ask(*words: str, cwd: Path = project.root) -> tuple[str, str, int]:
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        status = main(list(words))
        return (*capsys.readouterr(), status)

    return ask


@pytest.fixture(scope="module")
def on_h100() -> Iterator[None]:
    """The virtual h100, for all tests of a module."""
    from kernelsnap import virtual_device

    with virtual_device("h100"):
        yield


@pytest.fixture
def repository(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty repository, in which the test runs, and not in the project."""
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    return Repository(root)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WheelIndex:
    """An empty index; what is made of it is kept in a folder of the test's own."""
    made = WheelIndex(tmp_path / "index")
    values = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(made.folder), "PIP_CONFIG_FILE": "/dev/null"}
    for name, value in {**values, "KERNELSNAP_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture(scope="module")
def _kept_environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def kept_environments(index: WheelIndex, tmp_path: Path, _kept_environments: Path) -> Iterator[None]:
    """Keep what pip installs from the index for the module's next test: for tests that are not about installing."""
    here = tmp_path / "cache" / "bisect" / "environments"
    shutil.copytree(_kept_environments, here)
    yield
    shutil.copytree(here, _kept_environments, dirs_exist_ok=True)


@pytest.fixture
def quick_steps(forked_runs: ForkedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what a bisection makes of its steps, and not of how the process of a step starts."""
    replace_runs(monkeypatch, forked_runs.step)


@pytest.fixture
def quick_torch_steps(quick_steps: None, forked_runs: ForkedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for steps that capture: none of them waits for torch."""
    replace_runs(monkeypatch, partial(forked_runs.step, modules=TORCH))


@pytest.fixture
def torch_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the processes that the test starts a stand-in for torch that has the given settings and nothing else."""

    def torch_of_settings(**settings: object) -> None:
        folder = tmp_path / "settings only"
        write_torch(folder, **settings)
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)

    return torch_of_settings


@pytest.fixture
def existing(project):
    """A project of existing tests, which knows nothing of goldens."""
    (project.root / "conftest.py").unlink()
    return project


@pytest.fixture
def torch_is_as_before() -> Iterator[Callable[[], None]]:
    """What asserts that torch is as it was when the test began; it is asserted at the end of the test as well."""
    import torch

    from kernelsnap.virtual import active_target

    before = torch_state()

    def as_before() -> None:
        after = torch_state()
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


@pytest.fixture
def watched(chromium):
    chromium.get("about:blank")
    found = Watched(chromium)
    found.complaints()
    found.requested()
    return found
