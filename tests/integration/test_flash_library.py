"""flash-attn-4 is read, not imported: what Inductor asks of it, and whether it accepts the calls of a kernel."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import textwrap

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from kernelsnap import capture, virtual_device
from kernelsnap.capture.declared import declared, declared_modules
from kernelsnap.capture.library_calls import mismatches
from kernelsnap.errors import CaptureError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("flash_attn") is None, reason="needs flash-attn-4")

INTERFACE = """
    from flash_attn.cute.block_sparsity import BlockSparseTensorsTorch
    import cutlass

    def _flash_attn_fwd(q, k, v, softmax_scale=None, score_mod=None, mask_mod=None, block_sparse_tensors=None,
                        return_lse=False, out=None, lse=None, aux_tensors=None):
        return cutlass.missing
"""
SPARSITY = """
    import cutlass
    from typing import NamedTuple

    class BlockSparseTensorsTorch(NamedTuple):
        mask_block_cnt: "Tensor"
        mask_block_idx: "Tensor"
        full_block_cnt: "Tensor | None" = None
        full_block_idx: "Tensor | None" = None
        block_size: "tuple[int, int] | None" = None
"""


@pytest.fixture
def flash(tmp_path, monkeypatch):
    """Puts another flash-attn-4 in the place of the installed one: its modules by name, each with its text."""

    def install(**modules: str) -> None:
        folder = tmp_path / "flash_attn" / "cute"
        folder.mkdir(parents=True)
        texts = {"__init__": "raise ImportError('it is only read')", "interface": INTERFACE, "block_sparsity": SPARSITY}
        for name, text in (texts | modules).items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        monkeypatch.syspath_prepend(tmp_path)
        for name in imported():
            monkeypatch.delitem(sys.modules, name)

    def imported() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] == "flash_attn"]

    before = {name: sys.modules[name] for name in imported()}
    yield install
    # What was imported of the other one is not for the next test; monkeypatch puts back what was there.
    for name in imported():
        if sys.modules[name] is not before.get(name):
            del sys.modules[name]


def attend(masked=False, backward=False):
    """Flex attention by the FLASH backend on a virtual H100."""
    with virtual_device("h100"):
        mask = None
        if masked:
            mask = create_block_mask(lambda b, h, q, k: q >= k, 2, 4, 512, 512, device="cuda")
        qkv = [torch.randn(2, 4, 512, 64, device="cuda", dtype=torch.float16, requires_grad=backward) for _ in "qkv"]

        def attention(q, k, v):
            return flex_attention(q, k, v, block_mask=mask, kernel_options={"BACKEND": "FLASH"})

        return capture(attention, *qkv, backward=backward)


def test_a_backward_with_a_block_mask_needs_no_cutlass():
    assert importlib.util.find_spec("cutlass") is None
    before = {name for name in sys.modules if name.startswith("flash_attn")}
    captured = attend(masked=True, backward=True)
    assert [graph.phase for graph in captured.graphs] == ["forward", "backward"]
    assert [kernel.language for graph in captured.graphs for kernel in graph.kernels].count("cutedsl") == 2
    # Nothing of ours is left for whoever imports the library next.
    assert {name for name in sys.modules if name.startswith("flash_attn.cute")} <= before


def test_inductor_sees_the_fields_that_the_source_declares():
    with declared_modules():
        from flash_attn.cute.block_sparsity import BlockSparseTensorsTorch

        names = BlockSparseTensorsTorch._fields
        with pytest.raises(CaptureError, match="none of it runs"):
            BlockSparseTensorsTorch(1, 2)
    assert names[:2] == ("mask_block_cnt", "mask_block_idx")
    assert "spt" in names


def test_inductor_sees_the_parameters_that_the_source_declares():
    # What torch 2.14 asks, to know whether a captured scalar can be passed.
    with declared_modules():
        interface = importlib.import_module("flash_attn.cute.interface")
        assert "aux_scalars" in inspect.signature(interface._flash_attn_fwd).parameters
        assert "aux_scalar" not in inspect.signature(interface._flash_attn_bwd).parameters
        with pytest.raises(AttributeError, match="declares no function or class '_flash_attn_sideways'"):
            interface._flash_attn_sideways  # noqa: B018
        with pytest.raises(ImportError):
            importlib.import_module("flash_attn.cute.no_such_module")
        # The package itself takes its functions from another module.
        assert "causal" in inspect.signature(importlib.import_module("flash_attn.cute").flash_attn_func).parameters


def test_a_module_that_was_imported_for_real_stays(flash, monkeypatch):
    flash(__init__="", utils="hello = 1")
    real = importlib.import_module("flash_attn.cute.utils")
    with declared_modules():
        assert importlib.import_module("flash_attn.cute.utils") is real
    assert sys.modules["flash_attn.cute.utils"] is real


def test_a_library_that_accepts_the_calls_is_no_error(flash):
    flash()
    attend(masked=True)


def test_a_required_argument_that_the_template_does_not_pass_is_an_error_with_both_versions(flash):
    flash(block_sparsity=SPARSITY.replace(" = None", "") + "        write_order: int\n")
    with pytest.raises(CaptureError) as raised:
        attend(masked=True)
    message = str(raised.value)
    assert "BlockSparseTensorsTorch does not accept the call: missing argument 'write_order'" in message
    assert f"torch {torch.__version__.partition('+')[0]} " in message
    assert "flash-attn-4 4." in message


def test_an_argument_that_the_library_does_not_know_is_an_error(flash):
    flash(interface=INTERFACE.replace("aux_tensors", "buffers").replace("lse=None, ", ""))
    with pytest.raises(CaptureError, match="unknown argument 'aux_tensors', unknown argument 'lse'"):
        attend()


def test_a_function_that_the_library_does_not_have_is_an_error(flash):
    flash(interface=INTERFACE.replace("_flash_attn_fwd", "flash_attn_forward"))
    with pytest.raises(CaptureError, match=r"flash_attn\.cute\.interface has no _flash_attn_fwd"):
        attend()


LIBRARY = """
    import functools
    from dataclasses import dataclass
    from .block_sparsity import BlockSparseTensorsTorch as Sparse

    def by_position(a, b, /): ...
    by_position.cache = {}
    def by_name(*, a, b=1): ...
    def anything(*args, **kwargs): ...
    made = functools.partial(by_name, a=1)
    if True:
        def inside(x): ...
    try:
        import fast
    except ImportError:
        def fallback(x): ...

    @dataclass
    class Data:
        x: int
        y: int = 0

    class Plain:
        def __init__(self, x): ...

    class Derived(Plain):
        ...
"""


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("by_position(1, 2)", ""),
        ("by_position(1)", "missing argument 'b'"),
        ("by_position(1, b=2)", "unknown argument 'b'"),
        ("by_position(1, 2, 3)", "3 arguments by position, of which it takes 2"),
        ("by_position(*given)", ""),
        ("by_name(a=1)", ""),
        ("by_name(1)", "1 arguments by position, of which it takes 0"),
        ("by_name(b=2)", "missing argument 'a'"),
        ("by_name(**{'a': 1, 'c': 2})", "unknown argument 'c'"),
        ("by_name(**options)", ""),
        ("by_name(**known)", "unknown argument 'z'"),
        ("anything(1, 2, x=3)", ""),
        ("made(1, 2, 3)", ""),
        ("inside()", "missing argument 'x'"),
        ("fallback(1, 2)", "2 arguments by position, of which it takes 1"),
        ("Data()", "missing argument 'x'"),
        ("Data(1, y=2)", ""),
        ("Plain(1)", ""),
        ("Plain()", "missing argument 'x'"),
        ("Derived(1, 2, 3)", ""),
        ("Sparse(1)", "missing argument 'mask_block_idx'"),
        ("Sparse(1, 2, mask_block_cnt=3)", "argument 'mask_block_cnt' twice"),
        ("absent(1)", "has no absent"),
    ],
)
def test_a_call_is_bound_as_python_binds_it(flash, call, fault):
    flash(calls=LIBRARY)
    name = call.partition("(")[0]
    source = f"from flash_attn.cute.calls import {name}\nknown = {{'a': 1}}\nknown['z'] = 2\n{call}\n"
    found = list(dict.fromkeys(mismatches(source)))
    assert [text for text in found if fault and fault in text] == found
    assert bool(found) == bool(fault)
    # By the module's name it is the same call.
    assert bool(list(mismatches(f"import flash_attn.cute.calls as c\nknown = {{}}\nknown['z'] = 2\nc.{call}"))) == bool(
        fault
    )


def test_what_is_called_is_looked_up_where_it_is_defined(flash):
    flash(calls=LIBRARY)
    assert declared("flash_attn.cute.calls", "Sparse").fields[0] == "mask_block_cnt"
    assert declared("flash_attn.cute.calls", "absent") is None
    assert declared("flash_attn.elsewhere", "x") is None
