"""Reads the C++ wrapper that AOTInductor writes around a graph, and checks that it does what the plan of the graph has.

What is kept is what a model does when it runs, and what it is given: the body of `run_impl`, and the table of its
constants. Left out are the interface of the library, which is the same in every module; checks that an environment
variable turns on; and the functions that launch one kernel each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import Call, Graph
from kernelsnap.normalize.names import RUN_IMPL

# void AOTInductorModel::run_impl(   ...   ) {   the body   } // AOTInductorModel::run_impl
_RUN = re.compile(
    r"^void AOTInductorModel::run_impl\($(?P<head>.*?)^\) \{$\n(?P<body>.*?)^\} // AOTInductorModel::run_impl$",
    re.MULTILINE | re.DOTALL,
)
#     constants_info_[0].shape = {64, 64};
_CONSTANT = re.compile(
    r"^ *(constants_info_\[\d+\]\.(?:name|dtype|device_type|shape|stride|original_fqn) = .*;)$", re.MULTILINE
)
#     // Topologically Sorted Source Nodes: [softmax], Original ATen: [aten._softmax]         auto buf5 = ...;  // reuse
_COMMENT = re.compile(r"(?:^|(?<=;)) *//.*$", re.MULTILINE)
#     __check_inputs_outputs(input_handles, output_handles);
#     if (_check_aoti_runtime_check_inputs_env()) { assert_size_stride(...); }
_CHECK = re.compile(r"^ *(?:__check_inputs_outputs\(|if \(_check_aoti_runtime_check_inputs_env\(\)\)).*$", re.MULTILINE)
# call_triton_poi_fused_sin_0(arg0_1, buf0, 64L, ...   aoti_torch_cuda_mm_out(buf2, ...   aoti_torch_call_dispatcher("a
_WORK = re.compile(r"\b(?:call_(?P<kernel>\w+)|aoti_torch_(?P<call>\w+))\(")
# Functions of the interface that move no data of a tensor, or only that of an input that is not aligned.
_NO_WORK = re.compile(
    r"(?:empty_strided\w*|get_\w+|delete_tensor_object|create_tensor_from_blob\w*|assign_tensors\w*|dtype_\w+|"
    r"clone_preserve_strides|new_\w*tensor_handle|_reinterpret_tensor|_alloc_from_pool|as_strided|device_type_\w+|"
    r"layout_\w+|memory_format_\w+|check|scalar_to_tensor_\w+|item_\w+|grad_mode_\w+)\Z"
)
# call_triton_poi_fused_sin_0(arg0_1, buf0, 8L, this->device_idx_, stream, kernels, this->cubin_dir_);
_LAUNCH = re.compile(r"^[ \t]*call_(\w+\(.*), this->device_idx_, stream, kernels, this->cubin_dir_\);$", re.MULTILINE)
# buf0_handle -> buf_handle0      What is numbered ends in its number, for the renaming.
_SUFFIXED = re.compile(r"\b([a-z]\w*?[a-z])(_?\d+(?:_\d+)*)_(handle|aligned)\b")
# Whatever the operator, these pass it on: its name is not in the call, or is a string in it.
_PASSES_ON = ("proxy_executor_call_function", "call_dispatcher")
# What the names of operators end in, in C++ or in Python: cuda_mm_out, torch.ops.aten.sort.default
_ENDING = re.compile(r"(?:_out|_default|_v\d+){1,9}\Z")
_NAMESPACE = re.compile(r"\b(?:torch\.ops\.)?\w+\.")
# Sets a workspace to zero: the plan may count that to the kernel that uses it.
_CLEARS = "zero_"


def with_cpp_wrapper(graph: Graph, text: str) -> Graph:
    """A graph that was read from its Python wrapper, with the C++ wrapper of the same graph as its host code.

    Raises:
        UnreadableCodeError: the C++ is of an unknown form, or does not do what the graph does, in the same order.
    """
    runs = list(_RUN.finditer(text))
    if len(runs) != 1:
        raise UnreadableCodeError(f"the C++ wrapper has {len(runs)} functions AOTInductorModel::run_impl, not one")
    body = _CHECK.sub("", _COMMENT.sub("", runs[0]["body"]))
    _check_same_work(graph.calls, list(_work(body)))
    # A launch has the kernel's own name, without the arguments that are the same in every launch.
    body = _SUFFIXED.sub(r"\1_\3\2", _LAUNCH.sub(r"\1);", body))
    lines = [
        *_CONSTANT.findall(text),
        f"{RUN_IMPL}input_handles, output_handles, stream, proxy_executor) {{",
        *(line.rstrip() for line in body.splitlines() if line.strip()),
        "}",
    ]
    return replace(graph, text=text, wrapper="".join(f"{line}\n" for line in lines))


def _work(body: str) -> Iterator[tuple[str, str]]:
    """What the body does on the device: ("launch", kernel) or ("extern", function of the interface), in order."""
    for match in _WORK.finditer(body):
        if match["kernel"]:
            yield "launch", match["kernel"]
        elif not _NO_WORK.match(match["call"]):
            yield "extern", match["call"]


def _check_same_work(calls: tuple[Call, ...], work: list[tuple[str, str]]) -> None:
    """Raise unless the C++ launches the kernels and calls the operators of the plan, one by one."""
    planned = [(call.kind, call.name) for call in calls if not call.name.endswith(_CLEARS)]
    found = [(kind, name) for kind, name in work if not name.endswith(_CLEARS)]
    same = len(planned) == len(found) and all(
        (kind == "launch") == (other == "launch") and (name == done if kind == "launch" else _is_call_of(done, name))
        for (kind, name), (other, done) in zip(planned, found, strict=True)
    )
    if not same:
        raise UnreadableCodeError(
            "the C++ wrapper of AOTInductor does something else than the plan, which is read from Inductor's Python "
            f"wrapper for the same graph. C++: {_listed(found)}. Plan: {_listed(planned)}"
        )


def _is_call_of(function: str, name: str) -> bool:
    """Whether a function of the interface calls an operator: `cuda_mm_out` for `extern_kernels.mm`."""
    if function in _PASSES_ON:
        return True
    operator = _NAMESPACE.sub("", name, count=1).replace(".", "_")
    shim = re.sub(r"\A(?:cuda|cpu)_", "", function)
    return _ENDING.sub("", shim) == _ENDING.sub("", operator)


def _listed(work: Sequence[tuple[str, str]]) -> str:
    return ", ".join(name for _, name in work) or "nothing"
