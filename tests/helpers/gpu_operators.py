"""Calls of operators for which torch has kernels for CUDA and none for tensors without data, and of their relatives.

Fake mode runs such an operator on zeros to learn what its result is like, on a GPU with the GPU's kernel. Each entry is
a call with small inputs on a device; its name is the operator, with a variant behind a colon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

aten = torch.ops.aten

CALLS: dict[str, Callable[[], Any]] = {}


def _t(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> Tensor:
    return torch.ones(shape, dtype=dtype, device="cuda", requires_grad=grad)


def _i(*shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.zeros(shape, dtype=dtype, device="cuda")


def _half(*shape: int) -> Tensor:
    return _t(*shape, dtype=torch.float16)


def _trained(result: Tensor, *inputs: Tensor) -> tuple[Any, ...]:
    """The result and the gradients of the inputs."""
    return (result, *torch.autograd.grad(result.sum(), inputs))


def _layer(layer: nn.Module, *inputs: Tensor) -> tuple[Any, ...]:
    """The results of a recurrent layer, and the gradients of its input and weights."""
    output, state = layer.cuda()(*inputs)
    gradients = torch.autograd.grad(output.sum(), [inputs[0], *layer.parameters()], allow_unused=True)
    return output, state, gradients


def _packed(*, batch_first: bool = False) -> tuple[Any, ...]:
    packed = nn.utils.rnn.pack_padded_sequence(_t(5, 3, 8), torch.tensor([5, 3, 2]), batch_first=batch_first)
    return nn.LSTM(8, 16, device="cuda")(packed)[0].data, packed.data


def _ctc(targets: Tensor, lengths: Any, **options: Any) -> tuple[Any, ...]:
    x = _t(50, 16, 20, grad=True)
    return _trained(F.ctc_loss(x.log_softmax(-1), targets, *lengths, **options), x)


def _grid(x: Tensor, grid: Tensor, **options: Any) -> tuple[Any, ...]:
    return _trained(F.grid_sample(x, grid, align_corners=False, **options), x, grid)


def _bag(mode: str, **options: Any) -> tuple[Any, ...]:
    weight = _t(10, 4, grad=True)
    result = F.embedding_bag(_i(8), weight, torch.tensor([0, 4], device="cuda"), mode=mode, **options)
    return _trained(result, weight)


def _resized(x: Tensor, **options: Any) -> tuple[Any, ...]:
    x.requires_grad_()
    return _trained(F.interpolate(x, **options), x)


def _adam(step: Any, rate: Any) -> None:
    step([_t(4)], [_t(4)], [_t(4)], [_t(4)], [], [_t()], lr=rate, **_ADAM)


_ADAM = {"beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0, "eps": 1e-8, "amsgrad": False, "maximize": False}
_SGD = {
    "weight_decay": 0.0, "momentum": 0.9, "dampening": 0.0, "nesterov": False, "maximize": False,
    "is_first_step": False,
}  # fmt: skip

CALLS |= {
    # Recurrent layers
    "_cudnn_rnn:lstm": lambda: _layer(nn.LSTM(8, 16), _t(5, 3, 8, grad=True)),
    "_cudnn_rnn:lstm_batch_first": lambda: _layer(
        nn.LSTM(8, 16, num_layers=2, batch_first=True, bidirectional=True, dropout=0.5), _t(5, 3, 8, grad=True)
    ),
    "_cudnn_rnn:lstm_projected": lambda: _layer(nn.LSTM(8, 16, proj_size=5), _t(5, 3, 8, grad=True)),
    "_cudnn_rnn:lstm_unbatched": lambda: _layer(nn.LSTM(8, 16), _t(5, 8, grad=True)),
    "_cudnn_rnn:lstm_bfloat16": lambda: _layer(
        nn.LSTM(8, 16, dtype=torch.bfloat16), _t(5, 3, 8, dtype=torch.bfloat16, grad=True)
    ),
    "_cudnn_rnn:lstm_half": lambda: _layer(
        nn.LSTM(8, 16, dtype=torch.float16, batch_first=True), _t(5, 3, 8, dtype=torch.float16, grad=True)
    ),
    "_cudnn_rnn:lstm_permuted": lambda: _layer(nn.LSTM(8, 16, batch_first=True), _t(5, 8, 3, grad=True).mT),
    "_cudnn_rnn:lstm_inference": lambda: nn.LSTM(8, 16, batch_first=True, device="cuda").eval()(_t(5, 3, 8)),
    "_cudnn_rnn:lstm_eval_backward": lambda: _layer(nn.LSTM(8, 16).eval(), _t(5, 3, 8, grad=True)),
    "_cudnn_rnn:lstm_state": lambda: nn.LSTM(8, 16, device="cuda")(_t(5, 3, 8), (_t(1, 3, 16), _t(1, 3, 16))),
    "_cudnn_rnn:lstm_state_not_contiguous": lambda: nn.LSTM(8, 16, num_layers=2, device="cuda")(
        _t(5, 3, 8), (_t(3, 2, 16).transpose(0, 1), _t(2, 3, 16))
    ),
    "_cudnn_rnn:gru": lambda: _layer(nn.GRU(8, 16, num_layers=2), _t(5, 3, 8, grad=True)),
    "_cudnn_rnn:gru_batch_first": lambda: _layer(
        nn.GRU(8, 16, batch_first=True, bidirectional=True), _t(5, 3, 8, grad=True)
    ),
    "_cudnn_rnn:gru_bfloat16": lambda: _layer(
        nn.GRU(8, 16, dtype=torch.bfloat16), _t(5, 3, 8, dtype=torch.bfloat16, grad=True)
    ),
    "_cudnn_rnn:rnn_tanh": lambda: _layer(nn.RNN(8, 16, batch_first=True), _t(5, 3, 8, grad=True)),
    "_cudnn_rnn:rnn_relu": lambda: _layer(nn.RNN(8, 16, nonlinearity="relu", bias=False), _t(5, 3, 8, grad=True)),
    "_cudnn_rnn:packed": _packed,
    "_thnn_fused_lstm_cell": lambda: nn.LSTMCell(8, 16, device="cuda")(_t(3, 8)),
    "_thnn_fused_gru_cell": lambda: nn.GRUCell(8, 16, device="cuda")(_t(3, 8)),
    "_cudnn_init_dropout_state": lambda: aten._cudnn_init_dropout_state(
        0.5, True, 0, dtype=torch.uint8, device="cuda"
    ).dtype,
    # Losses
    "_ctc_loss:padded": lambda: _ctc(
        torch.ones(16, 30, dtype=torch.int64, device="cuda"), [torch.full((16,), n, device="cuda") for n in (50, 30)]
    ),
    "_ctc_loss:lists": lambda: _ctc(torch.ones(16, 30, dtype=torch.int64, device="cuda"), [(50,) * 16, (30,) * 16]),
    "_ctc_loss:on_cpu": lambda: _ctc(
        torch.ones(480, dtype=torch.int32, device="cpu"),
        [torch.full((16,), n, dtype=torch.int32, device="cpu") for n in (50, 30)],
    ),
    "_ctc_loss:lists_on_cpu": lambda: _ctc(torch.ones(480, dtype=torch.int32, device="cpu"), [(50,) * 16, (30,) * 16]),
    "multi_margin_loss": lambda: _trained(F.multi_margin_loss(x := _t(4, 8, grad=True), _i(4)), x),
    "multilabel_margin_loss": lambda: _trained(F.multilabel_margin_loss(x := _t(4, 8, grad=True), _i(4, 8)), x),
    # Grids and images
    **{
        f"grid_sampler_2d:{mode}": lambda mode=mode: _grid(
            _t(2, 3, 8, 8, grad=True), _t(2, 5, 6, 2, grad=True), mode=mode
        )
        for mode in ("bilinear", "nearest", "bicubic")
    },
    "grid_sampler_2d:channels_last": lambda: _grid(
        _t(2, 3, 8, 8).to(memory_format=torch.channels_last).requires_grad_(), _t(2, 5, 6, 2, grad=True)
    ),
    "grid_sampler_3d": lambda: _grid(_t(2, 3, 4, 4, 4, grad=True), _t(2, 4, 4, 4, 3, grad=True)),
    "cudnn_grid_sampler": lambda: aten.cudnn_grid_sampler(_t(2, 3, 8, 8), _t(2, 5, 6, 2)),
    "cudnn_grid_sampler_backward": lambda: aten.cudnn_grid_sampler_backward(
        _t(2, 3, 8, 8), _t(2, 5, 6, 2), _t(2, 3, 5, 6)
    ),
    "affine_grid_generator": lambda: F.affine_grid(_t(2, 2, 3), [2, 3, 8, 8], align_corners=False),
    "cudnn_affine_grid_generator": lambda: aten.cudnn_affine_grid_generator(_t(2, 2, 3), 2, 3, 8, 8),
    "cudnn_affine_grid_generator_backward": lambda: aten.cudnn_affine_grid_generator_backward(
        _t(2, 8, 8, 2), 2, 3, 8, 8
    ),
    **{
        f"upsample:{mode}_{'aa' if options else ''}": lambda mode=mode, shape=shape, options=options: _resized(
            _t(*shape), scale_factor=2.0, mode=mode, **options
        )
        for mode, shape, options in (
            ("nearest", (2, 3, 8), {}), ("nearest", (2, 3, 8, 8), {}), ("nearest", (2, 3, 4, 4, 4), {}),
            ("nearest-exact", (2, 3, 8, 8), {}), ("linear", (2, 3, 8), {}), ("bilinear", (2, 3, 8, 8), {}),
            ("bilinear", (2, 3, 8, 8), {"antialias": True}), ("bicubic", (2, 3, 8, 8), {}),
            ("bicubic", (2, 3, 8, 8), {"antialias": True}), ("trilinear", (2, 3, 4, 4, 4), {}),
            ("area", (2, 3, 8, 8), {}),
        )
    },
    "col2im": lambda: F.fold(_t(1, 12, 16), (5, 5), (2, 2)),
    "im2col": lambda: F.unfold(_t(1, 3, 5, 5), (2, 2)),
    # Embeddings
    **{f"_embedding_bag:{mode}": lambda mode=mode: _bag(mode) for mode in ("sum", "mean", "max")},
    "_embedding_bag:weighted": lambda: _bag("sum", per_sample_weights=_t(8)),
    "_embedding_bag:offset": lambda: _bag("mean", include_last_offset=True),
    "embedding_dense_backward": lambda: _trained(F.embedding(_i(4), w := _t(10, 4, grad=True)), w),
    "embedding_sparse_backward": lambda: F.embedding(_i(4), _t(10, 4, grad=True), sparse=True).sum().backward(),
    "embedding_renorm_": lambda: F.embedding(_i(4), _t(10, 4), max_norm=1.0),
    # Convolutions
    "cudnn_convolution": lambda: aten.cudnn_convolution(
        _t(2, 4, 8, 8), _t(6, 4, 3, 3), [1, 1], [1, 1], [1, 1], 1, False, False, True
    ),
    "cudnn_convolution_transpose": lambda: aten.cudnn_convolution_transpose(
        _t(2, 4, 8, 8), _t(4, 6, 3, 3), [1, 1], [0, 0], [1, 1], [1, 1], 1, False, False, True
    ),
    "cudnn_convolution_relu": lambda: aten.cudnn_convolution_relu(
        _t(2, 4, 8, 8), _t(6, 4, 3, 3), _t(6), [1, 1], [1, 1], [1, 1], 1
    ),
    "cudnn_convolution_add_relu": lambda: aten.cudnn_convolution_add_relu(
        _t(2, 4, 8, 8), _t(6, 4, 3, 3), _t(2, 6, 8, 8), 1.0, _t(6), [1, 1], [1, 1], [1, 1], 1
    ),
    "_conv_depthwise2d": lambda: aten._conv_depthwise2d(
        _t(2, 4, 8, 8), _t(4, 1, 3, 3), [3, 3], _t(4), [1, 1], [1, 1], [1, 1]
    ),
    "conv_depthwise3d": lambda: aten.conv_depthwise3d(
        _t(2, 4, 5, 5, 5), _t(4, 1, 3, 3, 3), [3, 3, 3], _t(4), [1, 1, 1], [1, 1, 1], [1, 1, 1]
    ),
    "slow_conv_transpose3d": lambda: aten.slow_conv_transpose3d(_t(2, 4, 5, 5, 5), _t(4, 6, 3, 3, 3), [3, 3, 3]),
    "_slow_conv2d_forward": lambda: aten._slow_conv2d_forward(
        _t(2, 4, 8, 8), _t(6, 4, 3, 3), [3, 3], _t(6), [1, 1], [1, 1]
    ),
    "_slow_conv2d_backward": lambda: aten._slow_conv2d_backward.output_mask(
        _t(2, 6, 8, 8), _t(2, 4, 8, 8), _t(6, 4, 3, 3), [3, 3], [1, 1], [1, 1], [True, True, True]
    ),
    "slow_conv_dilated2d": lambda: aten.slow_conv_dilated2d(
        _t(2, 4, 8, 8), _t(6, 4, 3, 3), [3, 3], None, [1, 1], [1, 1], [2, 2]
    ),
    "slow_conv_dilated3d": lambda: aten.slow_conv_dilated3d(
        _t(2, 4, 8, 8, 8), _t(6, 4, 3, 3, 3), [3, 3, 3], None, [1, 1, 1], [1, 1, 1], [2, 2, 2]
    ),
    **{
        f"miopen_convolution{kind}": lambda name=f"miopen_convolution{kind}", weight=weight, extra=extra: getattr(
            aten, name
        )(_t(2, 4, 8, 8), _t(*weight), None, [1, 1], *extra, [1, 1], [1, 1], 1, False, True)
        for kind, weight, extra in (("", (6, 4, 3, 3), ()), ("_transpose", (4, 6, 3, 3), ([1, 1],)))
    },
    # Normalization over several GPUs
    "batch_norm_stats": lambda: aten.batch_norm_stats(_t(4, 3, 8), 1e-5),
    "batch_norm_elemt": lambda: aten.batch_norm_elemt(_t(4, 3, 8), _t(3), _t(3), _t(3), _t(3), 1e-5),
    "batch_norm_gather_stats": lambda: aten.batch_norm_gather_stats(
        _t(4, 3, 8), _t(2, 3), _t(2, 3), None, None, 0.1, 1e-5, 4
    ),
    "batch_norm_gather_stats_with_counts": lambda: aten.batch_norm_gather_stats_with_counts(
        _t(4, 3, 8), _t(2, 3), _t(2, 3), None, None, 0.1, 1e-5, _t(2)
    ),
    "batch_norm_backward_reduce": lambda: aten.batch_norm_backward_reduce(
        _t(4, 3, 8), _t(4, 3, 8), _t(3), _t(3), _t(3), True, True, True
    ),
    "batch_norm_backward_elemt": lambda: aten.batch_norm_backward_elemt(
        _t(4, 3, 8), _t(4, 3, 8), _t(3), _t(3), _t(3), _t(3), _t(3), _i(2, dtype=torch.int32)
    ),
    "batch_norm_update_stats": lambda: aten.batch_norm_update_stats(_t(4, 3, 8), None, None, 0.1),
    # Reductions, scans, sorting
    "_cummax_helper": lambda: torch.cummax(_t(4, 8), 1),
    "_cummin_helper": lambda: torch.cummin(_t(4, 8), 1),
    "_logcumsumexp": lambda: torch.logcumsumexp(_t(4, 8), 1),
    "_aminmax": lambda: aten._aminmax(_t(4, 8)),
    "_aminmax.dim": lambda: aten._aminmax.dim(_t(4, 8), 1),
    "aminmax": lambda: torch.aminmax(_t(4, 8), dim=1),
    "kthvalue": lambda: torch.kthvalue(_t(4, 8), 2),
    "median": lambda: torch.median(_t(4, 8), 1),
    "mode": lambda: torch.mode(_t(4, 8)),
    "histc": lambda: torch.histc(_t(4, 8), 10),
    "bincount": lambda: torch.bincount(_i(8)),
    "unique": lambda: torch.unique(_t(8)),
    "unique_dim_consecutive": lambda: torch.unique_consecutive(_t(4, 8), dim=0),
    "nonzero": lambda: torch.nonzero(_t(8)),
    "masked_select": lambda: torch.masked_select(_t(8), _t(8) > 0),
    "equal": lambda: torch.equal(_t(8), _t(8)),
    "is_set_to": lambda: _t(8).is_set_to(_t(8)),
    "searchsorted": lambda: torch.searchsorted(_t(8), _t(3)),
    "cdist": lambda: _trained(torch.cdist(x := _t(4, 8, grad=True), _t(5, 8)), x),
    "pdist": lambda: _trained(torch.pdist(x := _t(4, 8, grad=True)), x),
    "renorm": lambda: torch.renorm(_t(4, 8), 2, 0, 1.0),
    "trace": lambda: torch.trace(_t(4, 4)),
    # Activations and attention
    "_masked_softmax": lambda: aten._masked_softmax(_t(2, 4, 8, 8), _i(8, 8, dtype=torch.bool), -1, 0),
    "_masked_softmax_backward": lambda: aten._masked_softmax_backward(
        _t(2, 4, 8, 8), _t(2, 4, 8, 8), _i(2, 4, 8, 8, dtype=torch.bool), -1
    ),
    "_transform_bias_rescale_qkv": lambda: aten._transform_bias_rescale_qkv(_t(2, 4, 24), _t(24), 2),
    "_triton_scaled_dot_attention": lambda: aten._triton_scaled_dot_attention(
        _half(2, 2, 16, 16), _half(2, 2, 16, 16), _half(2, 2, 16, 16)
    ),
    "_triton_multi_head_attention": lambda: aten._triton_multi_head_attention(
        _half(2, 16, 32), _half(2, 16, 32), _half(2, 16, 32), 32, 2, _half(96, 32), _half(96), _half(32, 32), _half(32)
    ),
    "_native_multi_head_attention": lambda: aten._native_multi_head_attention(
        _t(2, 4, 8), _t(2, 4, 8), _t(2, 4, 8), 8, 2, _t(24, 8), _t(24), _t(8, 8), _t(8)
    ),
    "_transformer_encoder_layer_fwd": lambda: nn.TransformerEncoderLayer(
        8, 2, 16, batch_first=True, device="cuda"
    ).eval()(_t(2, 4, 8)),
    "glu_jvp": lambda: aten.glu_jvp(_t(4, 4), _t(4, 8), _t(4, 8), 1),
    "glu_backward_jvp": lambda: aten.glu_backward_jvp(_t(4, 8), _t(4, 4), _t(4, 8), _t(4, 4), _t(4, 8), 1),
    "rrelu": lambda: F.rrelu(_t(4, 8), training=True),
    "_compute_linear_combination": lambda: aten._compute_linear_combination(_t(4, 3, 3), _t(2, 4)),
    # Pooling
    "adaptive_avg_pool2d": lambda: _trained(F.adaptive_avg_pool2d(x := _t(2, 3, 8, 8, grad=True), 3), x),
    "adaptive_avg_pool3d": lambda: _trained(F.adaptive_avg_pool3d(x := _t(2, 3, 8, 8, 8, grad=True), 3), x),
    "adaptive_max_pool3d": lambda: _trained(F.adaptive_max_pool3d(x := _t(2, 3, 8, 8, 8, grad=True), 3), x),
    "max_pool3d": lambda: _trained(F.max_pool3d(x := _t(2, 3, 8, 8, 8, grad=True), 2), x),
    "avg_pool3d": lambda: _trained(F.avg_pool3d(x := _t(2, 3, 8, 8, 8, grad=True), 2), x),
    "fractional_max_pool2d": lambda: _trained(F.fractional_max_pool2d(x := _t(2, 3, 8, 8, grad=True), 2, 4), x),
    "fractional_max_pool3d": lambda: _trained(F.fractional_max_pool3d(x := _t(2, 3, 8, 8, 8, grad=True), 2, 4), x),
    "max_unpool2d": lambda: F.max_unpool2d(*F.max_pool2d(_t(2, 3, 8, 8), 2, return_indices=True), 2),
    "max_unpool3d": lambda: F.max_unpool3d(*F.max_pool3d(_t(2, 3, 8, 8, 8), 2, return_indices=True), 2),
    # Random numbers
    "_standard_gamma": lambda: torch._standard_gamma(_t(8)),
    "_standard_gamma_grad": lambda: torch._standard_gamma_grad(_t(8), _t(8)),
    "_sample_dirichlet": lambda: torch._sample_dirichlet(_t(4, 8)),
    "_dirichlet_grad": lambda: torch._dirichlet_grad(_t(4, 8), _t(4, 8), _t(4, 8)),
    "binomial": lambda: torch.binomial(_t(8), _t(8) / 2),
    "poisson": lambda: torch.poisson(_t(8)),
    "multinomial": lambda: torch.multinomial(_t(4, 8), 3),
    "bernoulli": lambda: torch.bernoulli(_t(8)),
    "normal": lambda: torch.normal(_t(8), _t(8)),
    "exponential_": lambda: _t(8).exponential_(),
    "cauchy_": lambda: _t(8).cauchy_(),
    "log_normal_": lambda: _t(8).log_normal_(),
    "geometric_": lambda: _t(8).geometric_(0.5),
    "randperm": lambda: torch.randperm(8, device="cuda"),
    "random_": lambda: _t(8).random_(0, 4),
    "native_dropout": lambda: F.dropout(_t(8), 0.5),
    "alpha_dropout": lambda: F.alpha_dropout(_t(8), 0.5, training=True),
    # Linear algebra
    "geqrf": lambda: torch.geqrf(_t(4, 3)),
    "ormqr": lambda: torch.ormqr(_t(4, 3), _t(3), _t(4, 2)),
    "linalg_lstsq": lambda: torch.linalg.lstsq(_t(4, 3), _t(4, 2)),
    "cholesky": lambda: _trained(torch.linalg.cholesky(x := _t(3, 3, grad=True)), x),
    "cholesky_inverse": lambda: torch.cholesky_inverse(_t(3, 3)),
    "qr": lambda: torch.linalg.qr(_t(4, 3)),
    "svd": lambda: torch.linalg.svd(_t(4, 3)),
    "svdvals": lambda: torch.linalg.svdvals(_t(4, 3)),
    "eigh": lambda: torch.linalg.eigh(_t(3, 3)),
    "eig": lambda: torch.linalg.eig(_t(3, 3)),
    "eigvals": lambda: torch.linalg.eigvals(_t(3, 3)),
    "lu": lambda: torch.linalg.lu(_t(4, 3)),
    "lu_factor": lambda: torch.linalg.lu_factor(_t(2, 3, 3)),
    "lu_solve": lambda: torch.linalg.lu_solve(*torch.linalg.lu_factor(_t(2, 3, 3)), _t(2, 3, 1)),
    "ldl_factor": lambda: torch.linalg.ldl_factor(_t(3, 3)),
    "solve": lambda: _trained(torch.linalg.solve(x := _t(3, 3, grad=True), _t(3, 2)), x),
    "solve_triangular": lambda: torch.linalg.solve_triangular(_t(3, 3), _t(3, 2), upper=True),
    "inv": lambda: torch.linalg.inv(_t(3, 3)),
    "det": lambda: torch.linalg.det(_t(3, 3)),
    "slogdet": lambda: torch.linalg.slogdet(_t(3, 3)),
    "matrix_exp": lambda: torch.linalg.matrix_exp(_t(3, 3)),
    "householder_product": lambda: torch.linalg.householder_product(_t(4, 3), _t(3)),
    "pinv": lambda: torch.linalg.pinv(_t(4, 3)),
    "addr": lambda: torch.addr(_t(4, 3), _t(4), _t(3)),
    "_scaled_mm": lambda: torch._scaled_mm(
        _t(16, 32).to(torch.float8_e4m3fn), _t(16, 32).to(torch.float8_e4m3fn).t(), _t(), _t(), out_dtype=torch.bfloat16
    ),
    "_int_mm": lambda: torch._int_mm(_i(32, 16, dtype=torch.int8), _i(16, 32, dtype=torch.int8)),
    "_mixed_dtypes_linear": lambda: aten._mixed_dtypes_linear(_half(16, 64), _i(64, 64, dtype=torch.int8), _half(64)),
    # Fourier transforms
    **{
        f"fft:{name}": lambda name=name: getattr(torch.fft, name)(_t(4, 8))
        for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2")
    },
    "stft": lambda: torch.stft(_t(64), 16, window=_t(16), return_complex=True),
    "istft": lambda: torch.istft(torch.stft(_t(64), 16, window=_t(16), return_complex=True), 16, window=_t(16)),
    # Sparse
    "_to_sparse": lambda: _t(4, 4).to_sparse(),
    "_to_sparse.sparse_dim": lambda: _t(4, 4).to_sparse(1),
    "_to_sparse_csr": lambda: _t(4, 4).to_sparse_csr(),
    "_to_sparse_csc": lambda: _t(4, 4).to_sparse_csc(),
    "_to_sparse_bsr": lambda: _t(4, 4).to_sparse_bsr((2, 2)),
    "_to_sparse_bsc": lambda: _t(4, 4).to_sparse_bsc((2, 2)),
    "sparse_coo_tensor": lambda: torch.sparse_coo_tensor(_i(2, 3), _t(3), (4, 4)),
    "sparse_mm": lambda: torch.sparse.mm(torch.sparse_coo_tensor(_i(2, 3), _t(3), (4, 4)), _t(4, 4)),
    "sparse_csr_mm": lambda: torch.sparse_csr_tensor(_i(5), _i(3), _t(3), (4, 4)) @ _t(4, 4),
    "_validate_compressed_sparse_indices": lambda: aten._validate_compressed_sparse_indices(
        True, _i(5), _i(0), 4, 4, 0
    ),
    "_to_sparse_semi_structured": lambda: torch.sparse.to_sparse_semi_structured(_half(64, 64)),
    "_sparse_semi_structured_tile": lambda: aten._sparse_semi_structured_tile(_half(128, 128)),
    "_cslt_compress": lambda: torch._cslt_compress(_half(64, 64)),
    # Nested tensors
    "nested:strided": lambda: torch.nested.nested_tensor([_t(2, 4), _t(3, 4)]).to_padded_tensor(0.0),
    "nested:jagged": lambda: torch.nested.nested_tensor([_t(2, 4), _t(3, 4)], layout=torch.jagged).sin().values(),
    "nested:offsets": lambda: torch.nested.nested_tensor_from_jagged(
        _t(5, 4), torch.tensor([0, 2, 5], device="cuda")
    ).cos().values(),
    "_nested_tensor_from_mask": lambda: torch._nested_tensor_from_mask(_t(2, 3, 4), _t(2, 3, dtype=torch.bool)),
    "_nested_tensor_from_mask_left_aligned": lambda: torch._nested_tensor_from_mask_left_aligned(
        _t(2, 3, 4), _t(2, 3, dtype=torch.bool)
    ),
    "_nested_from_padded": lambda: torch._nested_from_padded(
        _t(2, 3, 4), torch.full((2, 2), 2, dtype=torch.int64, device="cpu")
    ),
    # Quantization
    "quantize_per_tensor": lambda: torch.quantize_per_tensor(_t(8), 0.1, 0, torch.quint8),
    "quantize_per_tensor_dynamic": lambda: torch.quantize_per_tensor_dynamic(_t(8), torch.quint8, False),
    "quantize_per_channel": lambda: torch.quantize_per_channel(_t(4, 8), _t(4), _t(4), 0, torch.quint8),
    "dequantize": lambda: torch.dequantize(_t(4, 8)),
    "_make_per_tensor_quantized_tensor": lambda: torch._make_per_tensor_quantized_tensor(
        _i(8, dtype=torch.uint8), 0.1, 0
    ),
    "_make_per_channel_quantized_tensor": lambda: torch._make_per_channel_quantized_tensor(
        _i(4, 8, dtype=torch.uint8), _t(4), _i(4), 0
    ),
    "fake_quantize_per_tensor_affine_cachemask": lambda: _trained(
        torch.fake_quantize_per_tensor_affine(x := _t(8, grad=True), 0.1, 0, 0, 255), x
    ),
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams": lambda: torch.fake_quantize_per_tensor_affine(
        _t(8), _t(1), _i(1, dtype=torch.int32), 0, 255
    ),
    "fake_quantize_per_channel_affine_cachemask": lambda: torch.fake_quantize_per_channel_affine(
        _t(4, 8), _t(4), _i(4, dtype=torch.int32), 0, 0, 255
    ),
    "_fake_quantize_learnable_per_tensor_affine": lambda: _trained(
        torch._fake_quantize_learnable_per_tensor_affine(x := _t(8, grad=True), _t(1), _t(1), 0, 255), x
    ),
    "_fake_quantize_learnable_per_channel_affine": lambda: _trained(
        torch._fake_quantize_learnable_per_channel_affine(x := _t(4, 8, grad=True), _t(4), _t(4), 0, 0, 255), x
    ),
    "fused_moving_avg_obs_fake_quant": lambda: torch.fused_moving_avg_obs_fake_quant(
        _t(4, 8), _i(1), _i(1), _t(1), _t(1), _t(1), _i(1, dtype=torch.int32), 0.01, 0, 255, 0
    ),
    # Optimizers
    "_fused_adam_": lambda: _adam(torch._fused_adam_, 0.1),
    "_fused_adam_.tensor_lr": lambda: _adam(torch._fused_adam_, _t()),
    "_fused_adamw_": lambda: _adam(torch._fused_adamw_, 0.1),
    "_fused_adamw_.tensor_lr": lambda: _adam(torch._fused_adamw_, _t()),
    "_fused_sgd_": lambda: torch._fused_sgd_([_t(4)], [_t(4)], [_t(4)], lr=0.1, **_SGD),
    "_fused_sgd_.tensor_lr": lambda: torch._fused_sgd_([_t(4)], [_t(4)], [_t(4)], lr=_t(), **_SGD),
    "_fused_adagrad_": lambda: torch._fused_adagrad_(
        [_t(4)], [_t(4)], [_t(4)], [_t()], lr=0.1, lr_decay=0.0, weight_decay=0.0, eps=1e-8, maximize=False
    ),
    # Memory
    "record_stream": lambda: _t(4).record_stream(torch.cuda.current_stream()),
    "pin_memory": lambda: torch.ones(4, device="cpu").pin_memory(),
    "_local_scalar_dense": lambda: _t().item(),
    "tolist": lambda: _t(4).tolist(),
    "numpy": lambda: _t(4).cpu().numpy(),
    "allclose": lambda: torch.allclose(_t(4), _t(4)),
    "repeat_interleave": lambda: torch.repeat_interleave(_t(4), _i(4)),
    "index_put_:mask": lambda: _t(8).index_put_((_t(8) > 0,), _t()),
    "put_": lambda: _t(8).put_(_i(2), _t(2)),
    "take": lambda: torch.take(_t(8), _i(2)),
    "_foreach_norm": lambda: torch._foreach_norm([_t(4), _t(3)]),
    "_amp_foreach_non_finite_check_and_unscale_": lambda: torch._amp_foreach_non_finite_check_and_unscale_(
        [_t(4)], _t(), _t()
    ),
    "clip_grad_norm_": lambda: nn.utils.clip_grad_norm_([nn.Parameter(_t(4))], 1.0),
}  # fmt: skip


def described(result: Any) -> Any:
    """What can be seen of a result without its values: shapes, strides, types, layouts and devices of tensors."""
    if isinstance(result, Tensor):
        sizes = [str(result.layout)] if result.layout != torch.strided or result.is_nested else [*result.stride()]
        shape = "nested" if result.is_nested else [*result.shape]
        return [shape, sizes, str(result.dtype), result.device.type]
    if isinstance(result, list | tuple):
        return [described(each) for each in result]
    return result if result is None or isinstance(result, str) else type(result).__name__
