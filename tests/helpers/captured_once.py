"""Captures once when it is imported. What the first capture of a process imports and builds, each copy of it then has.

That is most of the time that a small capture takes. Only inference: autograd's threads would not survive a copy.
"""

from __future__ import annotations

import torch

from kernelsnap import capture, virtual_device
from kernelsnap.virtual import guard

with virtual_device("h100"):
    capture(lambda x: ((x.softmax(-1) * 2).sum(0), x.cumsum(0)), torch.randn(64, 1024, device="cuda"))
# Some copies are to see a machine on which the C++ part cannot be built.
guard._load.cache_clear()
