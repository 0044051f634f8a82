"""Which goldens need a package, in few lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.golden.toolchain import compact, golden_name, golden_names, version_for

ALL = ["test_a/test_x.a100", "test_a/test_x.h100", "test_a/test_y[1.5].h100", "test_a/nested/test_z.h100"]


def versions(**given):
    return {name: version for name, version in zip(ALL, given["of"].split(), strict=True) if version != "-"}


@pytest.mark.parametrize(
    ("of", "lines"),
    [
        ("- - - -", {}),
        ("1 1 1 -", {"1": ("test_a/*",)}),
        ("1 1 1 1", {"1": ("test_a/*", "test_a/nested/*")}),
        ("1 1 - -", {"1": ("test_a/test_x.*",)}),
        ("1 - - -", {"1": ("test_a/test_x.a100",)}),
        ("- - 1 -", {"1": ("test_a/test_y[1.5].*",)}),
        ("1 2 - -", {"1": ("test_a/test_x.a100",), "2": ("test_a/test_x.*",)}),
        ("1 1 2 -", {"1": ("test_a/*",), "2": ("test_a/test_y[1.5].*",)}),
        ("1 9 10 -", {"1": ("test_a/test_x.a100",), "9": ("test_a/test_x.*",), "10": ("test_a/*",)}),
    ],
)
def test_compact(of, lines):
    found = compact(versions(of=of), ALL)
    assert found == lines
    assert list(found) == list(lines)


@given(st.lists(st.sampled_from(["", "1.0", "1.1", "2.0"]), min_size=len(ALL), max_size=len(ALL)))
def test_every_golden_is_found_again(chosen):
    needed = {name: version for name, version in zip(ALL, chosen, strict=True) if version}
    lines = {line: version for version, named in compact(needed, ALL).items() for line in named}
    assert {name: version_for(name, lines) for name in ALL} == dict(zip(ALL, chosen, strict=True))


def test_names_of_the_goldens_in_a_file(tmp_path):
    path = tmp_path / "test_a" / "test_y[1.5].h100.ksnap"
    path.parent.mkdir()
    path.write_text("kernelsnap 1\ncase test_a.py::test_y[1.5]\ntarget h100 a100\n")
    assert golden_name(path, tmp_path) == "test_a/test_y[1.5].h100"
    assert golden_names(path, tmp_path) == ["test_a/test_y[1.5].h100", "test_a/test_y[1.5].a100"]
    path.write_text("no golden\n")
    assert golden_names(path, tmp_path) == ["test_a/test_y[1.5].h100"]
