"""Change one token of meaning in what Inductor generated: the golden must differ.

`test_mutations_corpus` changes every kernel of the goldens; here it is the text that goldens are made from.
"""

from __future__ import annotations

import io
import itertools
import keyword
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsnap.capture.read.parse import read_graph
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render
from kernelsnap.model.capture import Capture, GraphCounts
from kernelsnap.model.golden import Golden

ROOT = Path(__file__).parents[2]
DATA = sorted((ROOT / "tests" / "data").glob("*.txt"))

# Every how many-th token is changed in the samples (all of them take minutes).
SAMPLE_STRIDE = 3

OPERATORS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "//": "/", "%": "*", "**": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
    "==": "!=", "!=": "==", "&": "|", "|": "&", "^": "&", "~": "-", "<<": ">>", ">>": "<<", "+=": "-=", "-=": "+=",
}  # fmt: skip
CONSTANTS = {"True": "False", "False": "True", "None": "0", "and": "or", "or": "and"}
NUMBERED = re.compile(r"_?(tmp|in_ptr|out_ptr|in_out_ptr|x|y|z|r\d+_|buf|arg|primals_|tangents_|s)\d+(_\d)?\Z")


def changed(text: str, names: list[str]) -> Iterator[tuple[int, int, str]]:
    """Where each token of meaning starts and ends, and what it is changed to."""
    starts = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        if token.type == tokenize.OP and token.string in OPERATORS:
            yield start, end, OPERATORS[token.string]
        elif token.type == tokenize.NUMBER:
            yield start, end, f"{token.string}1"
        elif token.type == tokenize.STRING:
            yield start, end, f"{token.string[:1]}changed {token.string[1:]}"
        elif token.type == tokenize.NAME and token.string in CONSTANTS:
            yield start, end, CONSTANTS[token.string]
        elif token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            # Another name of the text: a new one would only rename a variable that is used once.
            others = [name for name in names if name != token.string]
            yield start, end, others[start % len(others)] if NUMBERED.match(token.string) and others else "changed"


def numbered_names(text: str) -> list[str]:
    return sorted({name for name in re.findall(r"\b\w+\b", text) if NUMBERED.match(name)})


def mutants(text: str, stride: int) -> Iterator[tuple[str, str]]:
    """Texts with one token changed, each with a description."""
    for start, end, new in list(changed(text, numbered_names(text)))[::stride]:
        line = text[text.rfind("\n", 0, start) + 1 : text.find("\n", end)]
        yield text[:start] + new + text[end:], f"{text[start:end]!r} -> {new!r} in: {line.strip()}"


def golden_of(text: str) -> Golden:
    graph = read_graph(text, "inference", GraphCounts(0, 0, 0, 0, 0))
    return build_golden(Capture("h100", (graph,)), "case")


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_every_kind_of_token_of_generated_text_is_seen(path):
    text = path.read_text()
    expected = golden_of(text)
    missed = []
    for start, end in meaningful(text):
        region = text[start:end]
        for mutant, what in mutants(region, SAMPLE_STRIDE):
            try:
                same = golden_of(text[:start] + mutant + text[end:]) == expected
            except Exception:  # an error is seen, too
                continue
            if same:
                missed.append(what)
    assert not missed, "\n".join(missed)


def meaningful(text: str) -> Iterator[tuple[int, int]]:
    """The functions of kernels, and the body of `call`."""
    for match in re.finditer(r"^@triton\.jit\n(def .*?)(?=^@|^''')", text, re.MULTILINE | re.DOTALL):
        yield match.span(1)
    for match in re.finditer(r"^    def call\(self, args\):\n(.*?)\n\nrunner =", text, re.MULTILINE | re.DOTALL):
        yield match.span(1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@triton_heuristics.pointwise", "@triton_heuristics.reduction"),
        ("'in_ptr0': '*fp32'", "'in_ptr0': '*fp16'"),
        ("'xnumel': 'i32'", "'xnumel': 'i64'"),
        ("[['tt.divisibility', 16]]", "[['tt.divisibility', 8]]"),
        ("(0,): [['tt.divisibility', 16]], ", ""),
        ("'constants': {}", "'constants': {'xnumel': 1}"),
        ("'grid_type': 'Grid1D'", "'grid_type': 'Grid2D'"),
        ("'enable_fp_fusion': True", "'enable_fp_fusion': False"),
        ("'spill_threshold': 16", "'spill_threshold': 32"),
        ("import triton\n", "import triton\nimport something_else\n"),
    ],
)
def test_what_the_heuristics_are_told_is_seen(old, new):
    text = (ROOT / "tests" / "data" / "pointwise.txt").read_text()
    kernel = text.index("async_compile.triton(")
    place = text.index(old, kernel)
    assert golden_of(text[:place] + new + text[place + len(old) :]) != golden_of(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "empty_strided_cuda((10, 10), (10, 1), torch.float32)",
            "empty_strided_cuda((10, 20), (10, 1), torch.float32)",
        ),
        (
            "empty_strided_cuda((10, 10), (10, 1), torch.float32)",
            "empty_strided_cuda((10, 10), (1, 10), torch.float32)",
        ),
        (
            "empty_strided_cuda((10, 10), (10, 1), torch.float32)",
            "empty_strided_cuda((10, 10), (10, 1), torch.float16)",
        ),
        (".run(arg0_1, arg1_1, buf0, ", ".run(arg1_1, arg0_1, buf0, "),
        (".run(arg0_1, arg1_1, buf0, ", ".run(arg0_1, arg0_1, buf0, "),
        ("100, stream=raw_stream0)", "101, stream=raw_stream0)"),
        ("get_raw_stream(0)", "get_raw_stream(1)"),
        ("torch.cuda.set_device(0)", "torch.cuda.set_device(1)"),
        ("assert_size_stride(arg0_1, (10, 10)", "assert_size_stride(arg0_1, (10, 11)"),
        ("return (buf0, )", "return (buf0, buf0, )"),
        ("return (buf0, )", "torch.cuda.synchronize()\n        return (buf0, )"),
        ("del arg1_1", "arg1_1.zero_()"),
    ],
)
def test_what_the_host_does_is_seen(old, new):
    text = (ROOT / "tests" / "data" / "pointwise.txt").read_text()
    assert old in text
    assert golden_of(text.replace(old, new, 1)) != golden_of(text)


def test_a_stream_that_nothing_fetched_is_an_error():
    text = (ROOT / "tests" / "data" / "pointwise.txt").read_text()
    with pytest.raises(UnreadableCodeError, match="uses raw_stream1, which nothing above makes"):
        golden_of(text.replace("stream=raw_stream0)", "stream=raw_stream1)", 1))


def test_a_launch_before_what_it_reads_is_an_error():
    text = (ROOT / "tests" / "data" / "two_kernels.txt").read_text()
    launches = re.findall(r"^ +triton_\w+\.run\(.*\n", text, re.MULTILINE)
    assert len(launches) == 2
    swapped = text.replace(launches[0], "<first>").replace(launches[1], launches[0]).replace("<first>", launches[1])
    with pytest.raises(UnreadableCodeError, match="uses buf6, which nothing above makes"):
        golden_of(swapped)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'backend_hash': '", "'backend_hash': '0"),
        ("'kernel_name': '", "'kernel_name': 'other_"),
        ("multi_processor_count=132", "multi_processor_count=108"),
        ("# kernel path: /", "# kernel path: /other/"),
        ("# AOT ID: ['", "# AOT ID: ['9"),
        ("'force_disable_caches': True", "'force_disable_caches': False"),
        ("    tmp0 =", "    # a comment\n    tmp0 ="),
        # Hints: where they change what may be launched, the launches show it (test_capture_kernels).
        ("size_hints={'x': 128}", "size_hints={'x': 256}"),
        ("'tiling_scores': {'x': ", "'tiling_scores': {'x': 1"),
        ("min_elem_per_thread=0", "min_elem_per_thread=8"),
        ("'atomic_add_found': False", "'atomic_add_found': True"),
        ("'autotune_hints': set()", "'autotune_hints': ()"),
        # Reported at the end of a run, but in no golden.
        ("'no_x_dim': False", "'no_x_dim': False, 'fact_of_a_newer_torch': 1"),
        ("'native_matmul': False", "'native_matmul': False, 'fact_of_a_newer_torch': 1"),
    ],
)
def test_what_decides_nothing_that_runs_is_not_seen(old, new):
    text = (ROOT / "tests" / "data" / "pointwise.txt").read_text()
    assert old in text
    assert render(golden_of(text.replace(old, new, 1))) == render(golden_of(text))
