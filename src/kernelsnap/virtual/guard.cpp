// What torch's C++ code asks about CUDA while autograd runs on fake CUDA tensors, answered without a GPU.
//
// Three things are put in place and taken out again: the device guard (autograd asks it for the stream of each node),
// the CUDA hooks (the engine asks whether CUDA was built, convolution lowering asks for cuDNN), and the function that
// chooses the backend of scaled_dot_product_attention (its answers come from sdpa.py). All are swapped as pointers,
// never copied over, so that a real GPU's objects come back untouched.
//
// Not answered: anything that would need a device (generators, allocators, kernels). Those still raise.

#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/transformers/attention.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/utils/device_lazy_init.h>

#include "recurrent.cpp"

namespace {

using c10::Device;
using c10::DeviceIndex;
using c10::DeviceType;
using c10::Stream;
using c10::impl::DeviceGuardImplInterface;

constexpr auto kSlot = static_cast<size_t>(DeviceType::CUDA);

// cuDNN 9.19, as bundled with torch's CUDA 13 wheels. Convolution lowering compares it against 8.x releases only.
constexpr long kCudnnVersion = 91900;
// MIOpen 3.5, from ROCm 7. Batch normalization compares it against 2.18.
constexpr long kMiopenVersion = 30500;

bool is_hip = false;

Device only_device() {
  return Device(DeviceType::CUDA, 0);
}

// The single-device guard of a GPU on which nothing is ever launched.
struct VirtualGuard final : DeviceGuardImplInterface {
  DeviceType type() const override { return DeviceType::CUDA; }
  Device exchangeDevice(Device) const override { return only_device(); }
  Device getDevice() const override { return only_device(); }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  Stream getStream(Device) const override { return Stream(Stream::DEFAULT, only_device()); }
  Stream getDefaultStream(Device device) const override { return getStream(device); }
  Stream getStreamFromGlobalPool(Device device, bool) const override { return getStream(device); }
  Stream getNewStream(Device device, int) const override { return getStream(device); }
  Stream exchangeStream(Stream stream) const override { return stream; }
  DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const Stream&, const DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
  void synchronizeEvent(void*) const override {}
  void synchronizeDevice(const DeviceIndex) const override {}
};

// `init` is not overridden with a no-op on purpose: torch calls it once per process, so a no-op here would leave a
// real GPU beside this one uninitialised for good. Raising leaves that call to be made again.
struct VirtualHooks final : at::CUDAHooksInterface {
  void init() const override {
    TORCH_CHECK(false, "this needs a real GPU, and the active one is virtual");
  }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  DeviceIndex current_device() const override { return 0; }
  int getNumGPUs() const override { return 1; }
  bool hasCUDA() const override { return true; }
  bool hasROCM() const override { return is_hip; }
  bool hasCuDNN() const override { return !is_hip; }
  bool compiledWithCuDNN() const override { return !is_hip; }
  bool compiledWithMIOpen() const override { return is_hip; }
  bool supportsDilatedConvolutionWithCuDNN() const override { return !is_hip; }
  bool supportsDepthwiseConvolutionWithCuDNN() const override { return !is_hip; }
  bool supportsBFloat16ConvolutionWithCuDNNv8() const override { return !is_hip; }
  long versionCuDNN() const override { return kCudnnVersion; }
  long versionRuntimeCuDNN() const override { return kCudnnVersion; }
  long versionMIOpen() const override { return kMiopenVersion; }
  double batchnormMinEpsilonCuDNN() const override { return 0.0; }
};

VirtualGuard virtual_guard;
VirtualHooks virtual_hooks;

const DeviceGuardImplInterface* saved_guard = nullptr;
void* saved_hooks_vtable = nullptr;

// getCUDAHooks() hands out one object for the whole process and keeps no pointer we could swap, so the object's
// vtable pointer (its first word in the Itanium ABI) is swapped.
void*& hooks_vtable(const at::CUDAHooksInterface& hooks) {
  return *reinterpret_cast<void**>(const_cast<at::CUDAHooksInterface*>(&hooks));
}

// Answers in Python. Tensors are passed as pointers: whether the GIL is held is not known here, and ctypes takes it.
// Below zero it has failed, and the message says how.
using Answer = int64_t (*)(
    const at::Tensor* query, const at::Tensor* key, const at::Tensor* value, const at::Tensor* mask,
    double dropout, bool causal, bool gqa, char* message, size_t message_size);

Answer sdpa_answer = nullptr;
void* saved_sdpa_choice = nullptr;

int64_t sdpa_choice(
    const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, const std::optional<at::Tensor>& mask,
    double dropout, bool causal, std::optional<double>, bool gqa) {
  char message[1024] = "";
  auto* mask_pointer = mask.has_value() && mask->defined() ? &*mask : nullptr;
  auto choice = sdpa_answer(&query, &key, &value, mask_pointer, dropout, causal, gqa, message, sizeof(message));
  TORCH_CHECK(message[0] == '\0', message);
  return choice;
}

// A dispatch stub has a setter for this pointer and no getter; the implementation is its only member.
void*& sdpa_choice_pointer() {
  auto& stub = at::native::_fused_sdp_choice_stub;
  static_assert(sizeof(stub) == sizeof(at::native::DispatchStubImpl));
  return reinterpret_cast<at::native::DispatchStubImpl&>(stub).cuda_dispatch_ptr;
}

}  // namespace

extern "C" void kernelsnap_choose_sdpa(Answer answer) {
  sdpa_answer = answer;
  saved_sdpa_choice = sdpa_choice_pointer();
  sdpa_choice_pointer() = reinterpret_cast<void*>(&sdpa_choice);
}

extern "C" void kernelsnap_restore_sdpa() {
  sdpa_choice_pointer() = saved_sdpa_choice;
}

// Both are called under the GIL by the one thread that owns the virtual device.
extern "C" void kernelsnap_install(bool hip) {
  is_hip = hip;
  saved_guard = c10::impl::device_guard_impl_registry[kSlot].exchange(&virtual_guard);
  auto& vtable = hooks_vtable(at::detail::getCUDAHooks());
  saved_hooks_vtable = vtable;
  vtable = hooks_vtable(virtual_hooks);
}

// `requires_init`: torch remembers in C++ that it has called torch.cuda._lazy_init(). If CUDA was not initialised
// before, that call has to be made again for the real GPU.
extern "C" void kernelsnap_restore(bool requires_init) {
  hooks_vtable(at::detail::getCUDAHooks()) = saved_hooks_vtable;
  c10::impl::device_guard_impl_registry[kSlot].store(saved_guard);
  if (requires_init) {
    torch::utils::set_requires_device_init(DeviceType::CUDA, true);
  }
}
