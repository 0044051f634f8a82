"""The table of causes is whole and documented, and what decides a cause is data: no evidence, no spelling of a mark."""

from __future__ import annotations

import ast
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

import labelled_pairs
from kernelsnap.diff.causes import line_forms
from kernelsnap.diff.causes.ablation import ABLATIONS, paired_off
from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.classify import _STAGES
from kernelsnap.diff.causes.registry import CAUSES, FAMILIES, FOLLOWS
from kernelsnap.diff.causes.settings import _BRING, changed_settings
from kernelsnap.diff.match.alpha_normal_form import kernel_normal_form
from kernelsnap.golden.canonical import HOST
from kernelsnap.golden.format import parse
from kernelsnap.golden.store import golden_text

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "kernelsnap"
MODULES = sorted((SOURCE / "diff" / "causes").glob("*.py"))
#: Names of causes that mean nothing else, so that they are written out in no other module.
UNMISTAKABLE = {name.value for name in CauseName if "-" in name.value}
#: Found by no labelled pair: what no rule explains, and other machine code of the same source.
NOT_LABELLED = {CauseName.UNKNOWN, CauseName.RESOURCES}


def trees(paths):
    return {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in paths}


def test_every_cause_is_declared_once_in_the_order_of_the_names():
    declared = [kind.name for family in FAMILIES for kind in family.kinds]
    assert sorted(declared) == sorted(CauseName)
    assert list(CAUSES) == list(CauseName)


def test_every_module_with_a_family_is_registered():
    modules = {name for name, tree in trees(MODULES).items() if "FAMILY" in assigned(tree)}
    assert len(modules) == len(FAMILIES) == len({id(family) for family in FAMILIES})


def assigned(tree):
    assigns = (node for node in tree.body if isinstance(node, ast.Assign))
    return {ast.unparse(target) for node in assigns for target in node.targets}


def test_every_scope_belongs_to_a_cause_and_is_used():
    assert {scope for kind in CAUSES.values() for scope in kind.scopes} == set(Scope)
    assert set(FOLLOWS) == {*CauseName, *Scope}
    used = {
        node.attr
        for name, tree in trees(MODULES).items()
        if name != "diff/causes/cause_names.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Scope"
    }
    assert used == {scope.name for scope in Scope}


def test_what_follows_only_in_its_own_kernels_follows():
    for kind in CAUSES.values():
        assert kind.only_here <= kind.follows


def test_every_phase_is_searched_once_and_somebody_finds_something_in_it():
    of_parts = [stage.phase for stage in _STAGES]
    after = [Phase.TYPES, Phase.HOST, Phase.AFTER, Phase.MACHINE_CODE, Phase.UNEXPLAINED]
    assert [Phase.PROGRAM, Phase.STRETCH, *of_parts, *after] == list(Phase)
    assert {phase for family in FAMILIES for phase in family.finders} == set(Phase)


def test_every_cause_has_its_line_in_the_documentation():
    page = (ROOT / "docs" / "diff.md").read_text().splitlines()
    rows = [line for line in page if re.match(r"\| `[\w-]+` \| [^|]+ \| [^|]+ \|\Z", line)]
    for kind, row in zip(CAUSES.values(), rows, strict=True):
        assert row.startswith(f"| `{kind.name}` | {kind.title} | {kind.meaning}")


def test_every_cause_that_a_reviewer_names_has_a_rule_for_labels():
    page = (ROOT / "docs" / "contributing" / "labelling.md").read_text()
    assert [CauseName(name) for name in re.findall(r"^\| `([\w-]+)` \|", page, re.M)] == [
        name for name in CauseName if name not in NOT_LABELLED
    ]


def test_no_decision_reads_what_is_written_for_a_report():
    paths = [*MODULES, *sorted((SOURCE / "bisect").rglob("*.py"))]
    read = {
        (name, node.lineno, ast.unparse(node))
        for name, tree in trees(paths).items()
        # A finding itself puts a compiler's words before its evidence.
        if name != "diff/causes/finding.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("evidence", "pattern", "title", "meaning")
    }
    findings = {entry for entry in read if entry[2].rpartition(".")[2] == "evidence" and "/causes/" in entry[0]}
    patterns = {entry for entry in read if "/causes/" in entry[0] and not re.fullmatch(r"_[A-Z]+\.pattern", entry[2])}
    assert findings == patterns == set()


def test_causes_are_called_by_their_enumeration():
    for name, tree in trees(sorted(SOURCE.rglob("*.py"))).items():
        if name != "diff/causes/cause_names.py":
            words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            # A CauseKind's title may be spelled as its name.
            titles = {kind.title for kind in CAUSES.values()} if "/causes/" in name else set()
            assert not words & UNMISTAKABLE - titles, name


def test_one_module_knows_how_a_mark_is_written():
    for path in MODULES:
        if path.name != "line_forms.py":
            assert r"\0" not in path.read_text(), path.name


def forms():
    found = set()
    for path in sorted((ROOT / "goldens").rglob("*.ksnap")):
        for piece in parse(golden_text(path)).code:
            if piece.name != HOST:
                found |= {line.shape for line in kernel_normal_form(piece.text, piece.name).lines}
    return found


def test_the_forms_of_lone_lines_exclude_each_other_but_for_the_last():
    *patterns, (last, _) = line_forms._LONE
    assert last == CauseName.INDEXING
    found = forms()
    assert len(found) > 2000
    for form in found:
        held = [cause for cause, pattern in patterns if pattern.match(form)]
        assert len(held) <= 1, form


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("x0 = tl.where(xmask, xindex, 0)", CauseName.MASK),
        ("x0 = (xindex % 64)", CauseName.INDEXING),
        ("tmp1 = tl.full([1], 0.5, tl.float32)", CauseName.CONSTANTS),
        ("tmp1 = tmp0.to(tl.float32)", CauseName.DTYPE),
        ("tmp1 = tl_math.sin(tmp0)", CauseName.UNKNOWN),
    ],
)
def test_what_a_lone_line_is_for(line, cause):
    (form,) = kernel_normal_form(line, "k0").lines
    assert line_forms.purpose(form.shape) == cause


def form(line):
    return kernel_normal_form(line, "k0").lines[0].shape


def test_an_index_as_a_value_is_recognized():
    removed = [form("tmp5 = ((x0 + 150528*x1) % 256).to(tl.int64)")]
    added = [form("tmp5 = (tl_math.abs((x0 // 2))).to(tl.int32)")]
    ((causes, _, _),) = paired_off(removed, added)
    assert causes == (CauseName.INDEXING,)


def seconds(line):
    shape = form(line)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        for ablation in ABLATIONS:
            ablation.apply(shape)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize(
    "line",
    [
        lambda size: f"tmp5 = (x0 + {'1' * size}) < 7",
        lambda size: f"tmp5 = {' + '.join(['tl_math.log2(x0)'] * size)} < 7",
        lambda size: f"tmp5 = tl_math.{'1' * size}(x0) < 7",
    ],
    ids=["digits", "functions", "one function"],
)
def test_ablations_of_a_line_of_twice_the_length_do_not_take_thousands_of_times_as_long(line):
    # Where each digit can be read in two ways, one more digit takes twice as long: 1,024 times for ten.
    assert seconds(line(20)) < 100 * seconds(line(10))


def test_the_settings_that_bring_a_cause_are_settings_of_torch():
    config = pytest.importorskip("torch._inductor.config")
    modules = {
        "functorch": pytest.importorskip("torch._functorch.config"),
        "dynamo": pytest.importorskip("torch._dynamo.config"),
    }
    names = {name for names in _BRING.values() for name in names}
    unknown = []
    for name in sorted(names):
        group, _, own = name.partition(".")
        module, own = (modules[group], own) if group in modules else (config, name)
        unknown += [] if own in module._config else [name]
    assert not unknown


def test_settings_are_compared_only_where_both_goldens_tell_them():
    old, new = labelled_pairs.goldens("inplace-off")
    assert changed_settings(old, new) == {"inplace_buffers": ("default", "False")}
    earlier = replace(new, why=tuple(replace(why, operations=(), decided=()) for why in new.why))
    assert changed_settings(earlier, new) == changed_settings(new, earlier) == {}
