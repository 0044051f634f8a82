from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from kernelsnap.errors import KernelsnapError
from kernelsnap.target_table import ENTRIES
from kernelsnap.targets import NATIVE, TARGETS, UnknownTargetError, is_native, target, target_names

GPUS = [entry for entry in TARGETS.values() if entry.is_gpu]


def numbers(entry):
    return {f.name for f in dataclasses.fields(entry) if f.type == "int"}


@pytest.mark.parametrize("entry", TARGETS.values(), ids=TARGETS)
def test_a_name_leads_to_its_entry(entry):
    assert target(entry.name) is entry


def test_the_promised_targets_are_there():
    assert {"h100", "a100", "cpu"} <= set(TARGETS)
    assert len(TARGETS) == len(target_names()) - 1


def test_no_name_stands_in_the_table_twice():
    assert [entry.name for entry in ENTRIES] == list(TARGETS)


def test_no_device_stands_in_the_table_twice():
    assert len({entry.device_name for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("entry", GPUS, ids=lambda entry: entry.name)
def test_every_number_of_a_gpu_has_exactly_one_source(entry):
    cited = [field for source in entry.sources for field in source.fields]
    assert sorted(cited) == sorted(numbers(entry))
    assert all(source.citation for source in entry.sources)


@pytest.mark.parametrize("entry", GPUS, ids=lambda entry: entry.name)
def test_every_number_of_a_gpu_is_given_and_plausible(entry):
    assert all(getattr(entry, name) > 0 for name in numbers(entry) - {"minor"})
    assert entry.shared_memory_per_block <= entry.shared_memory_per_block_optin
    assert entry.shared_memory_per_block_optin <= entry.shared_memory_per_multiprocessor
    assert entry.max_threads_per_block <= entry.max_threads_per_multi_processor


@pytest.mark.parametrize("entry", GPUS, ids=lambda entry: entry.name)
def test_arch_agrees_with_the_capability(entry):
    if entry.backend == "cuda":
        assert entry.arch == entry.major * 10 + entry.minor
        assert entry.warp_size == 32
        assert entry.gcnArchName == ""
    else:
        assert entry.gcnArchName.split(":")[0] == entry.arch


@pytest.mark.parametrize(
    ("name", "hint"), [("h10", "did you mean 'h100'?"), ("A100", "did you mean 'a100'?"), ("nativ", "'native'?")]
)
def test_an_unknown_name_suggests_the_closest_and_lists_all(name, hint):
    with pytest.raises(UnknownTargetError) as raised:
        target(name)
    assert hint in str(raised.value)
    assert all(known in str(raised.value) for known in target_names())


def test_a_name_close_to_none_suggests_none():
    with pytest.raises(UnknownTargetError) as raised:
        target("zzzzzz")
    assert "did you mean" not in str(raised.value)


def test_native_is_known_but_has_no_entry():
    assert is_native(NATIVE)
    assert NATIVE in target_names()
    with pytest.raises(UnknownTargetError, match="real GPU"):
        target(NATIVE)


def test_what_is_raised_on_purpose_has_one_root():
    assert issubclass(UnknownTargetError, KernelsnapError)


def test_the_table_imports_no_torch():
    code = "import sys, kernelsnap.targets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
