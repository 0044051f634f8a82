"""From what a GPU says about itself to a target: with the properties that torch reported on a real H100."""

from __future__ import annotations

import json
import lzma
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.targets.device_reading import (
    DeviceReadingError,
    Reading,
    disagreements,
    nearest,
    table_text,
    target_of,
    with_table,
)
from kernelsnap.targets.lookup import TARGETS, TargetConfigError, read_targets
from kernelsnap.targets.target import NUMBERS

RECORDING = Path(__file__).parents[1] / "fidelity" / "recordings" / "h100-torch2.11.json.xz"
# What Triton's driver says on the same GPU, in its words.
LIMITS = {
    "max_shared_mem": 232448,
    "max_num_regs": 65536,
    "multiprocessor_count": 132,
    "warpSize": 32,
    "sm_clock_rate": 1980000,
    "mem_clock_rate": 2619000,
    "mem_bus_width": 5120,
}


@pytest.fixture(scope="module")
def recorded():
    """Every property of the real H100, as torch 2.11 reported it."""
    with lzma.open(RECORDING) as file:
        return json.load(file)["facts"]["device"]["properties"]


@pytest.fixture
def h100(recorded):
    return Reading("cuda", recorded, "2.11.0+cu130", LIMITS, "3.6.0")


@pytest.fixture
def mi300x():
    """What torch and Triton for ROCm say where torch leaves out what only NVIDIA has."""
    entry = TARGETS["mi300x"]
    left_out = ("shared_memory_per_block_optin", "regs_per_multiprocessor", "shared_memory_per_multiprocessor")
    numbers = {field: getattr(entry, field) for field in NUMBERS if field not in left_out}
    names = {"name": entry.device_name, "gcnArchName": entry.gcnArchName}
    return Reading("hip", numbers | names, "2.13.0+rocm", {"max_shared_mem": 65536, "max_num_regs": 65536}, "3.7.1")


def changed(reading, **properties):
    return replace(reading, properties={**reading.properties, **properties})


def without(reading, *names):
    return replace(reading, properties={k: v for k, v in reading.properties.items() if k not in names})


def test_the_real_h100_equals_the_built_in_one(h100):
    found = nearest(target_of(h100, "mine"), TARGETS.values())
    assert found.entry is TARGETS["h100"]
    assert found.equal
    assert found.differing == ()
    assert disagreements(h100) == ()


def test_amd_numbers_that_torch_does_not_tell_are_tritons(mi300x):
    target = target_of(mi300x, "mine")
    found = nearest(target, TARGETS.values())
    assert found.equal
    assert (found.entry, target.arch) == (TARGETS["mi300x"], "gfx942")
    assert {source.citation: len(source.fields) for source in target.sources} == {
        "torch.cuda.get_device_properties of torch 2.13.0+rocm": 12,
        "the driver of Triton 3.7.1": 3,
    }


def test_numbers_that_differ_are_named(h100):
    found = nearest(target_of(changed(h100, multi_processor_count=114, name="NVIDIA H100 PCIe"), "x"), TARGETS.values())
    assert found.entry is TARGETS["h100"]
    assert not found.equal
    assert found.differing == (
        ("device_name", "NVIDIA H100 PCIe", "NVIDIA H100 80GB HBM3"),
        ("multi_processor_count", 114, 132),
    )


def test_another_name_alone_is_no_difference_in_numbers(h100):
    assert nearest(target_of(changed(h100, name="NVIDIA GH200"), "x"), TARGETS.values()).equal


def test_of_one_architecture_the_one_with_fewest_differences_is_nearest(h100):
    entry = TARGETS["h200"]
    numbers = {field: getattr(entry, field) for field in NUMBERS}
    assert nearest(target_of(changed(h100, **numbers), "x"), TARGETS.values()).entry is entry


def test_no_built_in_target_of_the_architecture(h100):
    assert nearest(target_of(changed(h100, major=7, minor=5, name="Tesla T4"), "x"), TARGETS.values()) is None


@pytest.mark.parametrize("zero", [True, False], ids=["zero", "absent"])
def test_a_number_that_torch_does_not_know_is_tritons(h100, zero):
    reading = changed(h100, clock_rate=0) if zero else without(h100, "clock_rate")
    target = target_of(reading, "x")
    assert target.clock_rate == 1980000
    assert [source.fields for source in target.sources if "Triton" in source.citation] == [("clock_rate",)]


def test_a_number_that_nobody_knows_is_told(h100):
    with pytest.raises(DeviceReadingError, match=r"neither torch 2.11.0\+cu130 nor Triton 3.6.0 says L2_cache_size"):
        target_of(without(h100, "L2_cache_size"), "x")


def test_a_number_that_cannot_be_is_told(h100):
    with pytest.raises(DeviceReadingError, match="makes no target: major: expected 7"):
        target_of(changed(h100, major=6), "x")


def test_a_name_that_is_built_in_is_refused(h100):
    with pytest.raises(TargetConfigError, match="'h100' is built in"):
        target_of(h100, "h100")


def test_where_triton_says_another_number_it_is_told(h100):
    reading = replace(h100, limits={**LIMITS, "max_num_regs": 32768})
    assert disagreements(reading) == ("Triton's max_num_regs is 32768, torch's regs_per_multiprocessor 65536",)


@pytest.mark.parametrize("fixture", ["h100", "mi300x"])
def test_the_table_defines_the_target_that_was_read(request, tmp_path, fixture):
    target = target_of(request.getfixturevalue(fixture), "mine")
    text = table_text(target, ["from a GPU"])
    assert text.startswith("# from a GPU\n[tool.kernelsnap.targets.mine]\n")
    (tmp_path / "pyproject.toml").write_text(text)
    found = read_targets(tmp_path / "pyproject.toml")["mine"]
    assert replace(found, sources=target.sources) == target
    assert all(source.citation in found.sources[0].citation for source in target.sources)


# --- the project's file

TABLE = "[tool.kernelsnap.targets.mine]\nmajor = 9\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"[project]\nname = 'a'",
        b"[project]\r\nname = 'a'\r\n",
        b"# \xc3\xa4\n[tool.kernelsnap.targets.other]\nbase = 'h100'\n\n\n",
    ],
)
def test_the_rest_of_the_file_stays_byte_for_byte(content):
    written = with_table(content, "mine", TABLE)
    assert written.startswith(content)
    before, after = tomllib.loads(content.decode()), tomllib.loads(written.decode())
    assert after["tool"]["kernelsnap"]["targets"].pop("mine") == {"major": 9}
    assert after.get("project") == before.get("project")
    assert after["tool"]["kernelsnap"]["targets"] == before.get("tool", {}).get("kernelsnap", {}).get("targets", {})
    assert (b"\r\n" in content) == (b"\r\n" in written)
    assert not re.search(rb"[^\r]\n", written) or b"\r\n" not in content


@given(st.text(alphabet="ab\n#=[]'\"1. ", max_size=30))
def test_no_file_is_changed_above_the_table(text):
    content = text.encode()
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(DeviceReadingError, match="not TOML"):
            with_table(content, "mine", TABLE)
        return
    written = with_table(content, "mine", TABLE)
    assert written.startswith(content)
    after = tomllib.loads(written.decode())
    assert after.pop("tool") == {"kernelsnap": {"targets": {"mine": {"major": 9}}}}
    assert after == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[tool.kernelsnap.targets.mine]\nbase = 'h100'\n", "is there already"),
        (b"[tool.kernelsnap]\ntargets = {mine = {base = 'h100'}}\n", "is there already"),
        (b"[tool.kernelsnap]\ntargets = {other = {base = 'h100'}}\n", "not written as tables there"),
        (b"tool = 3\n", "not written as tables there"),
        (b"[a\n", "it is not TOML"),
        (b"\xff", "it is not TOML"),
    ],
)
def test_a_file_that_cannot_take_the_table_is_refused(content, says):
    with pytest.raises(DeviceReadingError, match=says):
        with_table(content, "mine", TABLE)
