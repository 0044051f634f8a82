"""The Python files that a capture comes from: traced ones, those of functions kept whole, and of Triton kernels."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

triton = pytest.importorskip("triton")

import torch  # noqa: E402

from kernelsnap import capture, virtual_device  # noqa: E402

SOURCES = {
    "tracedlib": """
        from helperlib import doubled

        def layer(x):
            return doubled(x).sin()

        def unused(x):
            return x
    """,
    "helperlib": """
        def doubled(x):
            return x * 2
    """,
    "wholelib": """
        import torch

        @torch.compiler.allow_in_graph
        def kept_whole(x):
            return x.cos()
    """,
    "kernellib": """
        import torch, triton
        import triton.language as tl
        from calledlib import shifted

        @triton.jit
        def kernel(x, out, n, BLOCK: tl.constexpr):
            at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
            tl.store(out + at, shifted(tl.load(x + at, at < n)), at < n)
    """,
    "calledlib": """
        import triton

        @triton.jit
        def shifted(value):
            return value + 1
    """,
}


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    for name, source in SOURCES.items():
        lines = source.strip("\n").split("\n")
        (tmp_path / f"{name}.py").write_text("".join(f"{line[8:]}\n" for line in lines))
    monkeypatch.syspath_prepend(tmp_path)
    return [importlib.import_module(name) for name in ("tracedlib", "wholelib", "kernellib")]


def test_files_of_a_capture(libraries, tmp_path):
    traced, whole, kernels = libraries

    def of_the_test(x):
        out = torch.empty_like(x)
        kernels.kernel[(1,)](whole.kept_whole(traced.layer(x)), out, x.numel(), BLOCK=64)
        return out

    with virtual_device("h100"):
        captured = capture(of_the_test, torch.ones(64, device="cuda"))
        plain = capture(lambda x: x + 1, torch.ones(64, device="cuda"))
    own = {Path(file).stem for file in captured.files if Path(file).is_relative_to(tmp_path)}
    assert own == set(SOURCES)
    assert __file__ in captured.files
    assert not [file for file in plain.files if Path(file).is_relative_to(tmp_path)]
