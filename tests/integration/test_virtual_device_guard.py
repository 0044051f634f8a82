"""The C++ part: built once, by whoever comes first, anywhere; and what happens without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from kernelsnap.shared.places import cache_folder
from kernelsnap.virtual import guard

BACKWARD = """
    import torch
    from kernelsnap.virtual import CompilerMissingError, require_autograd, virtual_device
    with virtual_device("h100"):
        require_autograd()
        x = torch.randn(3, device="cuda", requires_grad=True)
        (x * 2).sum().backward()
        assert x.grad.is_cuda
"""

WITHOUT_COMPILER = """
    import torch
    from kernelsnap.virtual import CompilerMissingError, require_autograd, virtual_device

    def refused(function):
        try:
            function()
        except CompilerMissingError as error:
            assert "install a C++ compiler" in str(error), error
            return True
        return False

    for _ in range(2):
        with virtual_device("h100"):
            assert refused(require_autograd)
            y = (torch.randn(3, device="cuda", requires_grad=True) * 2).sum()
            assert refused(y.backward)
            assert refused(lambda: torch.autograd.grad(y, y))
            conv = torch.nn.Conv2d(3, 8, 3, device="cuda")
            assert refused(lambda: conv(torch.randn(1, 3, 8, 8, device="cuda")))
            assert refused(lambda: torch.nn.LSTM(3, 8, device="cuda")(torch.randn(2, 3, 3, device="cuda")))
            torch.nn.LSTM(3, 8)(torch.randn(2, 3, 3))
            with torch.no_grad():
                assert refused(lambda: torch.nn.GRU(3, 8, device="cuda")(torch.randn(2, 3, 3, device="cuda")))
                out = torch.compile(lambda x: x * 2, backend="aot_eager")(torch.randn(3, device="cuda"))
            assert out.is_cuda
            on_cpu = torch.ones(3, requires_grad=True)
            on_cpu.sum().backward()
            torch.nn.Conv2d(3, 8, 3)(torch.randn(1, 3, 8, 8))
    x = torch.ones(3, requires_grad=True)
    x.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]
"""


def start(code, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def succeed(process):
    output, _ = process.communicate()
    assert process.returncode == 0, output


def libraries(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.starts_processes
def test_two_processes_may_build_at_once(tmp_path):
    cache = tmp_path / "cache"
    processes = [start(BACKWARD, KERNELSNAP_CACHE=str(cache)) for _ in range(2)]
    for process in processes:
        succeed(process)
    assert libraries(cache) == [guard._library_name()]


@pytest.mark.starts_processes
def test_without_a_compiler_inference_works_and_training_says_what_to_install(tmp_path):
    no_compiler = {"CXX": "/nonexistent", "PATH": str(tmp_path), "KERNELSNAP_CACHE": str(tmp_path / "cache")}
    succeed(start(WITHOUT_COMPILER, **no_compiler))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERNELSNAP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fake_compiler(folder, script):
    """A compiler that is a shell script; `$out` is the file that it shall write."""
    compiler = folder / "c++"
    find_output = 'while [ "$1" != -o ]; do shift; done; out=$2\n'
    compiler.write_text(f"#!/bin/sh\n{find_output}{script}\n", encoding="utf-8")
    compiler.chmod(0o755)
    return str(compiler)


def test_a_built_library_is_not_built_again(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", fake_compiler(tmp_path, 'echo built > "$out"'))
    library = guard.build()
    assert library.parent == cache
    monkeypatch.setenv("CXX", "/nonexistent")
    monkeypatch.setenv("PATH", "")
    assert guard.build() == library


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_folder(cache, tmp_path, monkeypatch):
    cache.write_text("a file, not a folder", encoding="utf-8")
    monkeypatch.setenv("CXX", fake_compiler(tmp_path, 'echo built > "$out"'))
    library = guard.build()
    assert library.read_text(encoding="utf-8") == "built\n"
    assert cache not in library.parents


def test_a_failing_compiler_is_quoted_and_leaves_nothing(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", fake_compiler(tmp_path, "echo no headers here >&2; exit 1"))
    with pytest.raises(guard.CompilerMissingError, match="no headers here"):
        guard.build()
    assert libraries(cache) == []


def test_the_compiler_is_cxx_then_the_first_on_the_path(tmp_path, monkeypatch):
    script = fake_compiler(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", f"{script} -O2")
    assert guard.find_compiler() == [script, "-O2"]
    monkeypatch.delenv("CXX")
    assert guard.find_compiler() == ["c++"]
    monkeypatch.setenv("PATH", "")
    assert guard.find_compiler() is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"KERNELSNAP_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/kernelsnap"),
        ({"HOME": "/c"}, "/c/.cache/kernelsnap"),
    ],
)
def test_the_cache_folder_follows_the_environment(environment, expected, monkeypatch):
    for name in ("KERNELSNAP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(cache_folder()) == expected
