"""Gives a new golden the names of an old one where they mean the same, so that only what changed reads differently.

A pure renaming: one-to-one within each scope (the kernels of a graph, the locals of a kernel, the variables of the host
code of a graph), so `canonical` of the result is `canonical` of what came in. What has no counterpart gets a name that
the old golden does not use in that scope.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count

from kernelsnap.diff.align.alignment import align_names
from kernelsnap.diff.align.naming import align_sources, code_of, kernel_partners, names_as_in, words
from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, Atom, host_normal_form, kernel_normal_form
from kernelsnap.diff.match.pairs import Pair, match, match_graphs
from kernelsnap.golden.canonical import HOST, USER_TRITON, canonical, plan_as_host_code, rename_graph
from kernelsnap.model.golden import Code, Golden, Plan
from kernelsnap.normalize.lexer import tokens
from kernelsnap.normalize.names import host_candidates, host_stem, numbered_local, rename
from kernelsnap.normalize.variables import variables


def align(new: Golden, old: Golden) -> Golden:
    """The new golden under the old one's names; with the old one's contents if both are the same."""
    old = replace(old, case=new.case, target=new.target, shared_with=new.shared_with)
    if new == old or canonical(new) == canonical(old):
        return old
    return align_matched(new, old, match(old, new))


def align_matched(new: Golden, old: Golden, pairs: Iterable[Pair]) -> Golden:
    """The new golden under the old one's names, with its kernels matched already."""
    partners = kernel_partners(pairs)
    for old_plan, plan in match_graphs(old, new):
        if old_plan and plan:
            new = _align_graph(new, plan, old, old_plan, partners.get((plan.graph, old_plan.graph), {}))
    return replace(new, plan=align_sources(old, new))


def _align_graph(new: Golden, plan: Plan, old: Golden, old_plan: Plan, partners: Mapping[str, str]) -> Golden:
    """One graph of the new golden under the names of its counterpart; `partners`: for new kernels the old ones."""
    code, old_code = code_of(new, plan.graph), code_of(old, old_plan.graph)
    names = names_as_in(old, old_plan, new, plan, partners)
    new = rename_graph(new, plan.graph, names)
    written = {step.name for side in (plan, old_plan) for step in side.steps if step.kind == USER_TRITON}
    renamed = code_of(new, plan.graph)
    for kernel, partner in partners.items():
        name = names[kernel]
        both = kernel in code and partner in old_code and not {kernel, partner} & written
        if both and renamed[name] != old_code[partner]:
            renamed[name] = _with_names_of(
                renamed[name], kernel_normal_form(renamed[name], name), kernel_normal_form(old_code[partner], partner)
            )
    new = _with_code(new, plan.graph, renamed)
    host, old_host = renamed.get(HOST), old_code.get(HOST)
    if host is None or old_host is None:
        host = plan_as_host_code(next(p for p in new.plan if p.graph == plan.graph))
        old_host = plan_as_host_code(old_plan)
    form = host_normal_form(host, _parameters(renamed))
    old_form = host_normal_form(old_host, _parameters(old_code))
    same = _same_tensors(plan, old_plan)
    return rename_graph(new, plan.graph, _new_host_names(new, plan.graph, form, old_form, old_host, same))


def _same_tensors(plan: Plan, old: Plan) -> dict[str, str]:
    """For inputs that the user calls the same in both graphs: the code's new name, and the old one of that stem."""
    before = {name: code for code, name in old.names}
    pairs = ((code, before[name]) for code, name in plan.names if name in before)
    return {code: old_code for code, old_code in pairs if host_stem(code) == host_stem(old_code)}


def _with_code(golden: Golden, graph: str, texts: Mapping[str, str]) -> Golden:
    def piece(code: Code) -> Code:
        return replace(code, text=texts[code.name]) if code.graph == graph else code

    return replace(golden, code=tuple(map(piece, golden.code)))


def _parameters(code: Mapping[str, str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each kernel's arguments by name, in order: `arg in_ptr0  *fp32 align 16`."""
    return tuple(
        (name, tuple(line.split()[1] for line in text.splitlines() if line.startswith("arg ")))
        for name, text in code.items()
        if name != HOST
    )


def _with_names_of(text: str, form: AlphaNormalForm, old: AlphaNormalForm) -> str:
    """The text of a kernel under the local names of another."""
    found = align_names(old, form)
    taken = {*old.atoms, *found.values()}
    fresh = {family: _fresh(family, taken) for family, _ in form.atoms}
    for atom in form.atoms:
        if atom not in found:
            found[atom] = next(fresh[atom.family])
    mapping = {}
    for word in words(text):
        if local := numbered_local(word):
            family, number, pattern = local
            mapping[word] = pattern.format(found.get(Atom(family, number), Atom(family, number)).number)
    return rename(text, mapping)


def _fresh(family: str, taken: Container[Atom]) -> Iterator[Atom]:
    return (atom for number in count() if (atom := Atom(family, str(number))) not in taken)


def _new_host_names(
    new: Golden, graph: str, form: AlphaNormalForm, old: AlphaNormalForm, old_host: str, same: Mapping[str, str]
) -> dict[str, str]:
    """A name for each variable of the host code: its counterpart's, or one that the old host code does not use.

    `same`: counterparts that are known.
    """
    alike = {atom.number: other.number for atom, other in align_names(old, form).items()}
    known = set(same.values())
    found = {name: other for name, other in alike.items() if other not in known} | dict(same)
    local = [atom.number for atom in form.atoms]
    foreign = _foreign_words(new, graph, local)
    there = set(local)
    names = {name: other for name, other in found.items() if name in there and other not in foreign}
    taken = foreign | words(old_host) | set(names.values())
    for name in local:
        if name not in names:
            names[name] = next(new for new in host_candidates(name) if new not in taken)
            taken.add(names[name])
    return names


def _foreign_words(golden: Golden, graph: str, local: Container[str]) -> set[str]:
    """The names in the host code and the plan of a graph that are no variables of the host code."""
    stream = tokens(code_of(golden, graph).get(HOST, ""))
    # Not `mm` of `extern_kernels.mm`: attributes are no variables, and are never renamed.
    called = {stream[index].text for index in variables(stream)}
    for plan in golden.plan:
        if plan.graph == graph:
            buffers = [*plan.inputs, *plan.memory, *(buffer for step in plan.steps for buffer in step.writes)]
            called.update(
                plan.outputs, *(step.reads for step in plan.steps), *(words(str(buffer)) for buffer in buffers)
            )
    return {word for word in called if word not in local}
