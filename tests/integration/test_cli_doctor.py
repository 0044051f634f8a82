"""`kernelsnap doctor` on this machine, and on machines that lack something."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

import kernelsnap
from forked_runs import PLAIN, TORCH, ForkedRuns
from kernelsnap.cli.main import main
from kernelsnap.doctor import check
from kernelsnap.doctor.project import look_at
from kernelsnap.golden import toolchain

SOURCE = Path(kernelsnap.__file__).parents[1]
LEFT_OUT = ("torch", "triton", "functorch", "flash_attn")


class Machine:
    """A machine of which the command is asked in a project's folder."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.python = sys.executable
        # pytest's own variables would reach the pytest that the command asks.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self.environment["PYTHONPATH"] = str(SOURCE)

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self.python, "-m", "kernelsnap", "doctor", *arguments]
        done = subprocess.run(
            command, cwd=self.project, env=self.environment, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert done.stderr == ""
        return done

    def checks(self, *arguments: str) -> dict[str, dict[str, str]]:
        done = self.ask("--json", *arguments)
        data = json.loads(done.stdout)
        assert done.returncode == (0 if data["can_capture"] else 1)
        assert data["can_capture"] is all(check["status"] != "missing" for check in data["checks"])
        return {check["name"]: check for check in data["checks"]}


class ForkedMachine(Machine):
    """The same, asked in this process; what the command starts is a copy of a process that has imported torch."""

    def __init__(self, project: Path, runs: ForkedRuns) -> None:
        super().__init__(project)
        self._runs = runs
        #: What is run in place of the part that imports torch.
        self.probe = "kernelsnap.doctor.probe"

    @contextlib.contextmanager
    def here(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.project)
            patch.setattr(check, "subprocess", SimpleNamespace(run=self._run, TimeoutExpired=None))
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.here(), contextlib.redirect_stdout(io.StringIO()) as printed:
            status = main(["doctor", *arguments])
        return subprocess.CompletedProcess(arguments, status, printed.getvalue(), "")

    def _run(self, command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        python, _, _, module, *arguments = command  # python -P -m module ...
        of_torch = module == "kernelsnap.doctor.probe"
        server = self._runs.server(TORCH if of_torch else PLAIN)
        words = [python, "-m", self.probe if of_torch else module, *arguments]
        status, output = server.run(words, self.project, self.environment, None)
        return subprocess.CompletedProcess(words, status, output, output)


def new_project(folder):
    project = folder / "project"
    project.mkdir()
    (project / "pytest.ini").write_text("[pytest]\nkernelsnap_goldens = kept\n")
    return project


@pytest.fixture
def machine(tmp_path):
    return Machine(new_project(tmp_path))


@pytest.fixture
def forked(tmp_path, forked_runs):
    return ForkedMachine(new_project(tmp_path), forked_runs)


def record(machine, **versions):
    goldens = machine.project / "kept"
    toolchain.write(goldens, toolchain.Toolchain({**toolchain.installed(), **versions}))
    (goldens / "test_a").mkdir()
    (goldens / "test_a" / "test_x.h100.ksnap").write_text("kernelsnap 1\ncase test_a.py::test_x\ntarget h100 mine\n")


@pytest.fixture
def without_torch(tmp_path, machine):
    """This machine's packages, without torch, triton and flash-attn-4."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith((*LEFT_OUT, "__editable__")) and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    venv.create(tmp_path / "venv", symlinks=True)
    machine.python = str(tmp_path / "venv" / "bin" / "python")
    machine.environment["PYTHONPATH"] = os.pathsep.join([str(SOURCE), str(packages)])
    return machine


def fake_torch(machine, tmp_path, content):
    """Another torch comes before the installed one."""
    folder = tmp_path / "fake" / "torch"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(content)
    machine.environment["PYTHONPATH"] = os.pathsep.join([str(folder.parent), str(SOURCE)])


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The command in a process of its own: with an empty cache folder, in a project with a folder named torch."""
    machine = Machine(new_project(tmp_path_factory.mktemp("real")))
    (machine.project / "torch").mkdir()
    (machine.project / "torch" / "__init__.py").write_text("raise ImportError('not this one')")
    machine.environment["KERNELSNAP_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    return machine, machine.ask("--verbose")


@pytest.mark.starts_processes
def test_here_goldens_can_be_captured(asked):
    _, done = asked
    assert done.returncode == 0, done.stdout
    assert "  torch._inductor.graph.GraphLowering.compile_to_module\n" in done.stdout
    assert "forward and backward: 2 kernels" in done.stdout
    assert done.stdout.endswith("Goldens can be captured here.\n")


@pytest.mark.starts_processes
def test_a_folder_named_torch_is_not_torch(asked):
    machine, done = asked
    assert (machine.project / "torch").is_dir()
    assert re.search(r"^ok +torch  ", done.stdout, re.MULTILINE)


@pytest.mark.starts_processes
def test_the_compiler_really_compiles(asked, forked):
    machine, done = asked
    cache = machine.environment["KERNELSNAP_CACHE"]
    assert re.search(rf"^ok +C\+\+ compiler +\S+ built\s+{cache}", done.stdout, re.MULTILINE)
    forked.environment["KERNELSNAP_CACHE"] = cache
    assert f"built before: {cache}" in forked.checks("--quick")["C++ compiler"]["says"]


def test_quick_captures_nothing(forked):
    found = forked.checks("--quick")
    assert "capture" not in found
    assert {"Python", "git", "cache folder", "torch", "triton", "torch internals", "C++ compiler", "ptxas", "GPU",
            "targets", "pytest", "pytest internals", "goldens", "flash-attn-4"} == set(found)  # fmt: skip
    for name, some in (
        ("torch internals", "torch._C._get_sdp_priority_order"),
        ("pytest internals", "syrupy._syrupy"),
    ):
        assert found[name]["status"] == "ok"
        assert some in found[name]["details"]
    assert found["goldens"]["says"] == f"none yet in {forked.project / 'kept'}"


def test_without_torch_it_says_what_to_install(without_torch):
    record(without_torch, torch="2.13.0", triton="3.7.1")
    found = without_torch.checks()
    assert found["torch"]["status"] == "missing"
    assert "No module named 'torch'" in found["torch"]["says"]
    assert found["torch"]["do"] == "pip install torch==2.13.0 triton==3.7.1"
    assert "recorded with triton 3.7.1, which is not installed here" in found["goldens"]["says"]
    assert found["pytest"]["status"] == "ok"
    assert "capture" not in found
    assert without_torch.ask("--quick").stdout.endswith("Goldens cannot be captured here.\n")


def test_a_torch_that_cannot_be_loaded(machine, tmp_path):
    fake_torch(machine, tmp_path, "raise OSError('libcudart.so.13: cannot open shared object file')")
    found = machine.checks()["torch"]
    assert found["status"] == "missing"
    assert found["says"] == "cannot be imported: OSError: libcudart.so.13: cannot open shared object file"


def test_a_torch_that_ends_the_process(machine, tmp_path):
    fake_torch(machine, tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    found = machine.checks()["torch"]
    assert found["status"] == "missing"
    assert "ended by signal 11 (Segmentation fault)" in found["says"]


def test_a_torch_that_lacks_a_private_name(forked, tmp_path):
    lines = "import sys, torch\nfrom kernelsnap.doctor import probe\ndel torch.nn.init._no_grad_trunc_normal_\n"
    (tmp_path / "lacking.py").write_text(f"{lines}probe.main(*sys.argv[1:])\n")
    forked.probe = "lacking"
    forked.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(SOURCE)])
    found = forked.checks()
    assert found["torch internals"]["status"] == "warning"
    assert found["torch internals"]["says"].endswith("; not here: torch.nn.init._no_grad_trunc_normal_")
    assert "torch.nn.init._no_grad_trunc_normal_: missing" in found["torch internals"]["details"]
    assert found["capture"]["status"] == "missing"
    assert "has no torch.nn.init._no_grad_trunc_normal_, which" in found["capture"]["says"]


def test_without_what_kernelsnap_depends_on(machine):
    code = "import sys; sys.modules.update(tomli_w=None, rich=None); "
    code += "from kernelsnap.cli.main import main; main(['doctor'])"
    done = subprocess.run([sys.executable, "-c", code], env=machine.environment, capture_output=True, check=False)
    assert done.stderr == b""
    assert b"pip install kernelsnap\nGoldens cannot be captured here." in done.stdout


# --- the project


def looked(forked):
    """What the checks of the project alone say."""
    with forked.here():
        return {check.name: check for check in look_at(forked.project).checks}


def test_goldens_of_another_toolchain_and_of_an_undefined_target(forked):
    record(forked, triton="3.0.0")
    found = looked(forked)
    assert found["goldens"].status == found["undefined targets"].status == "warning"
    assert "recorded with triton 3.0.0, this is " in found["goldens"].says
    assert found["goldens"].do == "pip install triton==3.0.0   or record again: pytest --snapshot-update"
    assert found["undefined targets"].says.startswith("goldens of the target 'mine', which is neither built in nor ")


def test_goldens_of_this_toolchain_and_of_a_defined_target(forked):
    record(forked)
    (forked.project / "pyproject.toml").write_text('[tool.kernelsnap.targets.mine]\nbase = "h100"\n')
    found = looked(forked)
    assert {check.status for check in found.values()} == {"ok"}
    assert found["goldens"].says.startswith("1 in ")
    assert found["own targets"].says == f"mine, defined in {forked.project / 'pyproject.toml'}"
    assert set(look_at(forked.project).table.defined) == {"mine"}


def test_a_damaged_record_of_the_toolchain(forked):
    (forked.project / "kept").mkdir()
    (forked.project / "kept" / "toolchain.toml").write_text("<<<<<<< ours\n")
    found = looked(forked)["goldens"]
    assert found.status == "warning"
    assert "toolchain.toml: not TOML" in found.says


def test_a_target_that_is_defined_wrongly(forked):
    (forked.project / "pyproject.toml").write_text("[tool.kernelsnap.targets.mine]\nbase = 'h10'\n")
    found = looked(forked)
    assert found["own targets"].status == found["pytest"].status == "missing"
    assert "did you mean 'h100'?" in found["own targets"].says


def test_a_pytest_that_does_not_load_the_plugin(forked):
    (forked.project / "pytest.ini").write_text("[pytest]\naddopts = -p no:kernelsnap\n")
    found = looked(forked)["pytest"]
    assert found.status == "missing"
    assert "does not load kernelsnap's plugin" in found.says


def test_options_of_the_projects_own_are_no_error(forked):
    (forked.project / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--own')\n")
    (forked.project / "pytest.ini").write_text("[pytest]\naddopts = --own=1\n")
    assert looked(forked)["pytest"].status == "ok"


def test_options_that_pytest_does_not_know(forked):
    (forked.project / "pytest.ini").write_text("[pytest]\naddopts = --own=1\n")
    found = looked(forked)["pytest"]
    assert found.status == "missing"
    assert "unrecognized arguments: --own=1" in found.says


# --- the machine


def test_without_a_compiler_what_needs_none_is_captured(forked, tmp_path):
    forked.environment |= {"PATH": str(tmp_path), "CXX": "", "KERNELSNAP_CACHE": str(tmp_path / "cache")}
    found = forked.checks()
    assert found["C++ compiler"]["status"] == "warning"
    assert found["C++ compiler"]["do"].startswith("install a C++ compiler")
    assert found["git"]["status"] == "warning"
    assert found["capture"]["says"] == "softmax for the h100, forward: 1 kernel"


def test_a_cache_folder_that_cannot_be_written(forked):
    forked.environment["KERNELSNAP_CACHE"] = "/dev/null/cache"
    found = forked.checks("--quick")
    assert found["cache folder"]["status"] == "warning"
    assert found["C++ compiler"]["status"] == "ok"
