// What nn.LSTM, nn.GRU and nn.RNN run on a GPU: cuDNN or MIOpen, which torch chooses in C++ by dispatch stubs.
//
// A build with CUDA fills the stubs with what prepares the call of `at::_cudnn_rnn` (or `at::miopen_rnn`): the functions
// here do the same up to that operator, which fake mode and autograd answer as they answer every other. A packed
// sequence needs the values of its batch sizes, and a virtual GPU has none: its stubs stay empty.

#include <ATen/core/Tensor.h>
#include <ATen/native/RNN.h>
#include <ATen/ops/_cudnn_rnn.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/miopen_rnn.h>

#include <utility>
#include <vector>

namespace {

using at::Tensor;
using at::TensorList;

// The numbers that cuDNN and MIOpen share.
enum Mode : int64_t { kRelu, kTanh, kLstm, kGru };

bool use_miopen = false;

struct Result {
  Tensor output, hy, cy;
};

Result call_library(
    Mode mode, const Tensor& input, const Tensor& hx, const Tensor& cx, TensorList params, bool has_biases,
    int64_t layers, double dropout, bool train, bool bidirectional) {
  at::native::check_attributes(input, params, {hx, cx}, /*check_dtype=*/true);
  TORCH_CHECK(hx.is_contiguous(), "rnn: hx is not contiguous");
  TORCH_CHECK(!cx.defined() || cx.is_contiguous(), "rnn: cx is not contiguous");
  // An LSTM with projections has hidden states of two sizes.
  bool projects = cx.defined() && cx.sym_size(2) != hx.sym_size(2);
  auto hidden = projects ? cx.sym_size(2) : hx.sym_size(2);
  auto projected = projects ? hx.sym_size(2) : c10::SymInt(0);
  int64_t stride = (has_biases ? 4 : 2) + projects;
  auto bytes = at::empty({0}, input.options().dtype(at::kByte));
  if (use_miopen) {
    auto [output, hy, cy, reserve, weights] = at::miopen_rnn(
        input, params, stride, hx, cx, mode, hidden.guard_int(__FILE__, __LINE__), layers, /*batch_first=*/false, dropout,
        train, bidirectional, /*batch_sizes=*/{}, bytes);
    return {output, hy, cy};
  }
  // All weights in one piece of memory, if they are; how they lie is between the library and its backward pass.
  auto weights = at::empty({0}, input.options());
  auto [output, hy, cy, reserve, weights_out] = at::_cudnn_rnn_symint(
      input, params, stride, weights, hx, cx, mode, hidden, projected, layers, /*batch_first=*/false, dropout, train,
      bidirectional, /*batch_sizes=*/{}, bytes);
  return {output, hy, cy};
}

// The library wants the sequence first. It is turned around for it and back, so that the output is not contiguous.
Result recurrent(
    Mode mode, const Tensor& input, const Tensor& hx, const Tensor& cx, TensorList params, bool has_biases,
    int64_t layers, double dropout, bool train, bool bidirectional, bool batch_first) {
  auto sequence = batch_first ? input.transpose(0, 1) : input;
  auto result = call_library(mode, sequence, hx, cx, params, has_biases, layers, dropout, train, bidirectional);
  if (batch_first) {
    result.output = result.output.transpose(0, 1);
  }
  return result;
}

void lstm(
    Tensor& output, Tensor& hy, Tensor& cy, const Tensor& input, TensorList hx, TensorList params, bool has_biases,
    int64_t layers, double dropout, bool train, bool bidirectional, bool batch_first) {
  auto result = recurrent(
      kLstm, input, hx[0], hx[1], params, has_biases, layers, dropout, train, bidirectional, batch_first);
  output = result.output;
  hy = result.hy;
  cy = result.cy;
}

template <Mode mode>
void rnn(
    Tensor& output, Tensor& hy, const Tensor& input, const Tensor& hx, TensorList params, bool has_biases,
    int64_t layers, double dropout, bool train, bool bidirectional, bool batch_first) {
  auto result =
      recurrent(mode, input, hx, Tensor(), params, has_biases, layers, dropout, train, bidirectional, batch_first);
  output = result.output;
  hy = result.hy;
}

// A dispatch stub has a setter for this pointer and no getter; the implementation is its only member.
template <typename Stub>
void** pointer(Stub& stub) {
  static_assert(sizeof(Stub) == sizeof(at::native::DispatchStubImpl));
  return &reinterpret_cast<at::native::DispatchStubImpl&>(stub).cuda_dispatch_ptr;
}

// torch asks for ROCm's devices under the name of CUDA only in a build for ROCm; this one has stubs of its own.
std::vector<std::pair<void**, void*>> implementations(bool hip) {
  using namespace at::native;
  auto* of_lstm = reinterpret_cast<void*>(&lstm);
  auto* of_gru = reinterpret_cast<void*>(&rnn<kGru>);
  auto* of_tanh = reinterpret_cast<void*>(&rnn<kTanh>);
  auto* of_relu = reinterpret_cast<void*>(&rnn<kRelu>);
  if (hip) {
    return {
        {pointer(lstm_miopen_stub), of_lstm},
        {pointer(gru_miopen_stub), of_gru},
        {pointer(rnn_tanh_miopen_stub), of_tanh},
        {pointer(rnn_relu_miopen_stub), of_relu}};
  }
  return {
      {pointer(lstm_cudnn_stub), of_lstm},
      {pointer(gru_cudnn_stub), of_gru},
      {pointer(rnn_tanh_cudnn_stub), of_tanh},
      {pointer(rnn_relu_cudnn_stub), of_relu}};
}

std::vector<std::pair<void**, void*>> saved;

}  // namespace

// Both are called under the GIL by the one thread that owns the virtual device.
extern "C" void kernelsnap_install_recurrent(bool hip) {
  use_miopen = hip;
  for (auto [at, implementation] : implementations(hip)) {
    saved.emplace_back(at, *at);
    *at = implementation;
  }
}

extern "C" void kernelsnap_restore_recurrent() {
  for (auto [at, before] : saved) {
    *at = before;
  }
  saved.clear();
}
