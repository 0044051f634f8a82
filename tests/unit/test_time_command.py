"""`kernelsnap time` without a GPU: what it refuses, and what it makes of a golden before anything runs."""

from __future__ import annotations

import json
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

import kernelsnap.cost.measure.inputs as inputs
from kernelsnap.cli.main import main
from kernelsnap.cost.kernel_text import read_kernel
from kernelsnap.cost.measure.inputs import CannotRunError, Input
from kernelsnap.golden.format import parse

DATA = Path(__file__).parents[1] / "data" / "cost_pairs"
GOLDENS = Path(__file__).parents[2] / "goldens"
TEXTS = {
    line["side"]: line["golden"]
    for line in map(json.loads, lzma.decompress((DATA / "h200.jsonl.xz").read_bytes()).decode().splitlines())
    if "side" in line
}


def graph(side, name="inference"):
    golden = parse(TEXTS[side], side)
    host = next(piece.text for piece in golden.code if (piece.graph, piece.name) == (name, "host"))
    return next(plan for plan in golden.plan if plan.graph == name), host


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A git repository with a golden, committed in two versions."""
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    for side in ("softmax", "softmax online_softmax=False"):
        Path("goldens").mkdir(exist_ok=True)
        Path("goldens/a.h200.ksnap").write_text(TEXTS[side])
        subprocess.run(["git", "add", "."], check=True)
        author = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *author, "commit", "-qm", side], check=True)
    return tmp_path


@pytest.mark.parametrize("sides", [["HEAD~"], ["HEAD~..HEAD"], ["HEAD~", "HEAD"], ["--patch", "x.patch"]])
def test_code_of_a_revision_or_a_patch_needs_trust(project, sides, capsys):
    (project / "x.patch").write_text("")
    assert main(["time", *sides]) == 2
    assert "runs code from goldens of another revision or a patch, with your rights" in capsys.readouterr().err


def test_without_a_gpu_nothing_is_measured(project, capsys):
    shutil.copytree("goldens", "before")
    Path("before/a.h200.ksnap").write_text(TEXTS["softmax"])
    for sides in (["before", "goldens"], ["HEAD~", "--trust"]):
        assert main(["time", *sides, "--output", "times.json"]) == 2
        out = capsys.readouterr().out
        assert "a.h200.ksnap: not measured: there is no GPU" in out
        assert "changed on both sides: 1 golden; measured: 0; " in out
        assert json.loads(Path("times.json").read_text())["goldens"] == {}


def test_a_median_needs_three_runs(project, capsys):
    assert main(["time", "HEAD~", "--trust", "--repetitions", "2"]) == 2
    assert "at least 3 runs" in capsys.readouterr().err


def test_inputs_have_the_shapes_strides_and_types_of_the_golden():
    assert inputs.inputs_of(*graph("rope")) == [
        Input("arg0", "bfloat16", (4, 32, 2048, 128), (8388608, 262144, 128, 1)),
        Input("arg1", "bfloat16", (2048, 128), (128, 1)),
        Input("arg2", "bfloat16", (2048, 128), (128, 1)),
    ]
    names = [given.name for given in inputs.inputs_of(*graph("train_layer_norm", "backward"))]
    assert names == ["primals_0", "primals_1", "getitem", "rsqrt", "tangents_0"]


def test_inputs_of_later_releases_of_torch():
    plan, host = graph("rope")
    asserted = "assert_size_stride(arg1, (2048, 128), (128, 1)"
    assert asserted in host
    later = host.replace(asserted, "assert_tensor_metadata(arg1, (2048, 128), (128, 1), torch.bfloat16")
    assert inputs.inputs_of(plan, later) == inputs.inputs_of(plan, host)


def test_sizes_that_are_symbols_have_no_inputs():
    plan, host = graph("rope")
    with pytest.raises(CannotRunError, match="is a symbol"):
        inputs.inputs_of(plan, host.replace("(4, 32, 2048, 128)", "(s0, 32, 2048, 128)"))


def test_whole_numbers_stay_below_what_a_kernel_asserts():
    golden = parse(TEXTS["embedding"], "embedding")
    texts = [piece.text for piece in golden.code]
    asserted = 'tl.device_assert((0 <= tmp4) & (tmp4 < 50257), "index out of bounds: 0 <= tmp4 < 50257")'
    assert inputs.bound_of([asserted, *texts]) <= 50257
    assert inputs.bound_of([asserted]) == 50257
    assert inputs.bound_of([]) == 1


def test_a_size_of_one_that_is_a_constant_is_an_argument_of_each_call():
    """Inductor makes it a constant of the kernel, and passes it all the same: `k1.run(buf0, buf2, 1, 512)`."""
    golden = GOLDENS / "test_fusion" / "FusionTests.test_pointwise_multi_level_reduction[flat].h100.ksnap"
    code = {(piece.graph, piece.name): piece.text for piece in parse(golden.read_text(), "it").code}
    kernel = read_kernel(code["inference", "k1"])
    assert dict(kernel.declared)["xnumel"] == "constexpr"
    assert "k1.run(buf0, buf2, 1, 512)" in code["inference", "host"]
    assert kernel.given == ["in_ptr0", "out_ptr0", "xnumel", "r0_numel"]
