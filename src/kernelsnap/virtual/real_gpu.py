"""What the real GPU of this machine says about itself."""

from __future__ import annotations

import torch

from kernelsnap.targets.device_reading import DeviceReadingError, Reading


def read_gpu(index: int = 0) -> Reading:
    """Ask the GPU of this number, through torch and through Triton.

    Triton compiles a small C module to ask; where it cannot, torch alone is asked.

    Raises:
        DeviceReadingError: torch sees no GPU of this number, and why.
    """
    if not torch.cuda.is_available():
        raise DeviceReadingError(f"there is no GPU to read: {_why_none()}")
    if not 0 <= index < torch.cuda.device_count():
        raise DeviceReadingError(f"there is no GPU {index}: torch sees {torch.cuda.device_count()}, counted from 0")
    properties = torch.cuda.get_device_properties(index)
    names = [name for name in dir(properties) if not name.startswith("_")]
    found = {name: value for name in names if isinstance(value := getattr(properties, name), int | str)}
    limits, triton = _limits(index)
    return Reading("hip" if torch.version.hip else "cuda", found, torch.__version__, limits, triton)


def _why_none() -> str:
    if not torch.version.cuda and not torch.version.hip:
        return (
            f"torch {torch.__version__} is built for the CPU only; install a build for your GPU (https://pytorch.org)"
        )
    return f"torch {torch.__version__} finds no GPU; look at `nvidia-smi` or `rocminfo`"


def _limits(index: int) -> tuple[dict[str, int | str], str]:
    """What Triton's driver says, and Triton's version; nothing, and why, where it cannot be asked."""
    try:
        import triton
        from triton.runtime import driver

        return dict(driver.active.utils.get_device_properties(index)), triton.__version__
    except Exception as error:  # no Triton, no C compiler for it, another Triton: torch's numbers stand alone then
        return {}, f"({type(error).__name__}: {' '.join(str(error).split())[:200]})"
