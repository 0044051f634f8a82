"""A torch that is too old, and one newer than any that was checked: used with one warning, or refused with a list."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch._inductor.metrics
from packaging.version import Version

from kernelsnap import capture, virtual_device
from kernelsnap.capture.private import check_torch
from kernelsnap.errors import UnsupportedTorchError
from kernelsnap.shared.private_names import release_of
from kernelsnap.virtual import release

NEWER = r"is newer than any release that kernelsnap was checked with \(2\.11 to 2\.15\)"


def enter():
    with virtual_device("h100"):
        pass


@pytest.fixture
def newer_torch(monkeypatch):
    """The installed torch, as if no release from it on had been checked."""
    monkeypatch.setattr(release, "TORCH_SUPPORTED", (Version("2.0"), release_of("torch")))
    monkeypatch.setattr(release, "_warned", set())
    monkeypatch.setattr(release, "_complete", set())


@pytest.mark.parametrize("use", [enter, check_torch, lambda: capture(torch.sin, torch.ones(1))])
def test_a_torch_that_is_too_old_is_refused(use, monkeypatch, torch_is_as_before):
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "2.10.1")
        with pytest.raises(UnsupportedTorchError, match=r"2\.10\.1 is not supported: .* torch 2\.11 or newer"):
            use()


@pytest.mark.parametrize("build", ["", ".dev20261129+cu132", "a0+gitd0f2af8"])
def test_a_newer_one_is_used_with_one_warning(build, newer_torch, monkeypatch):
    monkeypatch.setattr(torch, "__version__", f"{release_of('torch')}{build}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for use in (enter, check_torch, enter):
            use()
    told = [str(entry.message) for entry in caught if "newer than any" in str(entry.message)]
    assert len(told) == 1
    assert told[0].startswith(f"torch {torch.__version__} is newer")
    assert "It has all the private names that kernelsnap uses" in told[0]


def test_a_newer_one_that_lacks_names_is_refused_with_all_of_them(newer_torch, monkeypatch, torch_is_as_before):
    with monkeypatch.context() as patch:
        patch.delattr(torch.cuda, "_initialized")
        patch.delattr(torch._inductor.metrics, "ir_nodes_pre_fusion")
        with pytest.raises(UnsupportedTorchError, match=f"{NEWER}, and lacks 1 .*: torch.cuda._initialized. Install"):
            enter()
        for _ in range(2):
            with pytest.raises(UnsupportedTorchError, match="lacks 2 of the private names") as raised:
                check_torch()
        assert "torch._inductor.metrics.ir_nodes_pre_fusion, torch.cuda._initialized" in str(raised.value)
    with pytest.warns(UserWarning, match=NEWER):
        enter()
