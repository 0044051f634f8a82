"""On a machine with a GPU: does a run with `--kernelsnap-virtual` leave the real GPU as it was?

    python tools/fidelity_session.py

In one process a run of pytest on a virtual GPU of another kind comes between two uses of the real one, and in another
process before CUDA is used at all. Ends with status 0 if the real GPU works and computes the same, bit for bit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch

# It runs on a virtual GPU, whatever the real one is: the code is for 108 multiprocessors of capability 8.0.
TEST = """
import torch
from torch._inductor.utils import run_and_get_code

def test_code():
    assert torch.cuda.get_device_capability() == (8, 0)
    layer = torch.nn.Linear(64, 64, device="cuda")
    _, codes = run_and_get_code(lambda: torch.compile(layer)(torch.ones(4, 64, device="cuda")).relu().sum().backward())
    assert codes
    _, (code,) = run_and_get_code(torch.compile(torch.softmax), torch.ones(64, 64, device="cuda"), -1)
    assert "multi_processor_count=108" in code

def test_values():
    torch.testing.assert_close(torch.ones(3, device="cuda"), torch.ones(3, device="cuda"))

def test_streams():
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda.Event().record()
"""


def use() -> dict[str, object]:
    """Use the real GPU in the ways that the virtual device replaces; what came out."""
    torch.manual_seed(0)
    torch.cuda.manual_seed(0)
    x = torch.randn(64, 64, device="cuda", requires_grad=True)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    y = torch.compile(lambda x: torch.softmax(x @ x, -1).cos())(x)
    y.sum().backward()
    end.record()
    torch.cuda.synchronize()
    assert start.elapsed_time(end) > 0
    assert x.data_ptr() != 0
    assert torch.cuda.memory_allocated() > 0
    torch.testing.assert_close(y, torch.softmax(x @ x, -1).cos(), rtol=1e-3, atol=1e-3)
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    static = torch.ones(8, device="cuda")
    with torch.cuda.stream(stream), torch.no_grad():
        doubled = static * 2
    torch.cuda.synchronize()
    with torch.cuda.graph(graph), torch.no_grad():
        doubled = static * 2
    static.fill_(3)
    graph.replay()
    q = torch.randn(1, 4, 128, 64, device="cuda", dtype=torch.bfloat16)
    attention = torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
    convolution = torch.nn.functional.conv2d(
        torch.randn(1, 3, 8, 8, device="cuda"), torch.ones(4, 3, 3, 3, device="cuda")
    )
    return {
        "name": torch.cuda.get_device_name(),
        "capability": torch.cuda.get_device_capability(),
        "version": torch.version.cuda,
        "backend of attention": torch._fused_sdp_choice(q, q, q, is_causal=True),
        "forward": y.detach().cpu(),
        "gradient": None if x.grad is None else x.grad.cpu(),
        "graph": doubled.cpu(),
        "attention": attention.cpu(),
        "convolution": convolution.cpu(),
        "seed": torch.cuda.initial_seed(),
    }


def run_virtual() -> None:
    """Run tests on a virtual A100."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_virtual.py").write_text(TEST, encoding="utf-8")
        # Pytest finds the plugin by itself where kernelsnap is installed, and not in a mere checkout.
        plugin = [] if entry_points(group="pytest11", name="kernelsnap") else ["-p", "kernelsnap.plugin.hooks"]
        options = [*plugin, "-p", "no:cacheprovider", "--kernelsnap-virtual", "a100", "--rootdir", folder]
        code = pytest.main(["-q", "-rs", *options, folder])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"the tests on the virtual GPU ended with {code!r}")


def between() -> None:
    """Use the real GPU before and after, and compare."""
    before = use()
    run_virtual()
    after = use()
    for name, value in before.items():
        same = torch.equal(value, after[name]) if isinstance(value, torch.Tensor) else value == after[name]
        if not same:
            raise SystemExit(f"{name} differs after a run on the virtual GPU: {value} before, {after[name]} after")
    print(f"{before['name']}: the same before and after a run on the virtual GPU, in {len(before)} ways")


def first() -> None:
    """Use the real GPU only after a run on the virtual one."""
    run_virtual()
    print(f"{use()['name']}: works after a run on the virtual GPU")


def main() -> int:
    """Run both orders, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    orders = {"between": between, "first": first}
    parser.add_argument("order", nargs="?", choices=orders, help="only one of them, in this process")
    if order := parser.parse_args().order:
        orders[order]()
        return 0
    if not torch.cuda.is_available():
        print("this machine has no GPU that torch can use", file=sys.stderr)
        return 2
    return max(
        subprocess.run([sys.executable, __file__, order], check=False).returncode for order in ("between", "first")
    )


if __name__ == "__main__":
    raise SystemExit(main())
