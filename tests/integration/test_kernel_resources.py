"""Kernels compiled to machine code without a GPU: what they need, for every target, and what is said of the others."""

from __future__ import annotations

import importlib.util
import os
import stat
import subprocess
import sys
import types
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import triton
import triton.language as tl
from packaging.version import Version
from torch.nn.attention.flex_attention import flex_attention

import kernelsnap
from kernelsnap import capture, kernel_resources, virtual_device
from kernelsnap.capture import private
from kernelsnap.capture.machine_code import kernel_resources as compiling
from kernelsnap.capture.machine_code.kernel_resources import MachineCodeError
from kernelsnap.errors import CaptureError, UnsupportedTorchError, UnsupportedTritonError
from kernelsnap.golden.build import build_golden
from kernelsnap.targets.lookup import TARGETS

# From triton 3.9 on, this one compiles for the H100 too, in spite of its name.
BLACKWELL = (10, 9)[Version(triton.__version__) >= Version("3.9")]
GPUS = [name for name, target in TARGETS.items() if target.is_gpu]


def ptxas(target):
    """The name of the ptxas that compiles for an NVIDIA GPU."""
    return "ptxas-blackwell" if target.major >= BLACKWELL else "ptxas"


@pytest.fixture(autouse=True)
def _compiled_anew():
    """Kernels that another test compiled are compiled again."""
    compiling._in_every_configuration.cache_clear()


@triton.jit
def scaled(x, y, n, BLOCK: tl.constexpr):  # noqa: N803
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + offsets, tl.load(x + offsets, offsets < n) * 2.5, offsets < n)


@triton.autotune([triton.Config({"BLOCK": 16384}, num_warps=warps) for warps in (1, 8)], key=["n"])
@triton.jit
def centred(x, y, n, BLOCK: tl.constexpr):  # noqa: N803
    # All of a block is needed twice: with one warp it is 512 registers per thread.
    offsets = tl.arange(0, BLOCK)
    values = tl.load(x + offsets)
    tl.store(y + offsets, values - tl.sum(values))


@triton.jit
def refused(x, y, n, BLOCK: tl.constexpr):  # noqa: N803
    tl.static_assert(BLOCK == 7, "only for blocks of 7")
    tl.store(y, tl.load(x))


def launched(kernel, **options):
    def run(x):
        y = torch.empty_like(x)
        kernel[(1,)](x, y, x.numel(), **options)
        return y

    return run


def softmax(x):
    return torch.softmax(x, -1)


def x(*shape, **options):
    return torch.randn(shape or (64, 1000), device="cuda", **options)


def resources_of(fn, *shapes, target="h100", **options):
    with virtual_device(target):
        captured = capture(fn, *[x(*shape) for shape in shapes or [()]], **options)
        return captured, kernel_resources(captured)


@pytest.mark.parametrize("target", GPUS)
def test_every_gpu(target):
    captured, found = resources_of(softmax, target=target)
    assert found.target == target
    assert not found.not_compiled
    assert [kernel.launch for kernel in found.kernels] == list(captured.graphs[0].kernels[0].configs)
    for kernel in found.kernels:
        assert (kernel.graph, kernel.kernel) == ("inference", "k0")
        assert 8 < kernel.registers < 256
        assert kernel.spills == 0
        mix = asdict(kernel.instructions)
        total = mix.pop("total")
        assert 0 < sum(mix.values()) < total
        assert mix["global_loads"] > 0 < mix["global_stores"]
        assert mix["fp32"] > 0 < mix["special"]
        assert mix["tensor"] == mix["local_loads"] == mix["local_stores"] == 0
        nvidia = TARGETS[target].backend == "cuda"
        assert (kernel.spill_stores is not None) == (kernel.static_shared is not None) == nvidia
        assert (kernel.vector_spills is not None) == (kernel.scalar_registers is not None) == (not nvidia)
    tools = dict(found.tools)
    assert tools.pop("triton") == triton.__version__.partition("+")[0]
    assert [*tools] == ([ptxas(TARGETS[target])] if nvidia else [])


@pytest.mark.parametrize("target", ["h100", "mi300x"])
def test_a_matrix_product_uses_tensor_cores_and_shared_memory(target):
    options = {"mode": "max-autotune-no-cudagraphs", "config": {"max_autotune_gemm_backends": "TRITON"}}
    with virtual_device(target):
        half = torch.randn(512, 512, device="cuda", dtype=torch.float16)
        (kernel,) = kernel_resources(capture(lambda a: (a @ a).relu(), half, **options)).kernels
    assert kernel.instructions.tensor > 0
    assert kernel.shared > 0
    assert kernel.instructions.shared_loads > 0


def test_names_are_those_of_the_golden():
    captured, found = resources_of(lambda a, b: (torch.softmax(a, -1) @ b).cos().sum(), (64, 64), (64, 64))
    golden = build_golden(captured, "case")
    steps = [(plan.graph, step.name) for plan in golden.plan for step in plan.steps]
    assert sorted({(entry.graph, entry.kernel) for entry in found.entries}) == sorted(steps)
    assert [(entry.kernel, entry.reason) for entry in found.not_compiled] == [
        ("extern_kernels.mm", "not compiled: a call into a library")
    ]


def test_every_graph_of_a_training_step():
    def step(a):
        torch._dynamo.graph_break()
        return torch.nn.functional.layer_norm(a, (1000,)).cos().sum()

    with virtual_device("h100"):
        found = kernel_resources(capture(step, x(requires_grad=True), backward=True))
    assert {kernel.graph for kernel in found.kernels} >= {"forward", "backward"}


@pytest.mark.parametrize("target", ["h100", "mi300x"])
def test_a_template(target):
    with virtual_device(target):
        heads = [torch.randn(1, 2, 256, 64, device="cuda", dtype=torch.float16) for _ in "qkv"]
        found = kernel_resources(capture(flex_attention, *heads))
    assert found.kernels
    assert any(kernel.instructions.tensor for kernel in found.kernels)


def test_a_kernel_that_a_user_wrote():
    _, found = resources_of(launched(scaled, BLOCK=128), (128,))
    assert [(kernel.kernel, dict(kernel.launch.blocks).get("BLOCK")) for kernel in found.kernels] == [("k0", None)]
    assert found.kernels[0].instructions.fp32 > 0


def test_spills_and_a_budget_that_no_update_can_bless():
    _, found = resources_of(launched(centred), (16384,))
    few, many = found.kernels
    assert few.launch.num_warps == 1
    assert few.spill_stores
    assert few.spill_loads
    assert few.stack > 0
    assert few.instructions.local_stores > 0 < few.instructions.local_loads
    with pytest.raises(AssertionError):
        assert max(kernel.spills for kernel in found.kernels) == 0
    assert many.spills == many.stack == 0


def test_a_stack_is_no_spill():
    # sin and cos reduce large arguments with a table on the stack; those of float32 do not with triton 3.9's ptxas.
    _, found = resources_of(lambda x: x.double().sin())
    assert all(kernel.stack and not kernel.spills for kernel in found.kernels)


def test_what_does_not_compile_is_said():
    _, found = resources_of(launched(refused, BLOCK=128), (128,))
    assert not found.kernels
    (entry,) = found.not_compiled
    assert entry.launch is not None
    assert entry.reason.startswith("does not compile: CompileTimeAssertionFailure:")
    assert os.sep not in entry.reason


def test_a_kernel_of_another_language():
    with virtual_device("cpu"):
        found = kernel_resources(capture(softmax, torch.randn(64, 1000)))
    assert found.entries
    assert {entry.reason for entry in found.not_compiled} == {"not compiled: a C++ kernel: it runs on the CPU"}
    assert not found.kernels
    assert not found.tools


@pytest.mark.skipif(importlib.util.find_spec("flash_attn") is None, reason="needs flash-attn-4 (pip install --no-deps)")
def test_cutedsl():
    options = {"kernel_options": {"BACKEND": "FLASH"}}
    with virtual_device("h100"):
        heads = [torch.randn(1, 2, 256, 64, device="cuda", dtype=torch.float16) for _ in "qkv"]
        found = kernel_resources(capture(lambda q, k, v: flex_attention(q, k, v, **options), *heads))
    assert "not compiled: a CuteDSL kernel: CUTLASS compiles it when it is first launched" in {
        entry.reason for entry in found.not_compiled
    }


def test_outside_the_device_and_inside_another():
    captured, found = resources_of(softmax)
    compiling._in_every_configuration.cache_clear()
    assert kernel_resources(captured) == found
    with virtual_device("a100"), pytest.raises(CaptureError, match=r"made for h100, and the active device is a100"):
        kernel_resources(captured)


def test_each_kernel_is_compiled_once(monkeypatch):
    compiled = []
    machine_numbers = compiling.machine_numbers

    def counted(*args):
        compiled.append(args)
        return machine_numbers(*args)

    monkeypatch.setattr(compiling, "machine_numbers", counted)
    with virtual_device("h100"):
        first, second = (kernel_resources(capture(softmax, x())) for _ in range(2))
    assert first == second
    assert len(compiled) == len(first.kernels)
    resources_of(softmax, target="a100")
    assert len(compiled) > len(first.kernels)


PROGRAM = """
import sys
import torch
from kernelsnap import capture, kernel_resources, virtual_device
from kernelsnap.golden.resources import render_resources

def soft(x): return torch.softmax(x.sin(), -1)
def norm(x): return torch.nn.functional.layer_norm(x, (1000,))

texts = {}
with virtual_device("h100"):
    for fn in (soft, norm) if sys.argv[1] == "first" else (norm, soft):
        texts[fn.__name__] = render_resources(kernel_resources(capture(fn, torch.randn(64, 1000, device="cuda"))))
print(texts["soft"] + texts["norm"])
"""


@pytest.mark.starts_processes
def test_the_same_in_every_process_and_order(tmp_path, monkeypatch, capsys):
    # This process has another seed, at random.
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(kernelsnap.__file__).parents[1])}
    command = [sys.executable, "-c", PROGRAM, "first"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(sys, "argv", ["-c", "second"])
    exec(compile(PROGRAM, "<string>", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == done.stdout
    assert "registers  " in done.stdout


def test_it_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = dict(vars(triton.knobs.nvidia)), dict(vars(triton.knobs.cache)), triton.compile
    resources_of(softmax)
    assert (dict(vars(triton.knobs.nvidia)), dict(vars(triton.knobs.cache)), triton.compile) == before
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".cubin", ".ptx", ".o", ".log")]
    assert not list(tmp_path.glob("kernelsnap-*"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISABLE_PTXAS_OPT", "1"),
        ("TRITON_DEFAULT_FP_FUSION", "0"),
        ("PTXAS_OPTIONS", "-O1"),
        ("TRITON_INTERPRET", "1"),
    ],
)
def test_a_variable_that_changes_the_code_is_refused(monkeypatch, name, value):
    with virtual_device("h100"):
        captured = capture(softmax, x())
        monkeypatch.setenv(name, value)
        with pytest.raises(MachineCodeError, match=f"{name} is set.*unset it"):
            kernel_resources(captured)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (private.PRECOMPILE, r"CachingAutotuner\._precompile_config"),
        (private.SET_DRIVER, r"triton_helpers\.set_driver_to_gpu"),
    ],
)
def test_a_missing_internal_is_named(monkeypatch, name, says):
    with virtual_device("h100"):
        captured = capture(softmax, x())
        monkeypatch.delattr(name.find_owner(), name.name)
        with pytest.raises(UnsupportedTorchError, match=f"{says}, which kernelsnap uses"):
            kernel_resources(captured)


def test_a_missing_knob_is_named(monkeypatch):
    with virtual_device("h100"):
        captured = capture(softmax, x())
        monkeypatch.setattr(triton.knobs, "nvidia", types.SimpleNamespace(cuobjdump=None))
        with pytest.raises(UnsupportedTritonError, match=r"knobs\.nvidia\.dump_ptxas_log, which kernelsnap uses"):
            kernel_resources(captured)


def use_other_ptxas(tmp_path, monkeypatch, script):
    """Let a script take the place of the H100's ptxas; `$PTXAS` is the real one."""
    name = ptxas(TARGETS["h100"]).replace("-", "_")
    path = tmp_path / "ptxas"
    path.write_text(f"#!/bin/sh\nPTXAS='{getattr(triton.knobs.nvidia, name).path}'\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(f"TRITON_{name.upper()}_PATH", str(path))


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ('[ "$1" = --version ] && exec "$PTXAS" --version; kill -9 $$', "could not be compiled: PTXASError"),
        (
            '[ "$1" = --version ] && exec "$PTXAS" --version; exec "$PTXAS" "$@" 2>/dev/null',
            "did not say what is spilled",
        ),
    ],
)
def test_a_compiler_that_was_killed_or_is_silent_is_recorded_nowhere(tmp_path, monkeypatch, script, says):
    with virtual_device("h100"):
        captured = capture(softmax, x())
        with triton.knobs.nvidia.scope():
            use_other_ptxas(tmp_path, monkeypatch, script)
            with pytest.raises(CaptureError, match=says):
                kernel_resources(captured)


def test_a_kernel_that_ptxas_refuses_is_said(tmp_path, monkeypatch):
    script = '[ "$1" = --version ] && exec "$PTXAS" --version; echo too large >&2; exit 255'
    with virtual_device("h100"):
        captured = capture(softmax, x())
        with triton.knobs.nvidia.scope():
            use_other_ptxas(tmp_path, monkeypatch, script)
            found = kernel_resources(captured)
    assert {entry.reason for entry in found.not_compiled} == {
        "does not compile: PTXASError: PTXAS error: Internal Triton PTX codegen error"
    }


def test_another_ptxas_moves_registers_in_a_project(existing, tmp_path, monkeypatch):
    existing.test(
        """
        import torch
        import triton
        import triton.language as tl
        from kernelsnap import capture, kernel_resources

        @triton.jit
        def centred(x, y, BLOCK: tl.constexpr):
            offsets = tl.arange(0, BLOCK)
            values = tl.load(x + offsets)
            tl.store(y + offsets, values - tl.sum(values))

        def run(x):
            y = torch.empty_like(x)
            centred[(1,)](x, y, BLOCK=4096, num_warps=1)
            return y

        def test_centred(kernel_snapshot):
            captured = capture(run, torch.randn(4096, device="cuda"))
            assert captured == kernel_snapshot
            assert max(kernel.spills for kernel in kernel_resources(captured).kernels) == 0
        """
    )
    existing.subprocess("--kernelsnap-resources", "--snapshot-update").assert_outcomes(passed=1)
    (file,) = existing.goldens.rglob("*.kres")
    before = file.read_text()
    # It may use 32 registers, no more: what its option --maxrregcount would say, which kernels of a fixed size ignore.
    script = (
        'for file in "$@"; do case "$file" in *.ptx) sed -i "s/^\\.reqntid.*/&\\n.maxnreg 32/" "$file";; esac; done'
    )
    use_other_ptxas(tmp_path, monkeypatch, f'{script}\nexec "$PTXAS" "$@"')
    result = existing.subprocess("--kernelsnap-resources")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E * resources differ in k0*", "E * cause: machine code: inference k0: registers * -> 32*"]
    )
    # The new files say so; the budget does not let it pass.
    result = existing.subprocess("--kernelsnap-resources", "--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert * == 0*"])
    assert file.read_text() != before
