"""Which template or library computes attention and matrix products, and why no other does."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import torch

from kernelsnap.capture import private
from kernelsnap.capture.why.reasons import in_one_line
from kernelsnap.model.capture import Choice, Graph

_LIBRARY = ("mm", "addmm", "bmm", "baddbmm", "convolution", "_int_mm", "_scaled_mm", "_grouped_mm")
#: What a template may return: `use_triton_template` in torch/_inductor/utils.py.
_TEMPLATE_TYPES = frozenset(("f16", "bf16", "f32"))
_PRODUCTS = frozenset(f"extern_kernels.{name}" for name in _LIBRARY)


@contextlib.contextmanager
def listening_to_flex(hear: Callable[[str], None]) -> Iterator[None]:
    """Tell `hear` for each flex attention inside the block whether it can decode, and why not."""
    if not private.USE_FLEX_DECODING.is_there():
        yield
        return
    original = private.USE_FLEX_DECODING.get()
    parameters = inspect.signature(original)

    def use_flex_decoding(*args: Any, **options: Any) -> Any:
        possible = original(*args, **options)
        given = parameters.bind(*args, **options).arguments
        hear("short enough for decoding" if possible else in_one_line(f"no decoding: {_why_not(given)}"))
        return possible

    with private.USE_FLEX_DECODING.replaced(use_flex_decoding):
        yield


def _why_not(given: Mapping[str, Any]) -> str:
    """The first condition of decoding that a call does not meet; Inductor's, in its order."""
    options, (batch, heads, queries, _) = given["kernel_options"], given["query"].get_size()
    mask_heads, kv_heads = given["kv_indices"].get_size()[1], given["value"].get_size()[1]
    if options.get("FORCE_USE_FLEX_ATTENTION"):
        return "FORCE_USE_FLEX_ATTENTION is set"
    if options.get("OUTPUT_MAX"):
        return "the maxima are returned, too"
    if not str(queries).isdigit() or not 0 < int(queries) < 128:
        return f"{_size(queries)} queries, it takes 1 to 127"
    if not (str(batch).isdigit() and str(heads).isdigit()):
        return "the batch and the number of heads are not static"
    if mask_heads != 1 and (given["enable_gqa"] or mask_heads != heads):
        return f"a block mask of {_size(mask_heads)} heads, it takes 1{'' if given['enable_gqa'] else ' or all'}"
    return f"{heads} query heads for {_size(kv_heads)} of keys, it takes a power of two for each"


def _size(size: Any) -> str:
    return str(size) if str(size).isdigit() else "a dynamic number of"


def about_flex(said: Iterable[str], graph: Graph) -> Iterator[str]:
    """What was heard of flex attention in a graph, with the template that it has."""
    kinds = [kernel.kind for kernel in graph.kernels if kernel.kind.startswith("flex attention")]
    for text in dict.fromkeys(said):
        forced = text.startswith("short") and not any("decoding" in kind for kind in kinds)
        yield f"{text}, but kernel_options ask for another template" if forced else text


def products_asked(devices: Collection[str]) -> str:
    """Why matrix products are calls into libraries, by settings and devices; "" where they may be templates."""
    config = private.CONFIG.get()
    if not (config.max_autotune or config.max_autotune_gemm):
        return "calls into libraries: neither max_autotune nor max_autotune_gemm is on"
    backends = str(config.max_autotune_gemm_backends)
    if "TRITON" not in backends.upper().split(","):
        return f"calls into libraries: max_autotune_gemm_backends is {backends}"
    if "cuda" in devices and private.IS_BIG_GPU.is_there() and not private.IS_BIG_GPU.get()():
        # On NVIDIA it asks for 68 multiprocessors, as many as an RTX 3080 has; on AMD for a generation.
        number = torch.cuda.get_device_properties(0).multi_processor_count
        return (
            f"calls into libraries: a GPU of {number} multiprocessors is too small or too old for Inductor's templates"
        )
    return ""


def about_products(graph: Graph, asked: str) -> Iterator[str]:
    """Why the matrix products of a graph are library calls or templates."""
    called = {buffer.dtype for call in graph.calls if call.name in _PRODUCTS for buffer in call.writes}
    if asked:
        yield from [asked] if called else []
    elif graph.choices:
        yield from dict.fromkeys(map(_chosen, graph.choices))
    elif others := sorted(called - _TEMPLATE_TYPES):
        yield f"calls into libraries: Inductor has no template for {' and '.join(others)}"
    elif called:
        yield "calls into libraries: Inductor offers no template for them, whatever their types"


def _chosen(choice: Choice) -> str:
    taken, number = choice.candidates[choice.taken].name, len(choice.candidates)
    library = taken.startswith("library")
    rule = "the library's comes first" if library else "the first of them, there is no library's"
    return in_one_line(f"{choice.op}: {taken} of {number} candidates by a rule in place of timing: {rule}")
