"""Operators with a kernel of their own for CUDA: the virtual device gives what a real GPU gives, or refuses by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch._meta_registrations
import torchgen
import yaml
from torch import nn
from torch._decomp import decomposition_table, meta_table
from torch._subclasses.fake_impls import op_implementations_dict

import gpu_operators
from kernelsnap import capture, virtual_device
from kernelsnap.capture.run import readable_errors
from kernelsnap.errors import CaptureError, DataDependentError, KernelsnapError
from kernelsnap.virtual import NeedsGpuError

# Recorded on an H200 with torch 2.11.0. Where the inputs have no solution, it is what fake mode on that GPU returned.
RECORDED = json.loads((Path(__file__).parents[1] / "data" / "gpu_operators_h200.json").read_text())
OTHERWISE = {
    "quantize_per_tensor": "torch's own fake kernel returns the type of the input",
    "_local_scalar_dense": "a number is a symbol",
    "tolist": "a number is a symbol",
}


def test_every_operator_gives_what_a_gpu_gives_or_is_refused_by_name():
    """One item for all: each takes milliseconds, and a new release changes several."""
    wrong = []
    with virtual_device("h100"):
        for name, call in gpu_operators.CALLS.items():
            try:
                with readable_errors():
                    result = plain(gpu_operators.described(call()))
            except KernelsnapError as error:
                if "needs the value" not in str(error) and not named(name, str(error)):
                    wrong.append(f"{name}: refused without its name: {error}")
                continue
            except Exception as error:
                result = str(error)
            if not alike(result, RECORDED[name]) and name not in OTHERWISE:
                wrong.append(f"{name}: {result}, on a GPU {RECORDED[name]}")
    assert not wrong, "\n".join(wrong)


def plain(value):
    """What `described` returns, with `?` for a size that depends on data."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return "?" if isinstance(value, torch.SymInt) else value


def alike(here, recorded):
    if isinstance(here, list) and isinstance(recorded, list):
        return len(here) == len(recorded) and all(map(alike, here, recorded))
    if isinstance(here, str) and isinstance(recorded, str):
        return here.startswith(recorded)
    return here == "?" or here == recorded


def named(name, message):
    """Whether a message names an operator of torch's, or the function that was called."""
    return "aten." in message or "torch." in message or "numpy" in message or name in message


def test_the_list_of_operators_is_complete():
    """Every operator that has a kernel for CUDA, and none for tensors without data, is called once."""
    called = {name.partition(":")[0].partition(".")[0] for name in gpu_operators.CALLS}
    functions = yaml.safe_load(
        (Path(torchgen.__file__).parent / "packaged" / "ATen" / "native" / "native_functions.yaml").read_text()
    )
    missing = {name for function in functions if (name := without_meta(function))} - called
    assert missing == NOT_CALLED


#: Backward passes of others that are called, what a call asks before it, and what takes the results of others.
NOT_CALLED = {
    "_cslt_sparse_mm_search",
    "_ctc_loss_backward",
    "_cudnn_attention_backward",
    "_cudnn_attention_forward",
    "_cudnn_ctc_loss",
    "_cudnn_rnn_backward",
    "_cudnn_rnn_flatten_weight",
    "_fake_quantize_learnable_per_channel_affine_backward",
    "_fake_quantize_learnable_per_tensor_affine_backward",
    "_nested_compute_contiguous_strides_offsets",
    "_scaled_grouped_mm_v2",
    "_sparse_semi_structured_apply",
    "_sparse_semi_structured_apply_dense",
    "_thnn_fused_gru_cell_backward",
    "_use_cudnn_ctc_loss",
    "_use_miopen_ctc_loss",
    "fractional_max_pool3d_backward",
    "miopen_convolution_add_relu",
    "miopen_convolution_relu",
    "miopen_ctc_loss",
    "miopen_depthwise_convolution",
    "miopen_rnn_backward",
    "multi_margin_loss_backward",
    "multilabel_margin_loss_backward",
}


def without_meta(function):
    """The name of an operator of this kind; "" for others, and for those that write into a given tensor."""
    name, _, overload = function["func"].partition("(")[0].partition(".")
    keys = {key.strip() for keys in function.get("dispatch") or {} for key in keys.split(",")}
    if "CUDA" not in keys or "structured_delegate" in function or function.get("structured"):
        return ""
    operator = getattr(getattr(torch.ops.aten, name), overload or "default")
    if any(argument.is_out for argument in operator._schema.arguments):
        return ""
    has_kernel = any(
        torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), key)
        for key in ("Meta", "CompositeExplicitAutograd")
    )
    tables = (decomposition_table, meta_table, op_implementations_dict)
    known = has_kernel or any(operator in table for table in tables) or torch._C.DispatchKey.Meta in operator.py_kernels
    return "" if known else name


class Recognizer(nn.Module):
    """A recurrent layer between two linear ones."""

    def __init__(self, layer, size):
        super().__init__()
        self.before, self.layer, self.after = nn.Linear(8, 8), layer, nn.Linear(size, 4)

    def forward(self, x):
        x = self.before(x).relu()
        x, _ = self.layer(x)
        return self.after(x)


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (lambda: nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True), 32),
        (lambda: nn.LSTM(8, 16, proj_size=5), 5),
        (lambda: nn.GRU(8, 16), 16),
        (lambda: nn.RNN(8, 16, nonlinearity="relu", bias=False), 16),
    ],
)
def test_a_recurrent_layer_runs_between_two_graphs_forward_and_backward(layer, size):
    """Dynamo does not trace it, and on a GPU runs the rest of the function without compiling it."""
    with virtual_device("h100"), torch.device("cuda"):
        module = Recognizer(layer(), size)
        captured = capture(module, torch.randn(5, 3, 8), backward=True)
        assert all(parameter.grad.shape == parameter.shape for parameter in module.parameters())
    assert [graph.phase for graph in captured.graphs] == ["forward", "backward"]


def test_what_follows_a_layer_that_has_its_batch_first_reads_it_as_the_library_wrote_it():
    with virtual_device("h100"), torch.device("cuda"):
        output = nn.LSTM(8, 16, batch_first=True)(torch.randn(5, 3, 8))[0]
        text = capture(lambda x: x.sin() + 1, output).text
    assert "(5, 3, 16), (16, 80, 1)" in text


def test_a_recurrent_layer_of_an_amd_gpu_runs_in_miopen():
    with virtual_device("mi300x"), torch.device("cuda"):
        x = torch.randn(5, 3, 8, requires_grad=True)
        output, _ = nn.GRU(8, 16, batch_first=True)(x)
        output.sum().backward()
        assert output.stride() == (16, 80, 1)
        assert x.grad.shape == x.shape


def test_a_layer_that_dynamo_is_told_to_trace_is_written_out():
    with virtual_device("h100"), torch.device("cuda"), torch._dynamo.config.patch(allow_rnn=True):
        text = capture(Recognizer(nn.GRU(8, 16), 16).eval(), torch.randn(2, 3, 8)).text
    assert "sigmoid" in text
    assert "cudnn" not in text


def test_a_packed_sequence_needs_values():
    lengths = torch.tensor([5, 3, 2])
    with virtual_device("h100"), pytest.raises(DataDependentError, match="_pack_padded_sequence"), readable_errors():
        nn.utils.rnn.pack_padded_sequence(torch.ones(5, 3, 8, device="cuda"), lengths)


def loss_of(targets, lengths):
    def loss(x):
        return nn.functional.ctc_loss(x.log_softmax(-1), targets, *lengths)

    return loss


def test_a_ctc_loss_breaks_the_graph_as_on_a_gpu():
    with virtual_device("h100"), torch.device("cuda"):
        lengths = [torch.full((16,), n) for n in (50, 30)]
        loss = loss_of(torch.ones(16, 30, dtype=torch.int64), lengths)
        captured = capture(loss, torch.randn(50, 16, 20, requires_grad=True), backward=True)
    assert captured.graph_breaks == ("Dynamic shape operator",)
    assert [graph.phase for graph in captured.graphs] == ["forward", "backward"]


def test_a_ctc_loss_that_may_be_cudnns_is_refused_by_name():
    with virtual_device("h100"), torch.device("cuda"):
        lengths = [torch.full((16,), n, dtype=torch.int32) for n in (50, 30)]
        with pytest.raises(NeedsGpuError, match=r"aten\._use_cudnn_ctc_loss\.Tensor needs a kernel"):
            capture(loss_of(torch.ones(480, dtype=torch.int32), lengths), torch.randn(50, 16, 20))


def test_what_an_operator_returns_that_runs_on_zeros_is_on_the_gpu():
    """Its kernel is the CPU's, and so was its result: code for the GPU had a gradient on the CPU."""
    with virtual_device("h100"), torch.device("cuda"):
        x, target = torch.randn(4, 8, requires_grad=True), torch.zeros(4, dtype=torch.int64)
        captured = capture(lambda x: nn.functional.multi_margin_loss(x * 2, target), x, backward=True)
    assert {kernel.language for graph in captured.graphs for kernel in graph.kernels} == {"triton"}


def test_an_operator_with_a_kernel_for_gpus_only_is_refused_by_name_in_a_graph_too():
    with virtual_device("h100"), torch.device("cuda"):
        x = torch.randn(4, 3, 8)
        with pytest.raises(NeedsGpuError, match=r"aten\.batch_norm_stats\.default needs a kernel"):
            capture(lambda x: torch.batch_norm_stats(x + 1, 1e-5), x)


def test_an_operator_that_fake_mode_does_not_know_is_refused_by_name_between_two_graphs():
    @torch.compiler.disable
    def pinned():
        return torch.ones(4, device="cpu").pin_memory()

    with virtual_device("h100"), torch.device("cuda"), pytest.raises(CaptureError, match=r"`aten\._pin_memory"):
        capture(lambda x: x.sin() + pinned().cuda(), torch.randn(4))
