"""Targets that a project defines: what is read, what is refused, and in which words."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.golden.store import Case, file_name
from kernelsnap.targets.lookup import (
    BUILT_IN,
    KEYS,
    TARGETS,
    TargetConfigError,
    UnknownTargetError,
    check_name,
    name_for_device,
    project_targets,
    resolve,
    target,
    target_names,
)
from kernelsnap.targets.target import NUMBERS, RANGES, problems

GPUS = [entry for entry in TARGETS.values() if entry.is_gpu]
PCIE = {"base": "h100", "device_name": "NVIDIA H100 PCIe", "multi_processor_count": 114}


def write(folder, **tables):
    path = folder / "pyproject.toml"
    path.write_text(tomli_w.dumps({"tool": {"kernelsnap": {"targets": tables}}}))
    return path


def whole(entry):
    texts = {"device_name": entry.device_name, "backend": entry.backend}
    name = {"gcnArchName": entry.gcnArchName} if entry.gcnArchName else {}
    return texts | name | {field: getattr(entry, field) for field in NUMBERS}


def refusal(folder, name="mine", **values):
    path = write(folder, **{name: values})
    with pytest.raises(TargetConfigError) as raised:
        project_targets(folder)
    message = str(raised.value)
    assert message.startswith(f"{path}: [tool.kernelsnap.targets.")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# --- what is read


def test_a_base_gives_what_the_table_does_not(tmp_path):
    path = write(tmp_path, **{"h100-pcie": PCIE})
    table = project_targets(tmp_path)
    found = target("h100-pcie", table)
    differing = {field.name for field in dataclasses.fields(found) if field.name != "sources"} - {
        field.name
        for field in dataclasses.fields(found)
        if getattr(found, field.name) == getattr(TARGETS["h100"], field.name)
    }
    assert differing == {"name", "device_name", "multi_processor_count"}
    assert (found.name, found.device_name, found.multi_processor_count) == ("h100-pcie", "NVIDIA H100 PCIe", 114)
    assert table.file == path
    assert target_names(table) == (*TARGETS, "h100-pcie", "native")


@pytest.mark.parametrize("entry", GPUS, ids=lambda entry: entry.name)
def test_all_numbers_give_the_same_gpu_under_another_name(tmp_path, entry):
    write(tmp_path, mine=whole(entry))
    found = target("mine", project_targets(tmp_path))
    assert dataclasses.replace(found, name=entry.name, sources=entry.sources) == entry


@pytest.mark.parametrize("values", [PCIE, whole(TARGETS["h100"])], ids=["base", "whole"])
def test_every_number_has_exactly_one_source(tmp_path, values):
    write(tmp_path, mine=values)
    found = target("mine", project_targets(tmp_path))
    assert sorted(field for source in found.sources for field in source.fields) == sorted(NUMBERS)
    own, *rest = found.sources
    assert set(own.fields) == set(values) & set(NUMBERS)
    assert own.citation == "pyproject.toml, [tool.kernelsnap.targets.mine]"
    assert {source.citation.split(" (")[0] for source in rest} == ({"the base, h100"} if "base" in values else set())
    assert {source.kind for source in found.sources} == {"given"}


def test_the_project_may_cite_a_source(tmp_path):
    write(tmp_path, mine=PCIE | {"source": "our own card"})
    assert target("mine", project_targets(tmp_path)).sources[0].citation == "our own card"


def test_another_capability_is_another_architecture(tmp_path):
    write(tmp_path, b300={"base": "b200", "minor": 3}, small={"base": "mi300x", "gcnArchName": "gfx940", "minor": 4})
    table = project_targets(tmp_path)
    assert target("b300", table).arch == 103
    assert target("small", table).arch == "gfx940"


def test_the_nearest_file_that_defines_targets_counts(tmp_path):
    write(tmp_path, mine=PCIE)
    package = tmp_path / "packages" / "a"
    package.mkdir(parents=True)
    (package / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    assert "mine" in project_targets(package).defined
    write(package, theirs=PCIE)
    assert set(project_targets(package).defined) == {"theirs"}


@pytest.mark.parametrize(
    "content", ["", "[tool]\n", "[tool.kernelsnap]\n", "[tool.kernelsnap.targets]\n", "tool = 1\n"]
)
def test_a_file_that_defines_none_counts_for_nothing(tmp_path, content):
    (tmp_path / "pyproject.toml").write_text(content)
    assert not project_targets(tmp_path).defined


def test_a_name_is_looked_for_in_the_project_of_the_working_directory(tmp_path, monkeypatch):
    write(tmp_path, mine=PCIE)
    monkeypatch.chdir(tmp_path)
    assert resolve("mine").multi_processor_count == 114
    assert resolve("h100") is TARGETS["h100"]
    with pytest.raises(UnknownTargetError, match="did you mean 'mine'") as raised:
        resolve("mien")
    assert str(tmp_path / "pyproject.toml") in str(raised.value)


def test_what_one_project_defines_is_not_there_for_another(tmp_path):
    write(tmp_path, mine=PCIE)
    project_targets(tmp_path)
    with pytest.raises(UnknownTargetError, match=re.escape("[tool.kernelsnap.targets.NAME]")):
        target("mine", BUILT_IN)


# --- what is refused


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"multi_procesor_count": 1}, "multi_procesor_count: unknown key; did you mean multi_processor_count?"),
        ({"zzz": 1}, "zzz: unknown key; there are base, device_name"),
        ({"two\nlines": 1}, '"two\\nlines": unknown key; '),
        ({"arch": 90}, "arch: follows from major and minor"),
        ({"base": "h10"}, "base: 'h10' is no built-in GPU (did you mean 'h100'?); there are h100, "),
        ({"base": "cpu"}, "base: 'cpu' is no built-in GPU; "),
        ({"base": 3}, "base: expected text of one line, found 3"),
        ({"multi_processor_count": "132"}, "multi_processor_count: expected a whole number, found '132'"),
        ({"multi_processor_count": 132.0}, "multi_processor_count: expected a whole number, found 132.0"),
        ({"multi_processor_count": True}, "multi_processor_count: expected a whole number, found True"),
        ({"multi_processor_count": 0}, "multi_processor_count: expected 1 to 4_096, found 0"),
        ({"total_memory": 80}, "total_memory: expected 536_870_912 to 17_592_186_044_416 bytes, found 80"),
        ({"clock_rate": 1980}, "clock_rate: expected 100_000 to 10_000_000 kHz, found 1_980"),
        ({"major": 6}, "major: expected 7 to 99, found 6"),
        ({"warp_size": 64}, "warp_size: every NVIDIA GPU has 32, found 64"),
        ({"gcnArchName": "gfx942"}, "gcnArchName: only AMD GPUs have one"),
        ({"backend": "rocm"}, 'backend: expected "cuda" (NVIDIA) or "hip" (AMD), found "rocm"'),
        ({"backend": "hip"}, 'backend: "hip" is not the one of its base, h100: "cuda"'),
        ({"device_name": ""}, "device_name: expected text of one line, found ''"),
        ({"source": "two\nlines"}, "source: expected text of one line"),
        ({"deep": {"base": "h100"}}, "deep: unknown key"),
        (
            {"shared_memory_per_block_optin": 233473},
            "shared_memory_per_block_optin: 233_473 is more than shared_memory_per_multiprocessor, 233_472",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_table_and_key(tmp_path, values, says):
    assert refusal(tmp_path, **{"base": "h100", **values}).startswith(f"[tool.kernelsnap.targets.mine] {says}")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"gcnArchName": "gfx9"}, 'gcnArchName: expected the name of an architecture, such as "gfx942'),
        ({"gcnArchName": "sm_90"}, "gcnArchName: expected the name"),
        ({"gcnArchName": "gfx90a"}, "gcnArchName: gfx90a does not agree with major 9 and minor 4"),
        ({"warp_size": 48}, "warp_size: an AMD GPU has 32 or 64, found 48"),
    ],
)
def test_a_wrong_amd_value_is_told(tmp_path, values, says):
    assert says in refusal(tmp_path, base="mi300x", **values)


@pytest.mark.parametrize("left_out", ["backend", "device_name", "multi_processor_count"])
def test_without_a_base_everything_is_given(tmp_path, left_out):
    values = {key: value for key, value in whole(TARGETS["h100"]).items() if key != left_out}
    assert refusal(tmp_path, **values).startswith(f"[tool.kernelsnap.targets.mine]: {left_out} missing; ")


@pytest.mark.parametrize("name", [*TARGETS, "native"])
def test_a_name_that_is_built_in_is_refused(tmp_path, name):
    assert f"the name '{name}' is built in" in refusal(tmp_path, name, **PCIE)


@pytest.mark.parametrize(
    "name", ["H100-PCIE", "a.b", "a b", "a,b", "a/b", "..", "", "-a", "a-", "a--b", "x" * 65, "ä", "a\nb"]
)
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    assert "part of file names" in refusal(tmp_path, name, **PCIE)


@given(st.text(alphabet="ab9-_.,= [A/", max_size=70))
def test_every_name_that_is_accepted_names_a_file_and_one_target(name):
    try:
        check_name(name)
    except TargetConfigError:
        return
    assert file_name(Case("test_a.py", "test_x"), name) == f"test_x.{name}.ksnap"
    assert name.split(",") == name.split(" ") == [name]


@given(st.text(min_size=1, max_size=100).filter(lambda text: re.search("[a-zA-Z0-9]", text)))
def test_the_name_of_a_device_is_one_that_may_be_given(device_name):
    check_name(f"x{name_for_device(device_name)}"[:64].rstrip("-"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[tool\n", "not TOML: "),
        (b"\xff", "not TOML: "),
        (b"[tool.kernelsnap]\ntargets = 3\n", "tool.kernelsnap.targets: expected tables"),
        (
            b"[tool.kernelsnap.targets]\nmine = 3\n",
            "[tool.kernelsnap.targets.mine]: expected a table of numbers, found 3",
        ),
        (
            b"[tool.kernelsnap.target.mine]\n",
            "[tool.kernelsnap.target]: unknown key; did you mean [tool.kernelsnap.targets]",
        ),
    ],
)
def test_a_wrong_file_is_told(tmp_path, content, says):
    path = tmp_path / "pyproject.toml"
    path.write_bytes(content)
    with pytest.raises(TargetConfigError) as raised:
        project_targets(tmp_path)
    assert str(raised.value).startswith(f"{path}: {says}")


# --- the checks themselves


@pytest.mark.parametrize("entry", GPUS, ids=lambda entry: entry.name)
def test_every_built_in_gpu_passes_the_checks(entry):
    assert list(problems(entry)) == []


def test_every_number_has_a_range():
    assert set(RANGES) == set(NUMBERS)


def test_every_key_stands_in_the_page():
    page = (Path(__file__).parents[2] / "docs" / "targets.md").read_text()
    rows = " ".join(re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows)) == set(KEYS)
