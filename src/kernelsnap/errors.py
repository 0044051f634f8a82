"""The root of everything that kernelsnap raises on purpose."""

from __future__ import annotations


class KernelsnapError(Exception):
    """An error whose message tells the user what to do; never a bug of kernelsnap itself."""


class CaptureError(KernelsnapError):
    """A function could not be captured."""


class NoCompileError(CaptureError):
    """The captured call compiled nothing: a golden of it would be empty."""


class NotOnDeviceError(CaptureError):
    """Nothing of the captured call is on the virtual device: its inputs were made without `device=`, most likely."""


class NoKernelsError(CaptureError):
    """The captured call compiled graphs without a single kernel, and the case did not say so."""


class GraphBreakError(CaptureError):
    """The captured call broke into several graphs where one whole graph was asked for."""


class DataDependentError(CaptureError):
    """The captured call asks for the value of a fake tensor."""


class UnreadableCodeError(CaptureError):
    """The generated code is of a form that kernelsnap cannot read."""


class BudgetError(KernelsnapError):
    """A budget is not one that there is, or the number that it limits is not to be had for a capture."""


class BudgetExceededError(KernelsnapError, AssertionError):
    """A capture needs more than a budget of its test allows."""


class UnsupportedLibraryError(KernelsnapError):
    """A library is of a release that kernelsnap was not checked with, or a private part of it is missing or changed."""


class UnsupportedTorchError(UnsupportedLibraryError):
    """This torch has no virtual device: a release out of range, or an internal that is missing or changed."""


class UnsupportedTritonError(UnsupportedLibraryError):
    """Triton is not installed, or one of its internals is missing or changed."""


class GoldenError(KernelsnapError):
    """A golden file, or the folder of goldens, is not as it should be."""


class GoldenFormatError(GoldenError):
    """A golden file cannot be read: truncated, edited by hand, in a merge conflict, or of a newer format."""


class HostCodeError(GoldenFormatError):
    """The host code of a golden is not Python."""


class GoldenConflictError(GoldenFormatError):
    """A golden file holds the markers of a merge conflict. `--snapshot-update` records it anew."""


class GoldenPathError(GoldenError):
    """A case has no place under the goldens folder, or another case has it."""


class GoldenWriteError(GoldenError):
    """A golden could not be written; what was there before is unchanged."""


class CannotTellError(KernelsnapError):
    """There is no estimate of a cost, for the reason in the message. It never leaves `kernelsnap.cost`."""
