"""`kernelsnap doctor` on this machine, and on machines that lack something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import kernelsnap
from kernelsnap.doctor.project import look_at
from kernelsnap.golden import toolchain

SOURCE = Path(kernelsnap.__file__).parents[1]
TORCH = ("torch", "triton", "functorch", "flash_attn")


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


@pytest.fixture
def machine(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "pytest.ini").write_text("[pytest]\nkernelsnap_goldens = kept\n")
    return Machine(project)


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
        if not path.name.startswith((*TORCH, "__editable__")) and path.suffix != ".pth":
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
def quick(tmp_path_factory):
    """What is asked once for several tests: with an empty cache folder, in a project with a folder named torch."""
    project = tmp_path_factory.mktemp("project")
    (project / "pytest.ini").write_text("[pytest]\nkernelsnap_goldens = kept\n")
    (project / "torch").mkdir()
    (project / "torch" / "__init__.py").write_text("raise ImportError('not this one')")
    machine = Machine(project)
    machine.environment["KERNELSNAP_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    return machine, machine.checks("--quick")


@pytest.mark.starts_processes
def test_here_goldens_can_be_captured(machine, quick):
    machine.environment["KERNELSNAP_CACHE"] = quick[0].environment["KERNELSNAP_CACHE"]
    done = machine.ask("--verbose")
    assert done.returncode == 0, done.stdout
    assert "built before:" in done.stdout
    assert "  torch._inductor.graph.GraphLowering.compile_to_module\n" in done.stdout
    assert "forward and backward: 2 kernels" in done.stdout
    assert done.stdout.endswith("Goldens can be captured here.\n")


@pytest.mark.starts_processes
def test_quick_captures_nothing(quick):
    machine, found = quick
    assert "capture" not in found
    assert {"Python", "git", "cache folder", "torch", "triton", "torch internals", "C++ compiler", "ptxas", "GPU",
            "targets", "pytest", "pytest internals", "goldens", "flash-attn-4"} == set(found)  # fmt: skip
    for check, some in (
        ("torch internals", "torch._C._get_sdp_priority_order"),
        ("pytest internals", "syrupy._syrupy"),
    ):
        assert found[check]["status"] == "ok"
        assert some in found[check]["details"]
    assert found["goldens"]["says"] == f"none yet in {machine.project / 'kept'}"


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


@pytest.mark.starts_processes
def test_a_torch_that_lacks_a_private_name(machine, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import torch\ndel torch.nn.init._no_grad_trunc_normal_\n")
    machine.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(SOURCE)])
    found = machine.checks()
    assert found["torch internals"]["status"] == "warning"
    assert found["torch internals"]["says"].endswith("; not here: torch.nn.init._no_grad_trunc_normal_")
    assert "torch.nn.init._no_grad_trunc_normal_: missing" in found["torch internals"]["details"]
    assert found["capture"]["status"] == "missing"
    assert "has no torch.nn.init._no_grad_trunc_normal_, which" in found["capture"]["says"]


@pytest.mark.starts_processes
def test_a_folder_named_torch_is_not_torch(quick):
    machine, found = quick
    assert (machine.project / "torch").is_dir()
    assert found["torch"]["status"] == "ok"


def test_without_what_kernelsnap_depends_on(machine):
    code = "import sys; sys.modules.update(tomli_w=None, rich=None); "
    code += "from kernelsnap.cli.main import main; main(['doctor'])"
    done = subprocess.run([sys.executable, "-c", code], env=machine.environment, capture_output=True, check=False)
    assert done.stderr == b""
    assert b"pip install kernelsnap\nGoldens cannot be captured here." in done.stdout


# --- the project


def looked(machine):
    """What the checks of the project alone say."""
    return {check.name: check for check in look_at(machine.project).checks}


def test_goldens_of_another_toolchain_and_of_an_undefined_target(machine):
    record(machine, triton="3.0.0")
    found = looked(machine)
    assert found["goldens"].status == found["undefined targets"].status == "warning"
    assert "recorded with triton 3.0.0, this is " in found["goldens"].says
    assert found["goldens"].do == "pip install triton==3.0.0   or record again: pytest --snapshot-update"
    assert found["undefined targets"].says.startswith("goldens of the target 'mine', which is neither built in nor ")


def test_goldens_of_this_toolchain_and_of_a_defined_target(machine):
    record(machine)
    (machine.project / "pyproject.toml").write_text('[tool.kernelsnap.targets.mine]\nbase = "h100"\n')
    found = looked(machine)
    assert {check.status for check in found.values()} == {"ok"}
    assert found["goldens"].says.startswith("1 in ")
    assert found["own targets"].says == f"mine, defined in {machine.project / 'pyproject.toml'}"
    assert set(look_at(machine.project).table.defined) == {"mine"}


def test_a_damaged_record_of_the_toolchain(machine):
    (machine.project / "kept").mkdir()
    (machine.project / "kept" / "toolchain.toml").write_text("<<<<<<< ours\n")
    found = looked(machine)["goldens"]
    assert found.status == "warning"
    assert "toolchain.toml: not TOML" in found.says


def test_a_target_that_is_defined_wrongly(machine):
    (machine.project / "pyproject.toml").write_text("[tool.kernelsnap.targets.mine]\nbase = 'h10'\n")
    found = looked(machine)
    assert found["own targets"].status == found["pytest"].status == "missing"
    assert "did you mean 'h100'?" in found["own targets"].says


def test_a_pytest_that_does_not_load_the_plugin(machine):
    (machine.project / "pytest.ini").write_text("[pytest]\naddopts = -p no:kernelsnap\n")
    found = looked(machine)["pytest"]
    assert found.status == "missing"
    assert "does not load kernelsnap's plugin" in found.says


def test_options_of_the_projects_own_are_no_error(machine):
    (machine.project / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--own')\n")
    (machine.project / "pytest.ini").write_text("[pytest]\naddopts = --own=1\n")
    assert looked(machine)["pytest"].status == "ok"


def test_options_that_pytest_does_not_know(machine):
    (machine.project / "pytest.ini").write_text("[pytest]\naddopts = --own=1\n")
    found = looked(machine)["pytest"]
    assert found.status == "missing"
    assert "unrecognized arguments: --own=1" in found.says


# --- the machine


@pytest.mark.starts_processes
def test_without_a_compiler_what_needs_none_is_captured(machine, tmp_path):
    machine.environment |= {"PATH": str(tmp_path), "CXX": "", "KERNELSNAP_CACHE": str(tmp_path / "cache")}
    found = machine.checks()
    assert found["C++ compiler"]["status"] == "warning"
    assert found["C++ compiler"]["do"].startswith("install a C++ compiler")
    assert found["git"]["status"] == "warning"
    assert found["capture"]["says"] == "softmax for the h100, forward: 1 kernel"


@pytest.mark.starts_processes
def test_the_compiler_really_compiles(quick):
    machine, found = quick
    assert f"built {machine.environment['KERNELSNAP_CACHE']}" in found["C++ compiler"]["says"]


@pytest.mark.starts_processes
def test_a_cache_folder_that_cannot_be_written(machine):
    machine.environment["KERNELSNAP_CACHE"] = "/dev/null/cache"
    found = machine.checks("--quick")
    assert found["cache folder"]["status"] == "warning"
    assert found["C++ compiler"]["status"] == "ok"
