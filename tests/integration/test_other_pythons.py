"""The same captures give the same goldens on every supported Python, which reads again what Inductor generated.

Needs interpreters of other versions, `python3.12` and `python3.13` on the path, or pyenv's, with nothing installed:
they use the jinja2 of this one, which is pure Python.
"""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jinja2
import markupsafe
import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from kernelsnap import capture
from kernelsnap.capture.read import host_calls
from kernelsnap.capture.read.operators import Effect
from kernelsnap.capture.read.parse import read_graph
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render
from kernelsnap.golden.templates.folding import folded
from kernelsnap.golden.templates.settle import templates_used
from kernelsnap.virtual import virtual_device

SOURCE = Path(__file__).parents[2] / "src"
# Everything from the generated text to the file. What an operator reads, writes and returns is asked of torch, which is
# not there: those that the programs below call read all tensors that they are given and return new ones.
READ_AGAIN = """
import pickle, sys
from dataclasses import replace

from kernelsnap.capture.read import host_calls
from kernelsnap.capture.read.host_values import tensors_in
from kernelsnap.capture.read.operators import Effect

def returns_new_tensors(path, arguments, keywords):
    reads = tuple(tensor for value in (*arguments, *keywords.values()) for tensor in tensors_in(value))
    return Effect(runs=True, reads=reads, writes=(), result=None, makes=True)

host_calls.effect_of = returns_new_tensors

from kernelsnap.golden.build import build_golden
from kernelsnap.golden.templates.folding import folded
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.templates.settle import templates_used
from kernelsnap.capture.read.parse import read_graph

for captured in pickle.load(sys.stdin.buffer):
    graphs = []
    for graph in captured.graphs:
        again = read_graph(graph.text, graph.phase, graph.counts)
        configs = {kernel.name: kernel.configs for kernel in graph.kernels}
        kernels = tuple(replace(kernel, configs=configs[kernel.name]) for kernel in again.kernels)
        # Known from the run, and not from the text.
        known = {name: getattr(graph, name) for name in ("choices", "names", "results", "why")}
        graphs.append(replace(again, kernels=kernels, **known))
    golden = build_golden(replace(captured, graphs=tuple(graphs)), "case")
    text = render(golden)
    assert parse(text) == golden
    sys.stdout.buffer.write(folded(text, templates_used(golden).values()).encode())
"""


def interpreters() -> Iterator[tuple[str, str]]:
    """Other supported Pythons that run here: version and program."""
    for version in ("3.12", "3.13"):
        pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
        for program in filter(None, [shutil.which(f"python{version}"), *map(str, pyenv)]):
            found = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
            if found.stdout.startswith(f"Python {version}.") and sys.version_info[:2] != tuple(
                map(int, version.split("."))
            ):
                yield version, program
                break


PYTHONS = dict(interpreters())


def norm(x, weight):
    return torch.nn.functional.layer_norm(x, x.shape[-1:], weight).softmax(-1)


@pytest.fixture(scope="module")
def captures():
    """A reduction and its gradient, sizes that are not fixed, an assertion's message, attention from a template."""
    with virtual_device("h100"):
        x, weight = (torch.randn(*shape, device="cuda", requires_grad=True) for shape in ((64, 1024), (1024,)))
        qkv = [torch.randn(2, 4, 512, 64, device="cuda") for _ in range(3)]
        index = torch.randint(0, 64, (16,), device="cuda")
        return [
            capture(norm, x, weight, backward=True),
            capture(lambda x: torch.cat([x.sin(), x.sum(0, keepdim=True)]), x.detach(), dynamic=True),
            capture(lambda x, index: x[index].sort(-1).values, x.detach(), index),
            capture(lambda *qkv: flex_attention(*qkv, score_mod=lambda s, b, h, q, k: s + (q - k)), *qkv),
        ]


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_another_python_changes_no_golden(captures, version, monkeypatch, tmp_path):
    if version not in PYTHONS:
        pytest.skip(f"no Python {version} beside this one")
    asked = []
    original = host_calls.effect_of
    monkeypatch.setattr(host_calls, "effect_of", lambda *call: asked.append(original(*call)) or asked[-1])
    for captured in captures:
        for graph in captured.graphs:
            read_graph(graph.text, graph.phase, graph.counts)
    assert asked
    assert all(replace(effect, reads=()) == Effect(True, (), (), None, makes=True) for effect in asked)

    goldens = [build_golden(captured, "case") for captured in captures]
    expected = "".join(folded(render(golden), templates_used(golden).values()) for golden in goldens)
    assert "  template flex_attention\n" in expected
    for package in (jinja2, markupsafe):
        (tmp_path / package.__name__).symlink_to(Path(package.__file__).parent)
    found = subprocess.run(
        [PYTHONS[version], "-c", READ_AGAIN],
        input=pickle.dumps(captures),
        capture_output=True,
        env={"PYTHONPATH": f"{SOURCE}:{tmp_path}"},
        check=False,
    )
    assert found.stderr.decode() == ""
    assert found.stdout.decode() == expected
