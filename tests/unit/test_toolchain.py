"""`toolchain.toml`: what a tree of goldens was recorded with."""

from __future__ import annotations

from importlib import metadata

import pytest

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import toolchain
from kernelsnap.golden.toolchain import Toolchain

RECORDED = Toolchain({"torch": "2.13.0", "triton": "3.7.1"})


def test_round_trip(tmp_path):
    assert toolchain.read(tmp_path) is None
    assert toolchain.write(tmp_path, RECORDED)
    assert toolchain.read(tmp_path) == RECORDED
    before = (tmp_path / toolchain.FILE).stat().st_mtime_ns
    assert not toolchain.write(tmp_path, Toolchain(dict(reversed(RECORDED.versions.items()))))
    assert (tmp_path / toolchain.FILE).stat().st_mtime_ns == before
    text = (tmp_path / toolchain.FILE).read_text()
    assert text.splitlines()[1:] == ["format = 1", 'torch = "2.13.0"', 'triton = "3.7.1"']


def test_installed_versions_are_public_ones(monkeypatch):
    versions = {"torch": "2.13.0+cpu", "pytorch-triton": "3.7.1+git8d0bcf3f", "flash-attn-4": "4.0.0b36"}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    assert toolchain.installed().versions == {"torch": "2.13.0", "triton": "3.7.1", "flash-attn-4": "4.0.0b36"}
    versions.clear()
    assert toolchain.installed().versions == {}


def test_needed():
    assert toolchain.needed("tl.load(in_ptr0)") == {"torch", "triton"}
    assert toolchain.needed("from flash_attn.cute import interface") == {"torch", "triton", "flash-attn-4"}


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        ({"torch": "2.13.0", "triton": "3.7.1", "flash-attn-4": "4.0"}, ""),
        ({"torch": "2.14.1", "triton": "3.7.1"}, "recorded with torch 2.13.0; this is torch 2.14.1"),
        ({}, "recorded with torch 2.13.0, triton 3.7.1; this is no torch, no triton"),
    ],
)
def test_difference(present, sentence):
    assert toolchain.difference(RECORDED, Toolchain(present), {"triton", "torch"}) == sentence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<<<<<<< ours\nformat = 1\n", "not TOML"),
        ("format = 2\n", "written in format 2 by a newer kernelsnap"),
        ('format = "one"\n', "written in format one"),
        ("format = 1\ntorch = 2\n", "expected `torch = "),
    ],
)
def test_damaged(tmp_path, text, message):
    (tmp_path / toolchain.FILE).write_text(text)
    with pytest.raises(GoldenFormatError, match=f"{toolchain.FILE}: {message}"):
        toolchain.read(tmp_path)
