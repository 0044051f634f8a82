"""`kernelsnap targets`: what it lists, and how a real GPU becomes a target."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from kernelsnap.cli.main import main
from kernelsnap.targets.device_reading import Reading
from kernelsnap.targets.lookup import TARGETS, read_targets
from kernelsnap.targets.target import NUMBERS
from kernelsnap.virtual import properties

TABLE = '[tool.kernelsnap.targets.h100-pcie]\nbase = "h100"\nmulti_processor_count = 114\n'


def reading(target="h100", **changes):
    """What a GPU would say that is exactly this target."""
    entry = TARGETS[target]
    properties = {"name": entry.device_name, "gcnArchName": entry.gcnArchName or entry.device_name}
    return Reading(
        entry.backend,
        properties | {field: getattr(entry, field) for field in NUMBERS} | changes,
        "2.11.0+cu130",
        {},
        "(not asked)",
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pyproject.toml"


@pytest.fixture
def gpu(monkeypatch):
    def be(found):
        monkeypatch.setattr(properties, "read_gpu", lambda index: found)

    return be


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_the_list_has_the_projects_own_and_says_where_they_are_defined(project, capsys):
    assert main(["targets"]) == 0
    rows = {row.split()[0]: row for row in lines(capsys)}
    assert list(rows) == ["target", *TARGETS, "h100-pcie", "native"]
    assert "  90  " in rows["h100-pcie"]
    assert "  114  79.2 GiB   given    " in rows["h100-pcie"]
    assert rows["h100-pcie"].endswith(str(project))
    assert rows["h100"].endswith("  132  79.2 GiB   measured             built in")


def test_the_list_as_data(project, capsys):
    assert main(["targets", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in data["targets"]] == [*TARGETS, "h100-pcie"]
    own = data["targets"][-1]
    assert own["defined"] == str(project)
    assert own["multi_processor_count"] == 114
    assert own["sources"][0] == {
        "fields": ["multi_processor_count"],
        "kind": "given",
        "citation": "pyproject.toml, [tool.kernelsnap.targets.h100-pcie]",
    }


@pytest.mark.parametrize("name", [*TARGETS, "h100-pcie"])
def test_one_target_is_shown_with_every_number_and_its_source(project, capsys, name):
    assert main(["targets", name]) == 0
    text = capsys.readouterr().out
    if name != "cpu":
        assert all(text.count(f"  {field} ") == 1 for field in NUMBERS)
    entry = TARGETS.get(name, TARGETS["h100"])
    assert all(source.citation in text for source in entry.sources)


def test_a_wrong_table_and_an_unknown_name_are_one_line(project, capsys):
    assert main(["targets", "h100-pci"]) == 2
    assert "did you mean 'h100-pcie'?" in capsys.readouterr().err
    project.write_text(TABLE.replace("114", "-1"))
    assert main(["targets"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"kernelsnap: {project}: [tool.kernelsnap.targets.h100-pcie] multi_processor_count: ")
    assert error.count("\n") == 1


# --- a real GPU


def test_a_gpu_that_is_built_in(project, capsys, gpu):
    gpu(reading())
    assert main(["targets", "--from-device"]) == 0
    text = capsys.readouterr().out
    assert "# It equals h100, a built-in target: all numbers are the same, and it needs no table.\n" in text
    assert "\n[tool.kernelsnap.targets.nvidia-h100-80gb-hbm3]\n" in text
    assert project.read_text() == TABLE


def test_a_gpu_that_is_not(project, capsys, gpu):
    gpu(reading(multi_processor_count=114, name="NVIDIA H100 PCIe"))
    assert main(["targets", "--from-device", "--name", "pcie"]) == 0
    text = capsys.readouterr().out
    assert "# The nearest built-in target is h100. It differs in:\n" in text
    assert "#   multi_processor_count 114 (h100: 132)\n" in text
    assert "\n[tool.kernelsnap.targets.pcie]\n" in text


def test_a_gpu_of_the_same_numbers_and_another_name(project, capsys, gpu):
    gpu(reading(name="NVIDIA H100 96GB"))
    assert main(["targets", "--from-device"]) == 0
    text = capsys.readouterr().out
    assert (
        "# All numbers are those of h100, a built-in target. It differs in:\n#   device_name NVIDIA H100 96GB" in text
    )


def test_as_data(project, capsys, gpu):
    gpu(reading("mi300x", minor=4, clock_rate=2_000_000))
    assert main(["targets", "--from-device", "--name", "mine", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["nearest"], data["equal"]) == ("mi300x", False)
    assert data["differing"] == [{"field": "clock_rate", "device": 2_000_000, "target": 2_100_000}]
    assert data["target"]["gcnArchName"] == "gfx942:sramecc+:xnack-"


def test_write_appends_the_table_once(project, capsys, gpu):
    gpu(reading(multi_processor_count=114))
    assert main(["targets", "--from-device", "--name", "mine", "--write"]) == 0
    assert capsys.readouterr().out == f"{project}: [tool.kernelsnap.targets.mine] added\n"
    written = project.read_text()
    assert written.startswith(TABLE)
    assert read_targets(project)["mine"].multi_processor_count == 114
    assert main(["targets", "--from-device", "--name", "mine", "--write"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert project.read_text() == written


def test_write_without_a_project(tmp_path, monkeypatch, capsys, gpu):
    monkeypatch.chdir(tmp_path)
    gpu(reading())
    assert main(["targets", "--from-device", "--write"]) == 2
    assert "there is no pyproject.toml here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["h100", "--from-device"], "either h100 or --from-device"),
        (["--write"], "go with --from-device"),
        (["--name", "x"], "go with --from-device"),
        (["--from-device", "--name", "h100"], "the name 'h100' is built in"),
        (["--from-device", "--name", "../x"], "part of file names"),
    ],
)
def test_options_that_do_not_go_together(project, capsys, gpu, arguments, says):
    gpu(reading())
    assert main(["targets", *arguments]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu(capsys):
    assert main(["targets", "--from-device"]) == 2
    assert "there is no GPU to read: torch " in capsys.readouterr().err


def test_without_torch():
    code = "import sys; sys.modules['torch'] = None; from kernelsnap.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "targets", "--from-device"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "kernelsnap: a GPU is read through torch, which is not installed here\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_on_the_gpu_of_this_machine(capsys):
    assert main(["targets", "--from-device", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["target"]["device_name"] == torch.cuda.get_device_name()
