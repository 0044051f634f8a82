"""What the changed lines of one kernel show, where nothing else explains them: causes for code, launch and metadata."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from kernelsnap.diff.causes import line_forms
from kernelsnap.diff.causes.ablation import LinePair, is_index_value, paired_off, same_but_numbers
from kernelsnap.diff.causes.backend import ATTENTION
from kernelsnap.diff.causes.cause_names import CauseName, Mark, Scope
from kernelsnap.diff.causes.dataflow import Operands, same_computation, same_on_tensors
from kernelsnap.diff.causes.facts import KernelPair
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.fusion import is_combo
from kernelsnap.diff.causes.launches import hints, launches, tiles
from kernelsnap.diff.causes.line_forms import read
from kernelsnap.diff.causes.same_lines import rewired, same_lines
from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, NormalLine
from kernelsnap.diff.match.items import Item
from kernelsnap.golden.canonical import USER_TRITON

# tl.associative_scan((tmp6,), 1, _triton_helper_fn_add0)
_COMBINING = re.compile(r"\b_triton_helper_fn_(\w+?)\d+\b")
#: Lines that only one side has, at least so many of them, can be more turns of a loop that is written out.
_MANY_ALIKE = 4


def line_findings(
    pair: KernelPair, operands: tuple[Operands, Operands], reads_otherwise: bool | None
) -> Iterator[Finding]:
    """What the changed lines of one kernel show.

    Args:
        pair: the kernel on both sides.
        operands: which tensors its arguments are, on both sides.
        reads_otherwise: whether the compiler says that it reads along other dimensions; None if it does not say.
    """
    attention = ATTENTION in pair.new[0].ref.kind
    if pair.old[0].normal_form.key != pair.new[0].normal_form.key:
        yield from _code(pair, attention, operands) if any(pair.rows) else same_lines(pair, attention, operands)
    across = _reads_across(pair) if reads_otherwise is None else reads_otherwise and any(pair.rows)
    if not across:  # else other blocks follow
        yield from launches(pair)
    yield from hints(pair, attention)


def _reads_across(pair: KernelPair) -> bool:
    """Whether a reduction reads its inputs along other dimensions, by its code."""
    steps = [
        sorted(step for row in side[0].normal_form.lines for step in line_forms.reduction_steps(row.shape))
        for side in (pair.old, pair.new)
    ]
    as_many = len(steps[0]) == len(steps[1])  # a second pass over the same input reads it the same way
    return pair.one_to_one and "reduction" in pair.item.ref.kind and as_many and steps[0] != steps[1]


def _code(pair: KernelPair, attention: bool, operands: tuple[Operands, Operands]) -> Iterator[Finding]:
    """A kernel with other lines than before."""
    before, after = pair.old[0].normal_form, pair.new[0].normal_form
    welford = [any(map(line_forms.is_welford, rows)) for rows in pair.rows]
    if welford[0] != welford[1] and pair.old[0].ops == pair.new[0].ops:
        words = f"variance {'in two passes over its input' if welford[0] else 'in one pass over its input'}"
        yield Finding.of(pair, CauseName.INTRINSIC, words, words)
        return
    benchmarks = [_benchmark(side[0].normal_form) for side in (pair.old, pair.new)]
    if bool(benchmarks[0]) != bool(benchmarks[1]):
        yield Finding.of(pair, CauseName.HOST, "code that runs the kernel alone, to time it", "benchmark")
    removed, added = (
        [row for row in rows if row not in mine] for rows, mine in zip(pair.rows, benchmarks, strict=True)
    )
    if pair.item.ref.kind in ("template", USER_TRITON):
        removed, added = ([row for row in rows if not line_forms.is_launched_with(row)] for rows in (removed, added))
        yield from tiles(pair)
    grids = [_dispatch(side[0]) for side in (pair.old, pair.new)]
    if grids[0] != grids[1] and is_combo(pair.old[0]) and is_combo(pair.new[0]):
        removed, added = _without_dispatch(removed, added)
        yield Finding.of(pair, CauseName.LAUNCH, " -> ".join(grids), "grid")
    _without_renamed_arguments(removed, added)
    paired = list(paired_off(removed, added))
    if _only_powers(pair, paired, removed, added):
        yield Finding.of(pair, CauseName.CONSTANTS, "another exponent", "exponent")
        return
    if any(map(line_forms.is_power, (*pair.rows[0], *pair.rows[1]))) and _numbers_differ(paired, removed, added):
        # Another exponent: x * x is a power of 2, and its gradient multiplies by a root.
        paired = [line for line in paired if not any(_of_power(line.causes, line.old, line.new))]
        removed, added = ([row for row in rows if not line_forms.is_of_power(row)] for rows in (removed, added))
    elif _raises(pair) and _numbers_differ(paired, removed, added):
        removed, added = ([row for row in rows if not line_forms.is_product(row)] for rows in (removed, added))
    one_each = not removed and not added
    if one_each and _only_uses(paired) and all(operands) and same_on_tensors(before, after, _read_alone(operands)):
        words = "the same tensors, one of which is written over"
        yield Finding.of(pair, CauseName.IN_PLACING, words, "the same tensors")
    elif _only_loads(paired) and one_each and not same_computation(before, after, addresses=False):
        yield Finding.of(pair, CauseName.OPERATIONS, "the same instructions on other operands", "operands")
    elif _combining(pair.old[0]) != _combining(pair.new[0]):
        words = "another function is scanned or reduced with"
        yield Finding.of(pair, CauseName.OPERATIONS, words, "combining function")
    else:
        called = _called_by_attention(pair)
        yield from _paired(pair, paired, attention, called)
        if pair.item.ref.kind == USER_TRITON:
            removed, added = _without_masks(paired, removed, added)
        if any(line_forms.is_block(line.old) != line_forms.is_block(line.new) for line in paired):
            # What is loaded in blocks is stored in blocks.
            removed, added = ([row for row in rows if not line_forms.is_store(row)] for rows in (removed, added))
        yield from _lone(pair, removed, added, attention, called)
        yield from rewired(pair, paired, [*removed, *added])


def _benchmark(piece: AlphaNormalForm) -> Collection[str]:
    """The lines after a kernel that run it alone, on inputs of their own."""
    shapes = [row.shape for row in piece.lines]
    first = next((place for place, shape in enumerate(shapes) if line_forms.begins_benchmark(shape)), len(shapes))
    return set(shapes[first:]) - set(shapes[:first])


def _without_masks(paired: Sequence[LinePair], removed: list[str], added: list[str]) -> tuple[list[str], list[str]]:
    """The lines of a kernel of the user but for those that make a mask which accesses of one side alone have."""
    masked = [line for line in paired if CauseName.MASK in line.causes]
    sides = [line.old for line in masked], [line.new for line in masked]
    words = [{word for row in rows for word in line_forms.words(row)} for rows in sides]
    first, second = (
        [row for row in rows if line_forms.assigned(row) not in words[side] - words[1 - side]]
        for side, rows in enumerate((removed, added))
    )
    return first, second


def _called_by_attention(pair: KernelPair) -> Collection[str] | None:
    """The lines of the functions that a kernel calls, `score_mod` and `mask_mod` among them. None: all of its lines.

    A CuteDSL kernel is the Python that calls flash attention: whatever it does is how that is called.
    """
    if ATTENTION in pair.new[0].ref.kind and "FLASH" in pair.item.ref.kind:
        return None
    return {row.shape for item in (pair.old[0], pair.new[0]) for row in after_first_function(item.normal_form)}


def _paired(
    pair: KernelPair, paired: Sequence[LinePair], attention: bool, called: Collection[str] | None
) -> Iterator[Finding]:
    """Lines that became other lines."""
    bounds = _moved_bounds(paired)
    for line in paired:
        for cause in _causes(line) if line not in bounds else ():
            if attention and _of_attention(cause, line, called):
                cause = CauseName.ATTENTION
            # Of what an attention kernel does with its result.
            number = attention and cause == CauseName.CONSTANTS and line_forms.is_number(line.new)
            scope = Scope.NUMBER if number else _scope(cause)
            if cause == CauseName.INDEXING and line_forms.is_block(line.old) != line_forms.is_block(line.new):
                scope = Scope.BLOCK_ACCESS
            words, pattern = f"{read(line.old)} -> {read(line.new)}", _pattern(cause, line)
            formula = [Mark.FORMULA] if cause == CauseName.OPERATIONS and _is_formula(line) else []
            marks = frozenset([*formula, *_of_power([cause], line.old, line.new)])
            yield Finding.of(pair, cause, words, pattern, scope=scope, marks=marks)


def _is_formula(line: LinePair) -> bool:
    """Whether a line has other numbers in another formula: the value is another."""
    return {CauseName.CONSTANTS, CauseName.INTRINSIC} <= set(line.causes)


def _moved_bounds(paired: Sequence[LinePair]) -> list[LinePair]:
    """Numbers that an index is compared with and that moved with the addresses: where a slice or a part begins, ends.

    A slice from 8 to 24 of rows of 256 is read at `(-2048) + x`; one from 32 to 48 at `(-8192) + x`.
    """
    addresses = [line for line in paired if CauseName.INDEXING in _causes(line)]
    moved = [(old, new) for line in addresses for old, new in line_forms.other_integers(line.old, line.new)]
    numbers = {
        line: line_forms.other_integers(line.old, line.new)
        for line in paired
        if line.causes == (CauseName.CONSTANTS,) and (line_forms.is_index_number(line.old) or is_index_value(line.old))
    }
    changes = {pair for found in numbers.values() for pair in found}
    shifts = {new - old for old, new in changes if any(a * new == b * old for a, b in moved)}
    return [line for line, found in numbers.items() if {new - old for old, new in found} <= shifts]


def _lone(
    pair: KernelPair, removed: list[str], added: list[str], attention: bool, called: Collection[str] | None
) -> Iterator[Finding]:
    """Lines that came or went with no other in their place."""
    if _more_of_the_same(pair, removed, added):
        words = f"{len(removed or added)} lines {'less' if removed else 'more'} of the same form"
        same = pair.old[0].ops == pair.new[0].ops  # else these are the lines of an operation that is run more often
        yield Finding.of(pair, CauseName.SHAPES if same else CauseName.OPERATIONS, words, "window")
        return
    unknown = CauseName.UNKNOWN
    if any(map(line_forms.is_load, (*removed, *added))) and _reads_others(pair, removed, added):
        words = "the same operations on more or fewer elements"
        yield Finding.of(pair, CauseName.OPERATIONS, words, "number of loads")
        return
    computing = {
        row for row in (*removed, *added) if line_forms.computes(row) and _cause_of_lone(row, False) == unknown
    }
    for sign, rows, others in (("gone", removed, pair.new), ("new", added, pair.old)):
        shapes = {row.shape for row in others[0].normal_form.lines}
        numbers = {line_forms.without_number_type(shape) for shape in shapes} - {""}
        for row in rows:
            cause = _cause_of_lone(row, attention, called)
            if row not in shapes and line_forms.without_number_type(row) in numbers:
                cause = CauseName.DTYPE  # the same number, of another type
            if cause == unknown and (pair.item.ref.kind == USER_TRITON or row in computing):
                cause = CauseName.INTRINSIC  # of the same operations: what is one of them in other steps
            elif cause == CauseName.CONSTANTS and computing:
                continue
            words, pattern = f"{sign}: {read(row)}", f"{sign} {line_forms.called(row)}"
            marks = frozenset(_of_power([cause], row))
            yield Finding.of(pair, cause, words, pattern, scope=_scope(cause), marks=marks)


def _of_power(causes: Sequence[CauseName], *rows: str) -> Iterator[Mark]:
    """The mark of other instructions that can be those of a power: x * x is a power of 2."""
    if list(causes) == [CauseName.INTRINSIC] and all(map(line_forms.is_step_of_power, rows)):
        yield Mark.POWER


def _reads_others(pair: KernelPair, removed: list[str], added: list[str]) -> bool:
    """Whether one side loads elements that the other one does not, of the same tensors.

    Only in kernels that Inductor generated, with the same arguments: one that reads its own result again has more.
    """
    generated = "pointwise" in pair.item.ref.kind or "reduction" in pair.item.ref.kind
    if not generated or any(map(line_forms.is_argument, (*pair.rows[0], *pair.rows[1]))):
        return False
    shapes = [{row.shape for row in side[0].normal_form.lines} for side in (pair.old, pair.new)]
    alone = [[row for row in rows if line_forms.is_load(row)] for rows in (removed, added)]
    return any(row not in shapes[1 - side] for side, rows in enumerate(alone) for row in rows)


def _more_of_the_same(pair: KernelPair, removed: list[str], added: list[str]) -> bool:
    """Whether one side has more lines of a form that both have, loads among them: a window of another size."""
    if (removed and added) or len(removed or added) < _MANY_ALIKE:
        return False
    rows = removed or added
    forms = {line_forms.without_integers(row) for row in rows}
    shorter = (pair.new if removed else pair.old)[0].normal_form
    kept = {line_forms.without_integers(row.shape) for row in shorter.lines}
    return forms <= kept and any(map(line_forms.is_load, rows))


def _dispatch(item: Item) -> str:
    """How Inductor spreads the programs of a kernel: `foreach, SequentialComboKernelGrid`."""
    return f"{item.ref.kind}, {dict(item.config.meta).get('grid_type', 'none') if item.config else 'none'}"


def _without_dispatch(removed: list[str], added: list[str]) -> tuple[list[str], list[str]]:
    """The lines of a combo kernel that are not about which program does what; parts may have blocks of their own."""
    kept = [[row for row in rows if not line_forms.is_dispatch(row)] for rows in (removed, added)]
    forms = [Counter(map(line_forms.without_own_block, rows)) for rows in kept]
    left = (forms[0] - forms[1], forms[1] - forms[0])
    first, second = (
        [row for row in rows if line_forms.without_own_block(row) in own] for rows, own in zip(kept, left, strict=True)
    )
    return first, second


def _without_renamed_arguments(removed: list[str], added: list[str]) -> None:
    """Take out arguments of the same type that are called for another use: `in_out_ptr0` was never read."""
    for row in [row for row in removed if line_forms.is_argument(row)]:
        for other in added:
            if line_forms.is_argument(other) and line_forms.without_use(row) == line_forms.without_use(other):
                removed.remove(row)
                added.remove(other)
                break


def _combining(item: Item) -> frozenset[str]:
    """The functions that a kernel scans and reduces with, which Inductor names by what they compute."""
    return frozenset(_COMBINING.findall(item.code))


def _only_loads(paired: Sequence[LinePair]) -> bool:
    """Whether all that differs is which elements are loaded."""
    loads = (all(map(line_forms.is_load, (line.old, line.new))) for line in paired)
    return bool(paired) and all(line.causes == (CauseName.INDEXING,) for line in paired) and all(loads)


def _only_uses(paired: Sequence[LinePair]) -> bool:
    """Whether all that differs is which tensors a kernel writes over."""
    return bool(paired) and all(line_forms.without_use(line.old) == line_forms.without_use(line.new) for line in paired)


def _read_alone(operands: tuple[Operands, Operands]) -> tuple[Operands, Operands]:
    """The tensors that a kernel reads, without those that it writes."""
    old, new = ({argument: (read, None) for argument, (read, _) in side.items()} for side in operands)
    return old, new


def _only_powers(pair: KernelPair, paired: Sequence[LinePair], removed: list[str], added: list[str]) -> bool:
    """Whether a kernel raises to a power with other steps: `x * x` for 2, `x * x * x` for 3, a root for 0.5.

    Another instruction for the same step takes the place of one line, and is no other exponent.
    """
    rows = [*removed, *added]
    return _raises(pair) and bool(rows) and not paired and all(map(line_forms.is_step_of_power, rows))


def _raises(pair: KernelPair) -> bool:
    """Whether both kernels run the same operations, one of which raises to a power."""
    return any(aten == "pow" for _, aten in pair.old[0].ops) and pair.old[0].ops == pair.new[0].ops


def _numbers_differ(paired: Sequence[LinePair], removed: list[str], added: list[str]) -> bool:
    """Whether a constant is another, or one more or less."""
    alone = any(_cause_of_lone(row, False) == CauseName.CONSTANTS for row in (*removed, *added))
    return alone or any(CauseName.CONSTANTS in line.causes for line in paired)


def _scope(cause: CauseName) -> Scope | None:
    """What kind of change of a cause a line shows."""
    return {CauseName.ATTENTION: Scope.ATTENTION_CODE, CauseName.DTYPE: Scope.CAST}.get(cause)


def _of_attention(cause: CauseName, line: LinePair, called: Collection[str] | None) -> bool:
    """Whether a line of an attention kernel differs in an option, or in what score_mod and mask_mod compute.

    They are computed in the functions that the kernel calls for each block; its own lines are of what it does with the
    result.
    """
    if line_forms.is_template_option(line.new) or called is None:
        return cause != CauseName.DTYPE
    if line.old not in called and line.new not in called:
        return False
    same_functions = line_forms.functions(line.old) == line_forms.functions(line.new) != set()
    return line_forms.is_modification(line.new) and not (cause == CauseName.INTRINSIC and same_functions)


def same_function(pair: KernelPair) -> Iterator[Finding]:
    """Lines that call a function of the same name of another module, or with another switch, on the same operands.

    Of a kernel whose operations changed, these are the instructions that did not change with them.
    """
    added: dict[str, list[str]] = {}
    for row in pair.rows[1]:
        added.setdefault(line_forms.without_module(row), []).append(row)
    for row in pair.rows[0]:
        if others := added.get(line_forms.without_module(row)):
            line = LinePair((CauseName.INTRINSIC,), row, others.pop())
            words, pattern = f"{read(line.old)} -> {read(line.new)}", _pattern(CauseName.INTRINSIC, line)
            yield Finding.of(pair, CauseName.INTRINSIC, words, pattern)


def _causes(line: LinePair) -> tuple[CauseName, ...]:
    """The causes of one line that differs in several things."""
    if line_forms.without_use(line.old) == line_forms.without_use(line.new):
        return (CauseName.IN_PLACING,)  # the same access, of memory that is written over
    if line.causes == (CauseName.CONSTANTS,) and line_forms.is_index(line.old):
        return (CauseName.INDEXING,)
    if line.causes == (CauseName.CONSTANTS,) and line_forms.are_limits(line.old, line.new):
        return (CauseName.DTYPE,)  # the greatest number of a type, or the least
    if line.causes == (CauseName.MASK,) and same_but_numbers(line.old, line.new):
        return (CauseName.CONSTANTS,)  # what is read out of bounds: the number that a program pads with
    if _is_formula(line):
        return (CauseName.OPERATIONS,)
    if {CauseName.CACHING, CauseName.INDEXING} <= set(line.causes):
        # The hint follows how often an address is read.
        return tuple(cause for cause in line.causes if cause != CauseName.CACHING)
    if line.causes == (CauseName.INTRINSIC,) and line_forms.draws_otherwise(line.old, line.new):
        return (CauseName.OPERATIONS,)
    return line.causes


def _cause_of_lone(form: str, attention: bool, called: Collection[str] | None = ()) -> CauseName:
    if attention:
        option = called is None or line_forms.is_template_option(form)
        if option or (called is not None and form in called and line_forms.is_modification(form)):
            return CauseName.ATTENTION
    return line_forms.purpose(form)


def other_modifications(pair: KernelPair) -> bool:
    """Whether what an attention kernel calls for each block, its score_mod and mask_mod, is another."""
    if ATTENTION not in pair.item.ref.kind or not pair.one_to_one:
        return False
    before, after = (
        Counter(row.shape for row in after_first_function(item.normal_form)) for item in (pair.old[0], pair.new[0])
    )
    return before != after


def after_first_function(piece: AlphaNormalForm) -> tuple[NormalLine, ...]:
    """The lines of the functions that a kernel calls: those after its own."""
    heads = [place for place, row in enumerate(piece.lines) if row.signature]
    return piece.lines[heads[1] :] if len(heads) > 1 else ()


def _pattern(cause: CauseName, line: LinePair) -> str:
    """The change without what differs from kernel to kernel: numbers and operands."""
    if cause in (CauseName.INTRINSIC, CauseName.DTYPE, CauseName.ATTENTION):
        return f"{line_forms.called(line.old)} -> {line_forms.called(line.new)}"
    return cause.value
