"""One token of meaning changed in every kernel of the corpus, and every kernel changed without a change of meaning.

What is covered, deterministically (nothing is drawn at random):

- Every distinct kernel of `goldens/` (kernels whose whole text is equal count once): for each class of tokens below
  that occurs in it, one token is changed, another place in each kernel. Never "the same".
- Every distinct line of those kernels: each of its tokens of meaning is changed once, in the shortest kernel that has
  the line. Never "the same".
- Every distinct kernel: one of these mutants is explained. Never `renumbering`, `metadata`, or nothing.
- Every distinct host code: for each class that occurs in it, one token is changed. Never "the same".
- Every distinct kernel and host code with all its numbered names renumbered: always "the same".
- Every distinct kernel that has two neighbouring lines that do not depend on each other, exchanged, at the first such
  place, the last and one between: always `renumbering` alone, or "the same" where only numbers told them apart.

Not covered: every token at every place where its line is repeated; two tokens at once; kernels in C++ (their text is
compared as it is).
"""

from __future__ import annotations

import io
import itertools
import keyword
import re
import tokenize
from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from kernelsnap.diff.causes.classify import classify
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.compare import changed_layers
from kernelsnap.diff.match.pairs import matched_graphs
from kernelsnap.diff.sides.folders import folder
from kernelsnap.diff.sides.sides import Sides
from kernelsnap.errors import HostCodeError
from kernelsnap.golden.canonical import HOST, USER_TRITON
from kernelsnap.golden.format import parse
from kernelsnap.model.golden import Plan, PlanStep
from kernelsnap.normalize.names import host_names, host_stem, numbered_local, rename

ROOT = Path(__file__).parents[2]
SHARDS = 8
# With the scope of the session pytest runs the same shard of all tests together: they change the same kernels.
in_shards = pytest.mark.parametrize("shard", range(SHARDS), scope="session")
HARMLESS = {"renumbering", "metadata"}

OPERATORS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "//": "/", "%": "*", "**": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
    "==": "!=", "!=": "==", "&": "|", "|": "&", "^": "&", "~": "-", "<<": ">>", ">>": "<<", "+=": "-=", "-=": "+=",
    "*=": "+=", "@": "*",
}  # fmt: skip
CONSTANTS = {"True": "False", "False": "True", "None": "0", "and": "or", "or": "and"}
HINTS = {"eviction_policy", "cache_modifier", "sem", "boundary_check", "padding_option", "other", "num_stages"}
DTYPE = re.compile(r"(?:b?float|u?int)\d+\w*\Z|[fibu]\d+\Z|\*?(?:fp|bf|i|u)\d+\Z")
POINTER = re.compile(r"(?:in_|out_|in_out_|ws_)ptr\d+\Z|buf\d+\Z|arg\d+\Z|primals_\d+\Z")
INDEX = re.compile(r"(?:x|y|z|r\d*_|ks)\d+\Z|[xyzr]\d*_?(?:index|offset|base|numel)\Z")


def class_of(token, before, after):
    """The class of a token and what it is changed to; None for a token without meaning of its own."""
    text = token.string
    if token.type == tokenize.OP:
        return ("operator", OPERATORS[text]) if text in OPERATORS else None
    if token.type == tokenize.NUMBER:
        return ("float" if {".", "e"} & set(text) else "integer", f"{text}1")
    if token.type == tokenize.STRING:
        return "string", f"{text[:1]}changed {text[1:]}"
    if token.type != tokenize.NAME:
        return None
    if text in CONSTANTS:
        return "constant", CONSTANTS[text]
    if keyword.iskeyword(text):
        return None
    if text in HINTS and after == "=":
        return "hint", "changed"
    if DTYPE.match(text):
        return "dtype", "float8"
    if text.endswith("mask"):
        return "mask", "other_mask"
    if POINTER.match(text):
        return "pointer", None
    if INDEX.match(text):
        return "index", None
    if numbered_local(text):
        return "temporary", None
    if after == "(":
        return "function", "changed"
    return ("attribute" if before == "." else "name"), "changed"


def changes(text):
    """For each token of meaning: its class, where it starts and ends, and what it becomes."""
    starts = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]
    found = [
        token
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT)
    ]
    names = sorted({token.string for token in found if token.type == tokenize.NAME and numbered_local(token.string)})
    for place, token in enumerate(found):
        before, after = (found[n].string if 0 <= n < len(found) else "" for n in (place - 1, place + 1))
        kind = class_of(token, before, after)
        if kind is None:
            continue
        start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        others = [name for name in names if name != token.string]
        # Another name of the text: a new one would only rename a variable that is used once.
        new = kind[1] or (others[place % len(others)] if others else "changed")
        yield kind[0], start, end, new
        if token.type == tokenize.OP and 0 < place < len(found) - 1:
            left, right = found[place - 1], found[place + 1]
            names_only = left.type == right.type == tokenize.NAME and left.string != right.string
            chained = {found[n].string for n in (place - 2, place + 2) if 0 <= n < len(found)} & {".", "(", "["}
            if names_only and not chained:
                start, end = (starts[row - 1] + column for row, column in (left.start, right.end))
                between = text[starts[left.end[0] - 1] + left.end[1] : starts[right.start[0] - 1] + right.start[1]]
                yield "swapped operands", start, end, f"{right.string}{between}{left.string}"


def argument_changes(text):
    """The same for the lines `arg in_ptr0  *fp32 align 16`, which are no Python."""
    for match in re.finditer(r"^arg \S+  (.+)$", text, re.MULTILINE):
        for word in re.finditer(r"\S+", match.group(1)):
            start = match.start(1) + word.start()
            yield "argument", start, start + len(word.group()), f"{word.group()}1"


@cache
def goldens():
    tree = folder(ROOT / "goldens")
    return [parse(content.decode()) for _, content, _ in Sides(tree, tree).values()]


@cache
def kernels():
    """One golden for each distinct kernel: the kernel alone, and the golden it was found in, with its place there."""
    found = {}
    for golden in goldens():
        written = {(plan.graph, s.name) for plan in golden.plan for s in plan.steps if s.kind == USER_TRITON}
        for place, code in enumerate(golden.code):
            if code.name != HOST and code.text not in found and 'extern "C"' not in code.text:
                found[code.text] = golden, place, (code.graph, code.name) in written
    return list(found.values())


@cache
def hosts():
    """One golden for each distinct host code, and its place."""
    found = {}
    for golden in goldens():
        for place, code in enumerate(golden.code):
            if code.name == HOST:
                found.setdefault(code.text, (golden, place))
    return list(found.values())


def alone(golden, place):
    """The golden with one piece of code and the plan of its graph; for a kernel, only the launches, which name it."""
    code = golden.code[place]
    plans = [plan for plan in golden.plan if plan.graph == code.graph]
    if code.name != HOST:
        plans = [Plan(plan.graph, (), tuple(PlanStep(s.name, s.kind) for s in plan.steps), ()) for plan in plans]
    return replace(golden, code=(code,), plan=tuple(plans), config=(), metrics=())


def in_its_graph(golden, place):
    """The golden with one kernel, and all that is known of its graph but the code of the others."""
    graph = golden.code[place].graph
    plan, config, metrics = (
        tuple(part for part in parts if part.graph == graph) for parts in (golden.plan, golden.config, golden.metrics)
    )
    return replace(golden, code=(golden.code[place],), plan=plan, config=config, metrics=metrics)


def with_text(golden, place, text):
    code = golden.code
    return replace(golden, code=(*code[:place], replace(code[place], text=text), *code[place + 1 :]))


@cache
def all_changes(text):
    head = re.match(r"(?:arg .*\n)*", text).end()
    body = [(kind, start + head, end + head, new) for kind, start, end, new in changes(text[head:])]
    return [*argument_changes(text[:head]), *body]


def described(text, change):
    kind, start, end, new = change
    line = text[text.rfind("\n", 0, start) + 1 : text.find("\n", end)].strip()
    return f"{kind}: {text[start:end]!r} -> {new!r} in: {line}"


def mutated(text, change):
    _, start, end, new = change
    return text[:start] + new + text[end:]


def one_of_each_class(text, number):
    """For each class one change, at a place that depends on the number."""
    by_class = defaultdict(list)
    for change in all_changes(text):
        by_class[change[0]].append(change)
    return [found[7 * number % len(found)] for found in by_class.values()]


def is_seen(one, text):
    try:
        return bool(changed_layers(one, with_text(one, 0, text)))
    except HostCodeError:  # host code that is not Python any more: it could not have been generated
        return True


@in_shards
def test_every_class_of_tokens_is_seen_in_every_kernel(shard):
    missed = []
    for number, (golden, place, _) in list(enumerate(kernels()))[shard::SHARDS]:
        one = alone(golden, place)
        text = one.code[0].text
        for change in one_of_each_class(text, number):
            if not is_seen(one, mutated(text, change)):
                missed.append(f"{golden.case} {one.code[0].name}: {described(text, change)}")
    assert not missed, "\n".join(missed)


@cache
def lines_with_kernels():
    """For each distinct line, the shortest kernel that has it."""
    found = {}
    for golden, place, _ in sorted(kernels(), key=lambda kernel: len(kernel[0].code[kernel[1]].text)):
        for line in golden.code[place].text.splitlines():
            found.setdefault(line, (golden, place))
    by_kernel = defaultdict(set)
    for line, (golden, place) in found.items():
        by_kernel[golden.code[place].text].add(line)
    return by_kernel


@in_shards
def test_every_token_of_every_line_is_seen_in_some_kernel(shard):
    missed = []
    for golden, place, _ in kernels()[shard::SHARDS]:
        text = golden.code[place].text
        left = set(lines_with_kernels().get(text, ()))
        if not left:
            continue
        one = alone(golden, place)
        by_line = defaultdict(list)
        for change in all_changes(text):
            by_line[text.rfind("\n", 0, change[1]) + 1].append(change)
        for start, found in by_line.items():
            line = text[start : text.find("\n", start)]
            if line in left:
                left.discard(line)
                missed += [described(text, change) for change in found if not is_seen(one, mutated(text, change))]
    assert not missed, "\n".join(missed)


def causes(old, new):
    if not changed_layers(old, new):
        return []
    return [cause.name for cause in classify(Facts(old, new, matched_graphs(old, new)))]


@in_shards
def test_a_change_in_any_kernel_is_explained_and_never_as_harmless(shard):
    harmless = []
    for number, (golden, place, _) in list(enumerate(kernels()))[shard::SHARDS]:
        text = golden.code[place].text
        found = one_of_each_class(text, number)
        change = found[number % len(found)]
        said = causes(golden, with_text(golden, place, mutated(text, change)))
        if set(said) <= HARMLESS:
            harmless.append(f"{golden.case} {golden.code[place].name}: {described(text, change)}: {said}")
    assert not harmless, "\n".join(harmless)


@in_shards
def test_every_class_of_tokens_is_seen_in_every_host_code(shard):
    missed = []
    for number, (golden, place) in list(enumerate(hosts()))[shard::SHARDS]:
        one = alone(golden, place)
        text = one.code[0].text
        for change in one_of_each_class(text, number):
            if not is_seen(one, mutated(text, change)):
                missed.append(f"{golden.case} {golden.code[place].graph}: {described(text, change)}")
    assert not missed, "\n".join(missed)


def renumbered(text):
    """All numbered names of a kernel under other numbers, in another order."""
    words = set(re.findall(r"[^\W\d]\w*", text))
    mapping = {}
    for word in words:
        if local := numbered_local(word):
            _, number, form = local
            mapping[word] = form.format(9_000 - int(number))
    return rename(text, mapping)


@in_shards
def test_every_kernel_renumbered_is_the_same(shard):
    for golden, place, written in kernels()[shard::SHARDS]:
        text = golden.code[place].text
        other = renumbered(text)
        if not written:
            assert not changed_layers(golden, with_text(golden, place, other)), golden.case
        elif other != text:  # the names in a user's own kernel are the user's
            assert changed_layers(golden, with_text(golden, place, other)) == ("code",)


def exchanged_names(text):
    """The variables of host code, each under the name of another one of its stem (`buf0`, `buf1`), where it has one."""
    by_stem = defaultdict(list)
    for name in host_names(text):
        by_stem[host_stem(name)].append(name)
    return {old: new for names in by_stem.values() for old, new in zip(names, names[1:] + names[:1], strict=True)}


def renamed_plan(plan, names):
    def name(text):
        return names.get(text, text)

    def buffer(value):
        shape = None if value.shape is None else tuple(rename(size, names) for size in value.shape)
        return replace(value, name=name(value.name), shape=shape)

    steps = tuple(
        replace(step, reads=tuple(map(name, step.reads)), writes=tuple(map(buffer, step.writes))) for step in plan.steps
    )
    inputs, memory = tuple(map(buffer, plan.inputs)), tuple(map(buffer, plan.memory))
    named = tuple((name(code), user) for code, user in plan.names)
    outputs = tuple(map(name, plan.outputs))
    return replace(plan, inputs=inputs, memory=memory, steps=steps, outputs=outputs, names=named)


def test_every_host_code_with_its_buffers_renamed_is_the_same():
    exchanged = 0
    for golden, place in hosts():
        code = golden.code[place]
        names = exchanged_names(code.text)
        plans = tuple(renamed_plan(plan, names) if plan.graph == code.graph else plan for plan in golden.plan)
        new = replace(with_text(golden, place, rename(code.text, names)), plan=plans)
        exchanged += new != golden
        assert not changed_layers(golden, new), golden.case
    assert exchanged > 100


ASSIGNED = re.compile(r"( +)([\w, ]+?)(?: : tl\.constexpr)? = (?!.*(?:atomic|store|barrier|inline_asm))[^=].*\Z")


def independent(lines):
    """Where two neighbouring lines each assign what the other neither reads nor assigns."""
    for place, (first, second) in enumerate(itertools.pairwise(lines)):
        a, b = ASSIGNED.match(first), ASSIGNED.match(second)
        whole = all(line.count("(") == line.count(")") for line in (first, second))
        if not a or not b or not whole or a.group(1) != b.group(1):
            continue
        words = [set(re.findall(r"[^\W\d]\w*", line)) for line in (first, second)]
        targets = [set(re.findall(r"\w+", match.group(2))) for match in (a, b)]
        if not targets[0] & words[1] and not targets[1] & words[0]:
            yield place


@in_shards
def test_independent_lines_exchanged_in_any_kernel_are_renumbering(shard):
    wrong, exchanged = [], 0
    for golden, place, written in kernels()[shard::SHARDS]:
        if written:
            continue
        one = in_its_graph(golden, place)
        lines = one.code[0].text.split("\n")
        places = list(independent(lines))
        for at in dict.fromkeys(places[:1] + places[len(places) // 2 :][:1] + places[-1:]):
            other = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
            said = causes(one, with_text(one, 0, "\n".join(other)))
            exchanged += 1
            if said not in (["renumbering"], []):
                wrong.append(f"{golden.case} {golden.code[place].name} line {at}: {lines[at].strip()}: {said}")
    assert exchanged > 50
    assert not wrong, "\n".join(wrong)
