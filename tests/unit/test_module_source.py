"""Taking a generated module apart: what is a kernel, what is host code, and what is neither."""

from __future__ import annotations

import pytest

from kernelsnap.capture.read.module_source import read_module
from kernelsnap.errors import UnreadableCodeError

CALL = "def call(args):\n    return (args[0], )\n"
KERNEL = "# above\nk = async_compile.triton('k', '''\ndef k(): pass\n''', device_str='cuda')\n"


def test_a_kernel_is_taken_out_with_the_comment_above_it():
    (kernel,) = read_module(KERNEL + CALL).kernels
    assert (kernel.name, kernel.language, kernel.comment) == ("k", "triton", ("# above",))
    assert kernel.source == "\ndef k(): pass\n"


def test_a_cpp_kernel_names_the_types_of_its_parameters():
    text = "k = async_compile.cpp_pybinding(['const float*', 'float*'], r'''\nvoid kernel();\n''')\n"
    (kernel,) = read_module(text + CALL).kernels
    assert kernel.language == "cpp"
    assert kernel.arguments == ("const float*", "float*")


@pytest.mark.parametrize(
    "plumbing",
    [
        "import torch",
        "from torch import device",
        "aten = torch.ops.aten",
        "async_compile = AsyncCompile()",
        "async_compile.wait(globals())",
        "del async_compile",
        "runner = Runner(partitions=[])",
        "def benchmark_compiled_module(times=10):\n    pass",
        "def get_args():\n    pass",
        "if __name__ == '__main__':\n    pass",
    ],
)
def test_plumbing_is_no_host_code(plumbing):
    assert read_module(f"{plumbing}\n{CALL}").host == CALL


@pytest.mark.parametrize(
    "statement",
    [
        "aten = torch.ops.other",
        "constant0 = None",
        "arg_index = {0: [slice(0, 4, None)]}",
        "k = async_compile.something_new('k', 'x')",
        "runner = Runner(partitions=[partition_0])",
        "side_effect()",
        "def partition_0(args):\n    return args",
        "class Other:\n    pass",
        "if torch.cuda.is_available():\n    pass",
        "x: int = 3",
    ],
)
def test_a_statement_of_an_unknown_form_is_host_code(statement):
    assert read_module(f"{statement}\n{CALL}").host == f"{statement}\n{CALL}"


def test_the_methods_of_the_runner_are_host_code_but_for_its_own_plumbing():
    text = (
        "class Runner:\n"
        "    def __init__(self, partitions):\n        self.partitions = partitions\n"
        "    def recursively_apply_fns(self, fns):\n        pass\n"
        "    def call(self, args):\n        return ()\n"
        "    def new(self):\n        pass\n"
    )
    assert read_module(text).host == "def call(self, args):\n    return ()\ndef new(self):\n    pass\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#include <torch>\nvoid x() {}\n", "not Python"),
        ("", "defines no `call`"),
        ("def other(): pass\n", "defines no `call`"),
        ("k = async_compile.triton('k', '', device_str='cuda')\n" + CALL, "no source text"),
        ("k = async_compile.triton('k', name, device_str='cuda')\n" + CALL, "no source text"),
    ],
)
def test_what_cannot_be_read_is_an_error(text, says):
    with pytest.raises(UnreadableCodeError, match=says):
        read_module(text)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("assert_new = torch._C._dynamo.guards.assert_new", False),
        ("empty_new = torch._C._dynamo.guards._empty_new", False),
        ("assert_new = torch._C._dynamo.guards.assert_other", True),
        ("assert_new = torch.ops.other.assert_new", True),
        ("assert_size_stride = torch._C._dynamo.guards._assert_size_stride", True),
        ("assert_new = torch._C._dynamo.guards.assert_new()", True),
    ],
)
def test_a_new_alias_is_plumbing_only_under_its_own_name(line, kept):
    assert (line in read_module(f"{line}\ndef call(args):\n    return ()\n").host) == kept
