from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from kernelsnap.errors import KernelsnapError
from kernelsnap.targets.lookup import NATIVE, TARGETS, UnknownTargetError, is_native, target, target_names
from kernelsnap.targets.table import ENTRIES
from kernelsnap.targets.target import NUMBERS

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


#: Every number of the built-in GPUs, in the order of `NUMBERS`: what goldens were recorded with. What an architecture
#: fixes stands in the table once for all of its GPUs: a correction there changes all of them.
RECORDED = """
h100     9 0 132  85017493504  52428800 1980000  2619000 5120 32  65536 2048 1024  49152 232448 233472
h200     9 0 132 150109880320  62914560 1980000  3201000 6016 32  65536 2048 1024  49152 232448 233472
b200    10 0 148 191514017792 132644864 1965000  3996000 7680 32  65536 2048 1024  49152 232448 233472
a100     8 0 108  84987740160  41943040 1410000  1593000 5120 32  65536 2048 1024  49152 166912 167936
l4       8 9  58  23612293120  50331648 2040000  6251000  192 32  65536 1536 1024  49152 101376 102400
rtx4090  8 9 128  25250627584  75497472 2520000 10501000  384 32  65536 1536 1024  49152 101376 102400
rtx5090 12 0 170  33680457728 100663296 2550000 14001000  512 32  65536 1536 1024  49152 101376 102400
mi300x   9 4 304 206141652992   4194304 2100000  1300000 8192 64  65536 2048 1024  65536  65536  65536
mi350    9 5 256 309237645312   4194304 2200000  2000000 8192 64 131072 2048 1024 163840 163840 163840
"""


def test_the_numbers_are_those_that_goldens_were_recorded_with():
    rows = [line.split() for line in RECORDED.strip().splitlines()]
    assert {name: [getattr(target(name), field) for field in NUMBERS] for name, *_ in rows} == {
        name: list(map(int, values)) for name, *values in rows
    }
    assert [name for name, *_ in rows] == [entry.name for entry in GPUS]


def test_the_names_of_architectures_are_those_of_triton():
    assert {entry.name: entry.arch for entry in TARGETS.values()} == {
        "h100": 90,
        "h200": 90,
        "b200": 100,
        "a100": 80,
        "l4": 89,
        "rtx4090": 89,
        "rtx5090": 120,
        "mi300x": "gfx942",
        "mi350": "gfx950",
        "cpu": "cpu",
    }
    assert {entry.name: entry.gcnArchName for entry in GPUS if entry.gcnArchName} == {
        "mi300x": "gfx942:sramecc+:xnack-",
        "mi350": "gfx950:sramecc+:xnack-",
    }


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
    code = "import sys, kernelsnap.targets.lookup; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
