"""From a capture to its golden: what is counted, how graphs are named, and that no Python renders another text."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelsnap.golden.build import build_golden
from kernelsnap.model.capture import Buffer, Call, Capture, FusedOp, Graph, GraphCounts, Kernel
from kernelsnap.model.metrics import METRICS

ROOT = Path(__file__).parents[2]
DATA = sorted((ROOT / "tests" / "data").glob("*.txt"))
COUNTS = GraphCounts(100, 60, 40, 5, 2)


def kernel(name, body):
    return Kernel(name, "pointwise", "triton", f"@triton.jit\ndef {name}(in_ptr0, out_ptr0):\n{body}")


LOAD_AND_STORE = "    tmp0 = tl.load(in_ptr0)  # tl.load(\n    tl.store(out_ptr0, tmp0)\n"


def graph(phase="inference", kernels=(), launches=(), host="def call(args):\n    return ()\n", ops=()):
    calls = tuple(Call("launch", name, (), (), ops) for name in launches)
    return Graph(phase, host, host, tuple(kernels), calls, (), (), COUNTS)


def metrics(golden, section="total"):
    return {metric.name: metric.value for metric in golden.metrics if metric.graph == section}


def test_a_kernel_launched_twice_counts_twice():
    golden = build_golden(Capture("h100", (graph(kernels=[kernel("a", LOAD_AND_STORE)], launches=["a", "a"]),)), "case")
    found = metrics(golden)
    assert (found["kernels"], found["loads"], found["stores"]) == (2, 2, 2)
    assert len(golden.code) == 2


def test_a_kernel_that_is_never_launched_is_shown_and_not_counted():
    golden = build_golden(Capture("h100", (graph(kernels=[kernel("a", LOAD_AND_STORE)]),)), "case")
    assert metrics(golden)["loads"] == 0
    assert golden.code[0].name == "k0"


@pytest.mark.parametrize(
    ("instruction", "metric"),
    [
        ("tl.sum(tmp0, 1)", "reductions"),
        ("triton_helpers.max2(tmp0, 1)", "reductions"),
        ("triton_helpers.fmax2(tmp0, 1)", "reductions"),
        ("triton_helpers.welford(tmp0, tmp1, tmp2, 1)", "reductions"),
        ("tl.associative_scan((tmp0,), 0, f)", "reductions"),
        ("triton_helpers.sort_with_index(tmp0, tmp1, None, 0)", "reductions"),
        ("tl.atomic_add(out_ptr0, tmp0, None)", "atomics"),
        ("tl.atomic_max(out_ptr0, tmp0, None)", "atomics"),
    ],
)
def test_instructions_are_counted_by_what_they_are(instruction, metric):
    found = graph(kernels=[kernel("a", f"    {instruction}\n")], launches=["a"])
    assert metrics(build_golden(Capture("h100", (found,)), "case"))[metric] == 1


def test_buffers_are_counted_in_the_host_code():
    host = (
        "def call(args):\n    buf0 = empty_strided_cuda((4, ), (1, ), torch.float32)\n"
        "    buf1 = buf0; del buf0  # reuse\n    return (buf1, )\n"
    )
    found = metrics(build_golden(Capture("h100", (graph(host=host),)), "case"))
    assert (found["buffers allocated"], found["buffers reused"]) == (1, 1)


def test_one_graph_is_the_total():
    golden = build_golden(Capture("h100", (graph(),)), "case")
    assert [metric.name for metric in golden.metrics] == [metric.name for metric in METRICS]


def test_several_graphs_add_up():
    golden = build_golden(Capture("h100", (graph("forward"), graph("backward"))), "case")
    assert metrics(golden)["bytes accessed"] == 200
    assert metrics(golden, "backward")["bytes accessed"] == 100


@pytest.mark.parametrize(
    ("phases", "names"),
    [
        (["inference"], ["inference"]),
        (["forward", "backward"], ["forward", "backward"]),
        (["forward", "backward", "forward", "backward"], ["forward.0", "backward.0", "forward.1", "backward.1"]),
        (["inference", "forward", "backward"], ["inference", "forward", "backward"]),
    ],
)
def test_graphs_of_one_phase_are_numbered(phases, names):
    golden = build_golden(Capture("h100", tuple(map(graph, phases))), "case")
    assert [plan.graph for plan in golden.plan] == names


def test_equal_graphs_are_not_lost():
    assert len(build_golden(Capture("h100", (graph(), graph())), "case").plan) == 2


def test_traced_nodes_are_numbered_by_first_appearance():
    ops = (FusedOp("softmax_3", ("exp",)), FusedOp("softmax_1", ("exp",)), FusedOp("softmax_3", ("sub",)))
    golden = build_golden(Capture("h100", (graph(kernels=[kernel("a", "")], launches=["a"], ops=ops),)), "case")
    assert [op.source for op in golden.plan[0].steps[0].ops] == ["softmax", "softmax.1", "softmax"]


def test_what_autograd_wrote_has_no_source():
    ops = (FusedOp("mul_4", ("mul",)), FusedOp("softmax", ("exp",)))
    found = graph("backward", kernels=[kernel("a", "")], launches=["a"], ops=ops)
    golden = build_golden(Capture("h100", (found,)), "case")
    assert golden.plan[0].steps[0].ops == (FusedOp("softmax", ("exp",)), FusedOp("", ("mul",)))


# From generated text to a golden with the standard library alone: reading host code asks torch for schemas, so the
# launches are those of the kernels. Run here, and by other Pythons.
RENDER = """
import sys
from dataclasses import replace
from pathlib import Path
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render
from kernelsnap.capture.read.kernel_source import triton_kernel
from kernelsnap.capture.read.module_source import read_module
from kernelsnap.capture.read.provenance import provenance
from kernelsnap.model.capture import Buffer, Call, Capture, Graph, GraphCounts

def golden_text(path):
    module = read_module(path.read_text(encoding="utf-8"))
    kernels = tuple(triton_kernel(k.name, k.source, provenance(k.comment).ops) for k in module.kernels)
    calls = tuple(Call("launch", kernel.name, (), (), kernel.ops) for kernel in kernels)
    graph = Graph("inference", "", module.host, kernels, calls, (), (), GraphCounts(100, 60, 40, 5, 2))
    return render(build_golden(Capture("h100", (graph, replace(graph, phase="backward"))), path.stem))

if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\\n")
    sys.stdout.write("".join(golden_text(Path(path)) for path in sys.argv[1:]))
"""
RENDERING: dict[str, Any] = {"__name__": "rendering"}
exec(RENDER, RENDERING)
golden_text = RENDERING["golden_text"]


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_no_golden_names_a_machine(path):
    text = golden_text(path)
    for trace in ("/tmp", "torchinductor", "backend_hash", "AOT ID", "kernel path", "cache"):
        assert trace not in text


def pythons():
    """The supported Pythons on this machine, other than the one that runs the tests."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in ("3.11", "3.12", "3.13"):
        found = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]
        if version != f"{sys.version_info[0]}.{sys.version_info[1]}":
            # A shim on the path may stand for none.
            yield from [path for path in found if path and runs(path)][:1]


def runs(python):
    return subprocess.run([python, "-c", "pass"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("hash_seed", ["0", "1"])
@pytest.mark.parametrize("python", [sys.executable, *pythons()], ids=str)
def test_every_python_renders_the_same_text(python, hash_seed):
    rendered = subprocess.run(
        [python, "-c", RENDER, *map(str, DATA)],
        env={"PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert rendered.stderr == ""
    assert rendered.stdout == "".join(map(golden_text, DATA))


@pytest.mark.parametrize(
    ("ops", "shown"),
    [
        ([("x", ("unsqueeze", "add"))], [("x", ("add",))]),
        ([("x", ("expand",)), ("y", ("mul",))], [("y", ("mul",))]),
        ([("x", ("slice",)), ("y", ("mul",))], [("x", ("slice",)), ("y", ("mul",))]),
        ([("x", ("permute",))], [("x", ("permute",))]),
    ],
    ids=["beside", "alone", "a choice of elements", "nothing else"],
)
def test_a_view_is_shown_where_nothing_else_is_done(ops, shown):
    found = graph(kernels=[kernel("a", LOAD_AND_STORE)], launches=["a"], ops=tuple(FusedOp(*op) for op in ops))
    (plan,) = build_golden(Capture("h100", (found,)), "case").plan
    assert [(op.source, op.aten) for op in plan.steps[0].ops] == shown


def test_names_in_the_plan_do_not_depend_on_what_else_the_host_code_does():
    host = "def call(args):\n    buf1 = empty_strided_cuda((4, ), (1, ), torch.float32)\n    return (buf1, )\n"
    more = host.replace("args):\n", "args):\n    buf0 = torch.empty(())\n")
    plans = []
    for text in (host, more):
        call = Call("launch", "a", (), (Buffer("buf1", "f32", ("4",)),))
        found = Graph("inference", text, text, (kernel("a", LOAD_AND_STORE),), (call,), (), ("buf1",), COUNTS)
        plans.append(build_golden(Capture("h100", (found,)), "case").plan)
    assert plans[0] == plans[1]
