"""What torch and Triton are like before and after the virtual device was on."""

from __future__ import annotations

# A table's value where a name is not there at all.
_ABSENT = object()


def torch_state() -> dict[object, object]:
    """Everything that the virtual device may touch, by identity."""
    # Imported late: most tests here need no torch.
    import torch
    import torch._dynamo.device_interface as interface
    import triton
    from torch._inductor import compile_fx, graph
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    from kernelsnap.virtual import patches

    owners = {
        "torch": torch,
        "torch.cuda": torch.cuda,
        "torch.version": torch.version,
        "torch._C": torch._C,
        "CudaInterface": interface.CudaInterface,
        "Worker": interface.CudaInterface.Worker,
        "device_interface": interface,
        "FakeTensor": FakeTensor,
        "FakeTensorMode": FakeTensorMode,
        "compile_fx": compile_fx,
        "GraphLowering": graph.GraphLowering,
    }
    state: dict[object, object] = {
        (owner, name): value
        for owner, module in owners.items()
        for name, value in vars(module).items()
        if name != "__warningregistry__"
    }
    for patch in patches.PATCHES:
        state[str(patch.at)] = vars(patch.at.find_owner()).get(patch.at.name, _ABSENT)
    state["triton active"] = triton.runtime.driver._active
    state["triton default"] = triton.runtime.driver._default
    state["multithreading"] = torch._C._is_multithreading_enabled()
    state["grad"] = torch.is_grad_enabled()
    return state
