r"""What a line of code is for, read from its form: the line with each local name replaced by a mark.

The form of `tmp4 = tl.load(in_ptr0 + (x0), None)` is `\0tmp{}\0 = tl.load(\0in_ptr{}\0 + (\0x{}\0), None)`, so that two
lines which differ in the numbers of their names have equal forms (`diff/match` makes them). This is the one module that
knows how a mark is written: patterns elsewhere are built from `NAME`, and all questions about a line are asked here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.match.alpha_normal_form import OWN_NAME

#: The pattern of a mark: any local name.
NAME = r"\0[^\0]*\0"
# tmp5, tmp4_val: a temporary;  _tmp5: one that a loop adds to
TEMPORARY = r"\0tmp[^\0]*\0"
ACCUMULATOR = r"\0_tmp[^\0]*\0"
# x0, r0_1, yindex: what a kernel iterates over
INDEX = r"\0[xyzr]\d*_?\{\}\0"

# A name of something that is iterated over, where it begins
INDEX_START = r"\0[xyzr]"
# 1.0  1e-05  64  and -1 after a comma or a bracket, but not the digits of a name;  descending=True  float("-inf")
LITERAL = (
    r"(?:(?<=, )-|(?<=\()-)?(?<![\w\0.])\d+(?:\.\d*)?(?:e[+-]?\d+)?(?![\w\0])"
    r"|(?<=[=( ])(?:True|False)\b|\bfloat\(['\"]-?\w+['\"]\)"
)

_NAME = re.compile(NAME)
_LABEL = re.compile(r"\0([^\0]*)\0")
_TO_TEMPORARY = rf"\s*{TEMPORARY} = "
# tmp0 = tl.load(in_ptr0 + : what follows is the address
_LOAD = re.compile(_TO_TEMPORARY + r"tl\.load\(\0\w+\{\}\0 \+ ")
# tl.store(out_ptr0 + (x0), tmp3, xmask)   tl.make_tensor_descriptor(out_ptr0, shape=[200], ...).store([xoffset], tmp3)
_STORE = re.compile(r"\s*tl\.(?:store\(|make_tensor_descriptor\([^\n]*\)\.store\()")
# tmp4 = tl.where(tmp2, tmp3, tmp1), but no load
_COMPUTES = re.compile(_TO_TEMPORARY + r"(?!tl\.load\()")
# tmp2 = tl.full([1], 0.5, tl.float32)
_NUMBER = re.compile(r"\s*\0tmp\{\}\0 = tl\.full\(\[1(?:, 1)*\], ")
# tmp13 = tl.full([1], 1.0, tl.bfloat16), up to the type
_TYPED_NUMBER = re.compile(rf"({_TO_TEMPORARY}tl\.full\(\[1(?:, 1)*+\], \S++) tl\.\w++\)")
# def _scale(x, out): a kernel that the user named
_USER_FUNCTION = re.compile(r"\Adef \w++(?=\()")
# tmp6 = tl.full([1], 96, tl.int64)
_INDEX_NUMBER = re.compile(r"\s*\0tmp\{\}\0 = tl\.full\(\[1(?:, 1)*\], \d+, tl\.int(?:32|64)\)")
# tl.rand(seed, offset)
_DRAWING = frozenset(["tl.rand", "tl.randn", "triton_helpers.randint64"])
# x1 = xindex // 64, but not xnumel = 64
_INDEX = re.compile(rf"\s*{INDEX} = ")
# in_ptr0, out_ptr1, in_out_ptr0: what an argument is used for, not which tensor it is
_POINTER = re.compile(r"(?<=\0)(?:in_out|in|out)_ptr(?=\{\}\0)")
# tl.load(in_ptr0 + (x0 + 64*r0_0), ...: 64, and nothing before r0_0 alone
_STEP = re.compile(r"(?<![\w*])(\d+\*)?\0r\d_\{\}\0")
# What a user's score_mod and mask_mod become in the body of a template: numbered temporaries, and their results.
_MODIFICATION = re.compile(
    r"\s*+(?:\0|post_mod_scores = |mask_mod_output = |grad_scores = |tSrS_ssa = |"
    r".*\b(?:score_mod|mask_mod)\b|return \0|return tSrS_ssa|return mask)"
)
# PRESCALE_QK : tl.constexpr = False
_TEMPLATE_OPTION = re.compile(r"\s*\w+ : tl\.constexpr = ")
# BLOCK_M : tl.constexpr = 32   arg BLOCK  constexpr = 256
_LAUNCHED_WITH = re.compile(r"\s*(?:\w+ : tl\.constexpr = |arg \w+  constexpr = )\d+\Z")
# num_xblocks_1 = num_xblocks_0 + tl.cdiv(70, XBLOCK)   elif pid < num_xblocks_1:   xoffset = pid_offset * XBLOCK
# What a program of a combo kernel is to do, by its number.
_DISPATCH = re.compile(
    r"\s*(?:(?:arg )?\w*BLOCK\w*(?:  |: tl\.)constexpr(?: = \d+)?\Z|"
    r"\w*blocks_\d+ = |(?:el)?if pid [<%] |\w*pid\w* = |[xyz](?:offset|index) = )"
)
# XBLOCK_0
_OWN_BLOCK = re.compile(r"\b([XYZR]\d?_?BLOCK)_\d+\b")
_BLOCK = re.compile(r"\btl\.make_(?:block_ptr|tensor_descriptor)\(")
_POWER = re.compile(r"\bpow\(")
# arg0, arg1 = args
_TAKEN = re.compile(r"\s*(?:\0\w+\0, )*\0\w+\0,? = \0args\0\Z")
_OF_POWER = re.compile(r"\b(?:pow|r?sqrt(?:_rn)?)\(")
# tmp5 = tmp4 * tmp0
_PRODUCT = re.compile(rf"\s*{TEMPORARY} = {TEMPORARY} \* {TEMPORARY}\Z")
_INTEGER = re.compile(r"(?<![\w\0.])\d+(?![\w\0])")
# tl_math.abs( and libdevice.abs(   fmax2( and max2(   , tl.PropagateNan.ALL
_FUNCTION = re.compile(r"(?<!\w)(?<!\w\.)(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?=\()")
_MODULE = re.compile(r"(?<!\w)(?<!\w\.)(?:[A-Za-z_]\w*\.)+(?=\w+\()")
_FLOAT = re.compile(r"\bf(?=(?:max|min)\w*\()")
_SWITCH = re.compile(r", tl\.\w+\.\w+(?=[,)])")
# tmp1.to(tl.float64)
_FLOAT_CAST = re.compile(r"\.to\(tl\.(b?float\w+)\)")
# tmp0 = tl.load(in_ptr0 + (x0), None).to(tl.int1)
_LOADS_MASK = re.compile(r"\s*(\w+) = tl\.load\(.*\)\.to\(tl\.int1\)\Z")
# tmp1 = tmp0.to(tl.float32)
_CASTS = re.compile(r"\s*\w+ = (\w+)\.to\(tl\.b?float\w+\)\Z")
_WORD = re.compile(r"[A-Za-z_]\w*")
# tmp3 = tmp1 * tmp2
_ASSIGNED = re.compile(r"\s*(\w+) = (.+)")
# tmp1.to(tl.float32)
_CAST_OF = re.compile(r"(\w+)\.to\(tl\.(b?float\w+)\)\Z")
# The functions that a line calls, the types that it names, and its operators.
_CALLED = re.compile(r"(?<!\w)(?<!\w\.)[A-Za-z_]\w*(?:\.\w+)*(?=\()|(?<=\()tl\.\w+|[-+*/%<>=&|~^]{1,2}(?= )")

#: What a line is for that only one side has: the first form that it has. The last form holds for every line that begins
#: with an index, whatever the line does with it; the others exclude each other.
_LONE_LINES = (
    # An argument of a call that is written over several lines.
    (CauseName.CONSTANTS, rf"\s*(?:(?:{NAME}|True|False|\d+)[,)]\s*)*(?:{NAME}|True|False|\d+)[,)]*\Z"),
    # tl.static_assert(tmp0.dtype == tl.float32): a check of what Inductor knows, which makes no instruction
    (CauseName.METADATA, rf"\s*tl\.static_assert\({TEMPORARY}\.(?:dtype|shape) == "),
    (CauseName.LAUNCH, r"\s*tl\.extra\.cuda\.gdc_\w+\(\)"),  # programmatic dependent launch
    (CauseName.DTYPE, rf"\s*{NAME} = {NAME}\.to\((?:tl|torch)\.\w+\)\Z"),
    (CauseName.CONSTANTS, _NUMBER.pattern),
    (CauseName.MASK, r"tl\.device_assert\(|\s*\w*mask = |.*= tl\.where\((?:\w*mask\b| & )+"),
    (
        CauseName.INDEXING,
        r"\s*\0?(?:[xyzr]\d*_?(?:\{\}|index|offset|base|numel|\d)|INDEX_DTYPE)(?:\b|\0)|.*_base = |"
        rf"\s*{NAME} = tl\.broadcast_to\({NAME}, \[\w+\]\)\Z",
    ),
)
_LONE = tuple((cause, re.compile(rf"\s*+(?:{form})")) for cause, form in _LONE_LINES)


def read(form: str) -> str:
    """A line for a reader, its names without numbers: `tmp = tl.load(in_ptr + (x), xmask)`."""
    return _LABEL.sub(lambda label: label.group(1).replace("{}", ""), form).replace("\0", "").strip()


def names(form: str) -> list[str]:
    """The names of a line, in order, each without its number."""
    return _NAME.findall(form)


def words(form: str) -> list[str]:
    """The names of a line that a user wrote: they are not numbered, so they are in its form as they are."""
    return _WORD.findall(form)


def assigned(form: str) -> str:
    """The name that such a line assigns; empty where it does not."""
    match = _ASSIGNED.match(form)
    return match.group(1) if match else ""


def without_names(form: str) -> str:
    """A line with a blank in place of each local name."""
    return _NAME.sub(" ", form)


def purpose(form: str) -> CauseName:
    """What a line is for that only one side has; `unknown` for a computation, and for what has no known form."""
    return next((cause for cause, pattern in _LONE if pattern.match(form)), CauseName.UNKNOWN)


def is_argument(form: str) -> bool:
    """Whether it declares an argument of a kernel, with its type."""
    return form.startswith("arg ")


def is_load(form: str) -> bool:
    """Whether it loads a temporary from a pointer and an offset."""
    return _LOAD.match(form) is not None


def is_store(form: str) -> bool:
    """Whether it stores, at an address or a block."""
    return _STORE.match(form) is not None


def address_start(form: str) -> int | None:
    """Where the offset begins in a line that `is_load`; None for any other line."""
    match = _LOAD.match(form)
    return match.end() if match else None


def without_use(form: str) -> str:
    """A line without what its pointer arguments are used for: `in_ptr` and `in_out_ptr` are the same in it."""
    return _POINTER.sub("", form)


def reduction_steps(form: str) -> list[str]:
    """How far apart the elements are that a line reads of a reduction, for each index of the reduction."""
    return _STEP.findall(form)


def computes(form: str) -> bool:
    """Whether it computes a temporary, and is no load."""
    return _COMPUTES.match(form) is not None


def is_number(form: str) -> bool:
    """Whether it makes a temporary of a number of the program."""
    return _NUMBER.match(form) is not None


def without_number_type(form: str) -> str:
    """A line that gives a number a name, without the number's type; empty for any other line."""
    match = _TYPED_NUMBER.match(form)
    return match.group(1) if match else ""


def named_by_inductor(form: str) -> str:
    """A line with which a kernel that the user named begins, with the name that Inductor gives a kernel."""
    return _USER_FUNCTION.sub(f"def {OWN_NAME}", form, count=1)


def is_index(form: str) -> bool:
    """Whether it computes an index."""
    return _INDEX.match(form) is not None


def is_index_number(form: str) -> bool:
    """Whether it is a number of the type that indexes have."""
    return _INDEX_NUMBER.match(form) is not None


#: The greatest integers of types that a program computes indexes and counts in, and the sizes of the least ones.
_LIMITS = frozenset(limit for bits in (32, 64) for limit in (2 ** (bits - 1) - 1, 2 ** (bits - 1)))


def other_integers(old: str, new: str) -> list[tuple[int, int]]:
    """The integers in a line that another line has in place of others; none where one has more of them."""
    before, after = (list(map(int, _INTEGER.findall(form))) for form in (old, new))
    return [pair for pair in zip(before, after, strict=True) if len({*pair}) > 1] if len(before) == len(after) else []


def are_limits(old: str, new: str) -> bool:
    """Whether a line has the greatest integer of a type, or the least, where the other one has that of another type."""
    others = other_integers(old, new)
    return bool(others) and all({abs(a), abs(b)} <= _LIMITS for a, b in others)


def draws_otherwise(old: str, new: str) -> bool:
    """Whether both draw random numbers, of two distributions."""
    drawn = [{*functions(form)} & _DRAWING for form in (old, new)]
    return bool(drawn[0] and drawn[1]) and drawn[0] != drawn[1]


def is_template_option(form: str) -> bool:
    """Whether it sets an option of a template."""
    return _TEMPLATE_OPTION.match(form) is not None


def is_launched_with(form: str) -> bool:
    """Whether it sets a block size that is written in the code: of a template, or of a kernel that the user wrote."""
    return _LAUNCHED_WITH.match(form) is not None


def is_modification(form: str) -> bool:
    """Whether it can be of `score_mod` or `mask_mod`, in a function that an attention kernel calls for each block."""
    return _MODIFICATION.match(form) is not None


def is_dispatch(form: str) -> bool:
    """Whether it chooses what a program of a combo kernel does."""
    return _DISPATCH.match(read(form)) is not None


def without_own_block(form: str) -> str:
    """A line of a combo kernel with `XBLOCK` in place of the block size that a part has for itself."""
    return _OWN_BLOCK.sub(r"\1", form)


def takes_inputs(form: str) -> bool:
    """Whether it is the line of host code that takes what a graph is given."""
    return _TAKEN.match(form) is not None


def input_taken(name: str) -> str:
    """The form of such a line for one input, which has a name without its number."""
    return f"args \0{name}\0"


def is_welford(form: str) -> bool:
    """Whether it computes mean and variance together, in one pass."""
    return "triton_helpers.welford_reduce(" in form


def is_power(form: str) -> bool:
    """Whether it raises to a power."""
    return _POWER.search(form) is not None


def is_of_power(form: str) -> bool:
    """Whether it raises to a power or takes a root, as gradients of powers do."""
    return _OF_POWER.search(form) is not None


def begins_benchmark(form: str) -> bool:
    """Whether it is the first line of the code with which Inductor times a kernel alone."""
    return form.startswith("from torch._dynamo.testing import rand_strided")


def is_block(form: str) -> bool:
    """Whether it loads or stores through a block pointer or a descriptor."""
    return _BLOCK.search(form) is not None


def is_product(form: str) -> bool:
    """Whether it multiplies two temporaries."""
    return _PRODUCT.match(form) is not None


def is_step_of_power(form: str) -> bool:
    """Whether it can be a step of a power with a fixed exponent: a product, a root, or an exponent that is a number."""
    return is_of_power(form) or is_number(form) or _PRODUCT.match(form) is not None


def without_integers(form: str) -> str:
    """A line with `N` in place of each integer."""
    return _INTEGER.sub("N", form)


def functions(form: str) -> Collection[str]:
    """The functions that it calls, with their modules."""
    return set(_FUNCTION.findall(form))


def float_casts(codes: Iterable[str]) -> Counter[str]:
    """The floating types that code casts to, each as often as it does.

    float32 counts once: kernels compute in it whatever narrower type their tensors have. What is loaded as a truth
    value is a mask; to compute with it takes a cast.
    """
    found = Counter(name for code in codes for name in _FLOAT_CAST.findall(_without_masks(code)))
    return Counter({name: 1 if name == "float32" else count for name, count in found.items()})


def _without_masks(code: str) -> str:
    """The code without the lines that cast a truth value which it loads."""
    if "tl.int1" not in code:
        return code
    masks = {match.group(1) for line in code.splitlines() if (match := _LOADS_MASK.match(line))}
    lines = (line for line in code.splitlines() if not ((cast := _CASTS.match(line)) and cast.group(1) in masks))
    return "\n".join(lines)


def float_casts_of(code: str) -> Counter[tuple[str, str]]:
    """The floating types that code casts to, each with the operation whose result is cast.

    `tmp1 = tl.load(p); tmp2 = tmp1.to(tl.float32)` casts what `tl.load` gives to float32.
    """
    made: dict[str, str] = {}
    found: Counter[tuple[str, str]] = Counter()
    for line in _without_masks(code).splitlines():
        if (assigned := _ASSIGNED.match(line)) is None:
            continue
        name, expression = assigned.groups()
        if cast := _CAST_OF.match(expression):
            made[name] = made.get(cast.group(1), "")
            found[cast.group(2), made[name]] += 1
        else:
            called = _CALLED.search(expression)
            made[name] = called.group() if called else ""
    return found


def without_module(form: str) -> str:
    """A line without the modules of the functions that it calls and without their switches; `fmax2` is `max2` in it."""
    return _FLOAT.sub("", _SWITCH.sub("", _MODULE.sub("", form)))


def called(form: str) -> str:
    """What a line calls and which types it names: what two lines have in common that do the same to other operands."""
    return " ".join(_CALLED.findall(read(form))) or "line"
