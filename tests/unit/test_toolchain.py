"""`toolchain.toml`: what a tree of goldens was recorded with."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import toolchain
from kernelsnap.golden.toolchain import Toolchain

RECORDED = Toolchain({"torch": "2.13.0", "triton": "3.7.1"})
WITH_PACKAGES = Toolchain(
    RECORDED.versions,
    {"ptxas": "12.8.93"},
    {
        "transformers": {"5.23.0": ("test_a/*",), "5.24.0": ("test_a/test_x.h100", "test_b/*")},
        "einops": {"0.8": ("x/*",)},
    },
)


def test_round_trip(tmp_path):
    assert toolchain.read(tmp_path) is None
    assert toolchain.write(tmp_path, RECORDED)
    assert toolchain.read(tmp_path) == RECORDED
    before = (tmp_path / toolchain.FILE).stat().st_mtime_ns
    assert not toolchain.write(tmp_path, Toolchain(dict(reversed(RECORDED.versions.items()))))
    assert (tmp_path / toolchain.FILE).stat().st_mtime_ns == before
    text = (tmp_path / toolchain.FILE).read_text()
    assert text.splitlines()[1:] == ["format = 2", 'torch = "2.13.0"', 'triton = "3.7.1"', "# end"]


def test_round_trip_with_packages(tmp_path):
    toolchain.write(tmp_path, WITH_PACKAGES)
    assert toolchain.read(tmp_path) == WITH_PACKAGES
    assert (
        (tmp_path / toolchain.FILE).read_text().partition('triton = "3.7.1"\n')[2]
        == """
[packages.einops]
"0.8" = [
    "x/*",
]

[packages.transformers]
"5.23.0" = [
    "test_a/*",
]
"5.24.0" = [
    "test_a/test_x.h100",
    "test_b/*",
]

[resources]
ptxas = "12.8.93"
# end
"""
    )


def test_what_one_golden_was_recorded_with():
    assert WITH_PACKAGES.packages_of("test_a/test_x.h100") == {"transformers": "5.24.0"}
    assert WITH_PACKAGES.packages_of("test_a/test_x.a100") == {"transformers": "5.23.0"}
    assert WITH_PACKAGES.packages_of("test_a/nested/test_x.a100") == {}
    assert WITH_PACKAGES.of("x/test_x.h100") == {"torch": "2.13.0", "triton": "3.7.1", "einops": "0.8"}


def test_installed_versions_are_public_ones(monkeypatch):
    def only(**versions):
        def version(name):
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        return version

    versions = {"torch": "2.13.0+cpu", "pytorch-triton": "3.7.1+git8d0bcf3f", "flash-attn-4": "4.0.0b36"}
    monkeypatch.setattr(metadata, "version", only(**versions))
    assert toolchain.installed() == {"torch": "2.13.0", "triton": "3.7.1", "flash-attn-4": "4.0.0b36"}
    monkeypatch.setattr(metadata, "version", only())
    assert toolchain.installed() == {}


def test_packages_needed(monkeypatch):
    here = {"flash-attn-4": "4.0", "opt-einsum": "3.4", "named": "1.0"}
    monkeypatch.setattr(toolchain, "version_here", lambda name: here.get(name, ""))
    traced = {"pytest": "9.0", "torch": "2.13.0", "transformers": "5.23.0"}
    monkeypatch.setattr(toolchain, "packages_of", lambda files, project: dict(traced) if files else {})

    def needed(text, files=(), named=()):
        return toolchain.packages_needed(text, files, named, Path("project"))

    assert needed("tl.load(in_ptr0)") == {}
    assert needed("from flash_attn.cute import interface") == {"flash-attn-4": "4.0"}
    assert needed("einsum", named=("named",)) == {"named": "1.0", "opt-einsum": "3.4"}
    assert needed("", files=("a.py",)) == {"transformers": "5.23.0"}
    here.clear()
    assert needed("einsum") == {}


@pytest.mark.parametrize(
    ("recorded", "present", "sentence"),
    [
        ("5.23.0", "5.23.0", ""),
        ("5.23.0", "5.24.0", "recorded with transformers 5.23.0, this is 5.24.0"),
        ("5.23.0", "", "recorded with transformers 5.23.0, which is not installed here"),
        ("", "5.24.0", "recorded without transformers, this is 5.24.0"),
    ],
)
def test_difference(recorded, present, sentence):
    assert toolchain.difference("transformers", recorded, present) == sentence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<<<<<<< ours\nformat = 1\n", "not TOML"),
        ("format = 3\n", "written in format 3 by a newer kernelsnap"),
        ('format = "one"\n', "it does not begin with `format = 2`"),
        ("format = true\n", "it does not begin with `format = 2`"),
        ("format = 0\n", "it does not begin with `format = 2`"),
        ('torch = "2.13.0"\n', "it does not begin with `format = 2`"),
        ('format = 2\ntorch = "2.13.0"\n', "the file is cut off: its last line must be `# end`"),
        ("format = 1\ntorch = 2\n", "expected `torch = "),
        ("format = 1\npackages = 1\n", r"expected \[packages.NAME\] with "),
        ("format = 1\n[packages]\na = 1\n", r"expected \[packages.a\] with "),
        ('format = 1\n[packages.a]\n"1.0" = "test_a/*"\n', r"expected \[packages.a\] with "),
        ('format = 1\n[packages.a]\n"1.0" = ["x/*"]\n"2.0" = ["x/*"]\n', r"\[packages.a\] has x/\* twice"),
    ],
)
def test_damaged(tmp_path, text, message):
    (tmp_path / toolchain.FILE).write_text(text)
    with pytest.raises(GoldenFormatError, match=f"{toolchain.FILE}: {message}"):
        toolchain.read(tmp_path)


def test_every_beginning_of_a_file_is_an_error(tmp_path):
    toolchain.write(
        tmp_path, Toolchain({"torch": "2.13.0", "triton": "3.7.1"}, {"ptxas": "12.8"}, {"a": {"1": ("x/*",)}})
    )
    text = (tmp_path / toolchain.FILE).read_text()
    for length in range(len(text) - 1):
        with pytest.raises(GoldenFormatError):
            toolchain.parse(text[:length], "toolchain.toml")
