"""Every place where Inductor chooses by timing, and what a capture does there: a stated rule, or an error.

A time differs on every run, and a virtual GPU has none. So no golden may depend on one. `PLACES` lists where Inductor
(2.11 to 2.15) would run and time something while it compiles:

- by rule: the answer is the one of PyTorch's own setting `deterministic`, which avoids timing too;
- refused: an error that names the setting which decides without timing, before anything is compiled or run for it.

Inductor catches errors of candidates, and goes on as if they took for ever. Therefore an error is also noted, and ends
the capture however Inductor went on. The lowest functions of all, those that take the time, are watched in the same
way: a place that the table lacks is an error as well, never a choice.

What is timed at the launch of a kernel (the configurations of `triton_heuristics`, `coordinate_descent_tuning`,
`triton.multi_kernel`) is no choice of the code: all candidates are in it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.settings import FORCED_PADDING, PADDING, is_asked, known_settings
from kernelsnap.errors import CaptureError
from kernelsnap.shared.private_names import Name, release_of

Refuse = Callable[[], Any]


@dataclass(frozen=True)
class Advice:
    """Settings with which nothing is timed, and what they then do."""

    settings: Mapping[str, Any]
    does: str
    of: Name = private.CONFIG  # the module that has them

    def is_known(self) -> bool:
        """Whether this torch has the settings."""
        return set(self.settings) <= set(known_settings(self.of.get()))

    def __str__(self) -> str:
        """As a message tells it."""
        where = "" if self.of == private.CONFIG else f" of {self.of}"
        return f"{self.settings!r}{where} {self.does}"


@dataclass(frozen=True)
class Place:
    """One place where Inductor would time something.

    `at` is the function that is replaced, by what `replacement` makes of it; `refuse` raises the error of this place.
    """

    setting: str
    chooses: str
    at: Name
    replacement: Callable[[Callable[..., Any], Refuse], Callable[..., Any]]
    instead: tuple[Advice, ...] = ()

    def __str__(self) -> str:
        """The error where it is refused."""
        advice = ", ".join(str(advice) for advice in self.instead if advice.is_known())
        return f"{self.setting} chooses {self.chooses} by timing, which needs the GPU; instead, {advice}"


def _refused(original: Callable[..., Any], refuse: Refuse) -> Callable[..., Any]:
    return lambda *args, **kwargs: refuse()


def _refused_if(setting: str, value: object, config: Name = private.CONFIG) -> Any:
    """What refuses while a setting has the value that asks for timing."""

    def replacement(original: Callable[..., Any], refuse: Refuse) -> Callable[..., Any]:
        def replaced(*args: Any, **kwargs: Any) -> Any:
            return refuse() if getattr(config.get(), setting) == value else original(*args, **kwargs)

        return replaced

    return replacement


def _first_value(original: Callable[..., Any], refuse: Refuse) -> Callable[..., Any]:
    """The value that Inductor's heuristics begin with."""
    return lambda benchmark, value, *args, **kwargs: value


def _nothing(original: Callable[..., Any], refuse: Refuse) -> Callable[..., Any]:
    return lambda *args, **kwargs: None


def _padded(original: Callable[..., Any], refuse: Refuse) -> Callable[..., Any]:
    """Whether to pad a multiplication, where `shape_padding` is off for no other reason than that a capture sets it."""

    def should_pad(*args: Any, **kwargs: Any) -> Any:
        config = private.CONFIG.get()
        if config.force_shape_pad and not is_asked(PADDING):
            with config.patch({PADDING: True}):
                return original(*args, **kwargs)
        return original(*args, **kwargs)

    return should_pad


def _not_remembered(original: Callable[..., Any], refuse: Refuse) -> Callable[..., Any]:
    """Without torch's memory of earlier answers, which does not know the settings that they were given for."""
    unwrapped: Callable[..., Any] = inspect.unwrap(original)
    return unwrapped


_OVERLAP = "aten_distributed_optimizations"

PLACES: tuple[Place, ...] = (
    Place(PADDING, "which multiplications to pad", private.SHOULD_PAD, _padded),
    Place(PADDING, "which multiplications to pad", private.SHOULD_PAD_REMEMBERED, _not_remembered),
    Place(
        PADDING,
        "which multiplications to pad",
        private.SHOULD_PAD_TIMED,
        _refused,
        (Advice({PADDING: False}, "pads none"), Advice({FORCED_PADDING: True, PADDING: True}, "pads all that can be")),
    ),
    Place(
        "benchmark_fusion",
        "which nodes to fuse",
        private.COMPILE_KERNEL,
        _refused,
        (Advice({"benchmark_fusion": False}, "lets the heuristics choose"),),
    ),
    Place(
        "benchmark_combo_kernel",
        "which kernels to combine",
        private.SPEEDUP_BY_COMBO_KERNEL,
        _refused_if("benchmark_combo_kernel", True),
        (Advice({"benchmark_combo_kernel": False}, "combines all that can be"),),
    ),
    Place(
        "combo_kernel_compile_time_autotune",
        "the block sizes inside a combined kernel",
        private.AUTOTUNE_SUBKERNELS,
        _refused,
        (Advice({"combo_kernel_compile_time_autotune": False}, "leaves them to the launch"),),
    ),
    Place(
        "pipeline_max_autotune_gemm",
        "among candidates in a process of its own, which is started early",
        private.WARM_UP_PROCESSES,
        _nothing,
    ),
    Place(
        "triton.mix_order_reduction",
        "into how many parts a reduction in mixed order is split",
        private.AUTOTUNE_SINGLE_FIELD,
        _first_value,
    ),
    Place(
        "runtime_estimations_mms_benchmark",
        "an order of computation and communication",
        private.ESTIMATE_RUNTIME,
        _refused_if("runtime_estimations_mms_benchmark", True),
        (Advice({"runtime_estimations_mms_benchmark": False}, "estimates from operations and bytes"),),
    ),
    Place(
        f"{_OVERLAP}.enable_overlap_scheduling",
        "an order of computation and communication",
        private.BENCHMARK_NODE,
        _refused,
        (
            Advice({f"{_OVERLAP}.compute_estimator": "analytical"}, "estimates from operations and bytes"),
            Advice({f"{_OVERLAP}.enable_overlap_scheduling": False}, "keeps the order of the program"),
        ),
    ),
    Place(
        f"{_OVERLAP}.collective_estimator",
        "an order of computation and communication",
        private.BENCHMARK_COLLECTIVE,
        _refused,
        (Advice({f"{_OVERLAP}.collective_estimator": "analytical"}, "estimates from bytes"),),
    ),
    Place(
        "activation_memory_budget_runtime_estimator",
        "what to save for the backward",
        private.ESTIMATE_NODE,
        _refused_if("activation_memory_budget_runtime_estimator", "profile", private.FUNCTORCH_CONFIG),
        (
            Advice(
                {"activation_memory_budget_runtime_estimator": "flops"},
                "estimates from operations",
                private.FUNCTORCH_CONFIG,
            ),
        ),
    ),
)


@contextlib.contextmanager
def no_timing(note: Callable[[CaptureError], None], launches: bool = False) -> Iterator[None]:
    """Make no choice by timing inside the block: by rule, or with a `CaptureError`, which is noted as well as raised.

    With `launches`, kernels are really launched in the block, so that what takes a time there is not watched.

    Raises:
        UnsupportedTorchError: this torch makes its choices in another place.
    """
    release = release_of("torch")
    with contextlib.ExitStack() as stack:
        for place in PLACES:
            if place.at.exists_in(release):
                refuse = functools.partial(_refuse, note, str(place))
                stack.enter_context(place.at.replaced(place.replacement(place.at.get(), refuse)))
        for name in () if launches else _watched():
            text = f"Inductor times something in {name}, in a place that kernelsnap does not know: please report this"
            stack.enter_context(name.replaced(_refused(name.get(), functools.partial(_refuse, note, text))))
        yield


@contextlib.contextmanager
def without_timing(launches: bool) -> Iterator[None]:
    """The same, for one capture: it ends with the error, also where Inductor caught it and went on."""
    noted: list[CaptureError] = []
    with no_timing(noted.append, launches):
        yield
    if noted:
        raise noted[0]


def _refuse(note: Callable[[CaptureError], None], text: str) -> Any:
    error = CaptureError(text)
    note(error)
    raise error


def _watched() -> Iterator[Name]:
    """The functions that take a time: those of the table, and the methods of every class of Inductor's benchmarkers."""
    yield from private.TAKE_A_TIME
    waiting = [private.BENCHMARKER.get()]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        for method, value in vars(cls).items():
            if method.startswith("benchmark") and inspect.isfunction(value):
                yield Name(f"{cls.__module__}:{cls.__qualname__}", method)
