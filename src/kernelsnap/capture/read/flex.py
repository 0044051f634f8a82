"""Describes a flex attention kernel: backend and direction, tiles, sparsity, and what its mods capture.

Inductor renders `flex_attention` from a Triton template or, with BACKEND FLASH, as a CuteDSL call into flash attention.
What `score_mod` and `mask_mod` became is inside, in both as straight-line code that ends in a known name:

    Triton   tmp2 = tl.load(in_ptr9 + tmp1).to(tl.float32)        CuteDSL   def score_mod(tSrS_ssa, ..., aux_tensors):
             tmp3 = tmp0 + tmp2                                                 tmp4 = (in_ptr0[tmp2[0]])
             post_mod_scores = tmp3

Checked on torch 2.13 (`torch._inductor.kernel.flex`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kernelsnap.capture.read.cutedsl_source import read_cutedsl, tensor_type, typed
from kernelsnap.model.capture import Buffer, Kernel

# The name in a Triton template that what a mod computes is assigned to first, and the mod's name.
_RESULTS = {"post_mod_scores": "score_mod", "mask_mod_output": "mask_mod"}
# A temporary of the code that a mod became.
_TEMPORARY = re.compile(r"_?tmp\d\w*\Z")
_BUFFER = re.compile(r"(in|out|in_out)_ptr\d+\Z")
# The tiles of one pass over queries and keys, by the template's parameters; the backward makes two passes.
_TILES = (("tile", "BLOCK_M", "BLOCK_N"), ("tile_dk_dv", "BLOCK_M1", "BLOCK_N1"), ("tile_dq", "BLOCK_M2", "BLOCK_N2"))
# What the block size of a sparsity that is not there is written as.
_DENSE = 1 << 30


def attention(kernel: Kernel, inputs: Sequence[Buffer]) -> Kernel:
    """The kernel with its kind, and with what it does in words in place of an iteration space, if it is flex attention.

    `inputs` are the tensors that the comment above its definition names.
    """
    meta = dict(kernel.meta)
    if kernel.language == "cutedsl" and ".cute.interface._flash_attn_" in meta.get("calls", ""):
        direction = "backward" if "_bwd" in meta["calls"] else "forward"
        return replace(kernel, kind=f"flex attention {direction}, FLASH", sizes=tuple(_flash(kernel, meta, inputs)))
    if kernel.kind == "template" and "template.SPARSE_KV_BLOCK_SIZE" in meta:
        direction = (
            "backward" if "template.BLOCK_M1" in meta else "decoding" if "template.SPLIT_KV" in meta else "forward"
        )
        return replace(kernel, kind=f"flex attention {direction}, Triton", sizes=tuple(_triton(kernel, meta, inputs)))
    return kernel


def _triton(kernel: Kernel, meta: Mapping[str, str], inputs: Sequence[Buffer]) -> Iterator[tuple[str, str]]:
    settings = {name.removeprefix("template."): value for name, value in meta.items()}
    for label, rows, columns in _TILES:
        if rows in settings and columns in settings:
            yield label, f"{settings[rows]}x{settings[columns]}"
    if "SPLIT_KV" in settings:
        yield "splits", settings["SPLIT_KV"]
    for label in ("num_warps", "num_stages"):
        if label in settings:
            yield label.removeprefix("num_"), settings[label]
    yield "sparse_blocks", _sparsity(settings["SPARSE_Q_BLOCK_SIZE"], settings["SPARSE_KV_BLOCK_SIZE"])
    yield "divisible", "yes" if settings.get("IS_DIVISIBLE") == "True" else "no"
    if settings.get("GQA_SHARED_HEADS", "1") != "1":
        yield "query_heads_per_kv_head", settings["GQA_SHARED_HEADS"]
    captured = typed([name for name, type_ in kernel.arguments if type_.startswith("*")], inputs)
    mods = dict(_triton_mods(ast.parse(kernel.source)))
    for mod in _RESULTS.values():
        yield mod, _captures(mods.get(mod), captured)


def _triton_mods(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Each mod that does something, with the arguments that its code uses."""
    for body in _bodies(tree):
        for end, statement in enumerate(body):
            match statement:
                case ast.Assign(targets=[ast.Name(id=result)], value=ast.Name(id=last)) if (
                    result in _RESULTS and _TEMPORARY.match(last)
                ):
                    code = _slice(body[:end], last)
                    if not _does_nothing(code):
                        used = {n.id for value in code for n in ast.walk(value) if isinstance(n, ast.Name)}
                        yield _RESULTS[result], {name for name in used if _BUFFER.match(name)}


def _does_nothing(code: Sequence[ast.expr]) -> bool:
    """Whether this is no mod: the score as it is, `tmp0 = (qk)`, or `tmp1 = tl.full([1], True, tl.int1)`."""
    match code:
        case [ast.Name()] | [ast.Call(func=ast.Attribute(attr="full"), args=[_, ast.Constant(value=True), *_])]:
            return True
    return False


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            if isinstance(body := getattr(node, field, None), list):
                yield body


def _slice(body: Sequence[ast.stmt], name: str) -> list[ast.expr]:
    """The right-hand sides that `name` is computed from, through temporaries."""
    code: list[ast.expr] = []
    wanted = {name}
    for statement in reversed(body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target in wanted:
                code.append(value)
                wanted |= {n.id for n in ast.walk(value) if isinstance(n, ast.Name) and _TEMPORARY.match(n.id)}
    return code


def _flash(kernel: Kernel, meta: Mapping[str, str], inputs: Sequence[Buffer]) -> Iterator[tuple[str, str]]:
    blocks = meta["block_size"].strip("()").split(", ") if "block_size" in meta else [str(_DENSE)] * 2
    yield "sparse_blocks", _sparsity(*blocks)
    captured = typed([name for name, _ in kernel.arguments], inputs)
    main = read_cutedsl(kernel.name, kernel.source)
    mods = {node.name: _used(node) for node in main.body if isinstance(node, ast.FunctionDef)}
    for mod in ("score_mod", "mask_mod"):
        yield mod, _captures(mods.get(mod), captured)


def _used(function: ast.FunctionDef) -> set[str]:
    """The captured buffers that a mod uses: all are unpacked in each."""
    loads = [n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    return {name.id for name in loads if _BUFFER.match(name.id)}


def _captures(used: set[str] | None, types: Mapping[str, Buffer]) -> str:
    """`none`, `yes`, or `captures f16[4] f32[512]`, in the order of the kernel's arguments."""
    if used is None:
        return "none"
    known = [tensor_type(buffer) for name, buffer in types.items() if name in used]
    return " ".join(["captures", *known, *["?"] * (len(used) - len(known))]) if used else "yes"


def _sparsity(rows: str, columns: str) -> str:
    return "none" if {rows, columns} == {str(_DENSE)} else f"{rows}x{columns}"
