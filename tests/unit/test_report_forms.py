"""The report on many goldens in each of its forms: one model, one order, nothing left out in silence."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import labelled_pairs
from kernelsnap.cli.main import main
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.finding import Cause, Effect, Finding
from kernelsnap.diff.compare import compare
from kernelsnap.diff.match.pairs import Status
from kernelsnap.diff.tree.change import change_of
from kernelsnap.diff.tree.cost import Time
from kernelsnap.diff.tree.estimates import estimated
from kernelsnap.diff.tree.kept import Compared
from kernelsnap.golden.format import parse, render
from kernelsnap.model.golden import LAYERS, RESOURCES
from kernelsnap.report import words
from kernelsnap.report.diff_text import driver_text, explanation, failure_lines
from kernelsnap.report.formats import FORMS, Form
from kernelsnap.report.json_report import SCHEMA
from kernelsnap.report.markdown import LIMIT, MARKER, fitted
from kernelsnap.report.model import View, report_of
from kernelsnap.report.visible import folded

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "goldens" / "test_fusion"
TEXT = (GOLDENS / "FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()


def contents(name, edit, golden=TEXT):
    return name, golden.encode(), edit(golden).encode()


def report(*items, compared=None, command=("kernelsnap", "diff", "old folder", "new"), times=None, **more):
    """The report on these goldens; `times` has old and new time of some, in place of what is estimated."""
    contents = {item[0]: item for item in items}
    changes = estimated([change for item in items if (change := change_of(*item))], contents, processes=1)
    changes = [replace(c, time=Time(*times[c.name], told=1)) if c.name in (times or ()) else c for c in changes]
    found = Compared(tuple(changes), {change.name: change.diff for change in changes if change.diff})
    return report_of(("old folder", "new"), command, compared or len(items), found, contents, **more)


def overview_text(found, full=False):
    return FORMS["terminal"].load()(found, View(full))


def markdown(found, limit=None):
    return FORMS["markdown"].load()(found, View()) if limit is None else fitted(found, limit)


def json_text(found):
    return FORMS["json"].load()(found, View())


def test_the_command_line_takes_every_form_of_the_table_and_its_own_files(tmp_path, monkeypatch, capsys):
    """A form that is added to the table is an option, and is written with the same two arguments as the others."""
    module = ModuleType("a_form")
    module.render = lambda found, view: f"{found.compared} goldens for {Path(view.file).name}{' in full' * view.full}\n"
    monkeypatch.setitem(sys.modules, "a_form", module)
    monkeypatch.setitem(FORMS, "plain", Form("plain", "a_form", groups=1, file_help="write it plain"))
    for side, text in (("old", TEXT), ("new", other_mask(TEXT))):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.h100.ksnap").write_text(text)
    sides = [str(tmp_path / side) for side in ("old", "new")]
    assert main(["diff", *sides, "--format", "plain", "--full", "--plain", str(tmp_path / "a.txt")]) == 1
    assert capsys.readouterr().out == "1 goldens for  in full\n"
    assert (tmp_path / "a.txt").read_text() == "1 goldens for a.txt in full\n"
    for name, form in FORMS.items():
        file = tmp_path / f"report.{name}"
        options = [f"--{name}", str(file)] if form.file_help else ["--format", name, "--output", str(file)]
        assert main(["diff", *sides, *options]) == 1
        assert file.read_text()


def other_mask(text):
    return text.replace("tl.store(out_ptr0 + (x0), tmp3, xmask)", "tl.store(out_ptr0 + (x0), tmp3, None)")


def other_function(text):
    return text.replace("tl_math.cos", "libdevice.cos")


MANY = report(
    *(contents(f"a{number}.ksnap", other_mask) for number in range(9)),
    contents("b.ksnap", other_function),
    ("c.ksnap", None, TEXT.encode()),
    ("d.ksnap", b"kernelsnap 1\n", TEXT.encode()),
    compared=100,
)


def test_the_terminal_report_fits_eighty_columns_and_says_what_it_leaves_out():
    text = overview_text(MANY)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "none worse; 100 goldens: 10 changed, 1 new, 1 unreadable, 88 the same"
    assert "error: d.ksnap (old):2: the file is cut off: its last line must" in text
    assert "mask or bounds: 9 goldens" in text
    assert "the same in 8 goldens:" in text
    assert "and 3 more: add --full to see all" in text
    assert "-        tl.store(out_ptr0 + (x0), tmp3, xmask)" in text
    assert lines[-1] == "again: kernelsnap diff 'old folder' new"
    assert "more: add --full" not in overview_text(MANY, full=True)
    assert "\x1b" not in text


def test_the_markdown_report_begins_with_its_marker_and_ends_with_the_command():
    text = markdown(MANY)
    assert text.startswith(f"{MARKER}\n")
    assert "\n```sh\nkernelsnap diff 'old folder' new --full\n```\n" in text
    assert text.endswith("\nAgain:\n\n```sh\nkernelsnap diff 'old folder' new --format markdown\n```\n")
    assert text == markdown(MANY)
    assert "| mask or bounds | 9 |" in text


def many_groups(number):
    items = []
    for n in range(number):
        name = f"module/{'x' * 60}{n}.ksnap"
        items.append(contents(name, lambda text, n=n: text.replace("tl_math.cos", f"tl_math.c{n}")))
    return report(*items)


@pytest.mark.parametrize("number", [30, 150, 400])
def test_a_long_report_is_shortened_in_the_stated_order_and_says_so(number):
    found = many_groups(number)
    sizes = []
    for limit in (10**9, LIMIT, 40_000, 20_000, 5_000, 1_500):
        text = markdown(found, limit)
        assert len(text) < limit
        sizes.append([text.count(mark) for mark in ("</details>", "```diff", "\n+")])
        if len(text) < len(markdown(found, 10**9)):
            parts = re.search(r"^Left out to fit: (.*)\.$", text, re.M).group(1).split(", ")
            left = {noun.removesuffix("s"): int(n) for n, noun in (part.split(" ", 1) for part in parts)}
            assert set(left) <= {"group", "diff", "name", "diff line", "evidence line"}
            assert text.count("<details") + left.get("group", 0) == number
            assert text.count("```diff") + left.get("diff", 0) == text.count("<details")
        assert text.count("<details") == text.count("</details>")
        assert text.endswith("new --format markdown\n```\n")
    for column in zip(*sizes, strict=True):
        assert list(column) == sorted(column, reverse=True)
    short = markdown(found, 400)
    assert len(short) < 400
    assert "Cut off at 400 characters." in short
    assert short.endswith("new --format markdown\n```\n")


def test_the_default_leaves_room_for_a_link():
    assert LIMIT == 65_536
    assert len(markdown(many_groups(200))) < LIMIT - 900


def test_names_and_code_cannot_break_out_of_the_markdown():
    evil = "</summary><script>alert(1)</script>`` | [x](javascript:1).ksnap"
    text = markdown(report(contents(evil, lambda t: t.replace("tl_math.cos", "f('```</details>')"))))
    assert "<script>" not in re.sub(r"(`+).*?\1", "", text)
    opening = re.search(r"^(`+)diff$", text, re.M).group(1)
    assert len(opening) > 3


def strict(schema):
    """The schema, made to refuse fields that it does not name."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    return {"additionalProperties": False, **found} if isinstance(schema.get("properties"), dict) else found


def test_the_json_report_follows_its_schema():
    schema = json.loads((ROOT / "docs" / "diff.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(strict(schema))
    names = sorted(path.name for path in GOLDENS.glob("*.h100.ksnap"))
    changes = [(name, (GOLDENS / name).read_bytes(), (GOLDENS / other).read_bytes()) for name, other in pairwise(names)]
    changes += [("a.ksnap", TEXT.encode(), None), ("b.ksnap", None, TEXT.encode())]
    everything = report(*changes, versions=("x", ""))
    for found in (MANY, everything, report(contents("a.ksnap", lambda text: text))):
        validator.validate(json.loads(json_text(found)))
    assert len(everything.metrics) > 8
    assert everything.renamed == {"a.ksnap": "b.ksnap"}
    data = json.loads(json_text(MANY))
    for breaks in ({"schema": 1}, {"compared": -1}, {"causes": {"magic": 1}}, {"statuses": {"new": 0}}, {"more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**data, **breaks})


def test_the_schema_knows_every_cause_layer_and_status():
    schema = json.loads((ROOT / "docs" / "diff.schema.json").read_text())
    change = schema["$defs"]["change"]["properties"]
    assert schema["properties"]["schema"] == {"const": SCHEMA}
    assert schema["$defs"]["cause"]["enum"] == [name.value for name in CauseName]
    assert change["layers"]["items"]["enum"] == [*LAYERS, RESOURCES]
    assert set(change["kernels"]["propertyNames"]["enum"]) == set(get_args(Status))


def test_the_json_report_has_the_documented_fields():
    data = json.loads(json_text(MANY))
    assert data["statuses"] == {"changed": 10, "new": 1, "unreadable": 1}
    assert [change["name"] for change in data["changes"]] == sorted(change["name"] for change in data["changes"])
    assert data["groups"][0]["members"] == [f"a{number}.ksnap" for number in range(9)]
    assert data["groups"][0]["causes"] == ["mask"]
    documented = (ROOT / "docs" / "diff.md").read_text()
    for name in {*data, *data["changes"][0], *data["groups"][0]}:
        assert f"`{name}`" in documented, name


def test_an_explanation_gives_all_evidence_or_that_of_one_kernel():
    found = report(contents("a.ksnap", lambda text: other_mask(other_function(text))))
    (change,), (diff,) = found.changes, found.diffs.values()
    text = explanation(change, diff)
    assert "layers that differ: code" in text
    assert "instruction (another instruction" in text
    assert "tmp = tl_math.cos(tmp) -> tmp = libdevice.cos(tmp)" in text
    assert explanation(change, diff, "k0").replace("\nno metric changed\n", "") in text.replace(
        "\nno metric changed\n", ""
    )
    assert "because" not in explanation(change, diff, "k7")


@pytest.mark.parametrize(
    ("effect", "text"),
    [
        (Effect(), ""), (Effect(0, 0), ""), (Effect(1, 400), "+1 kernel, +400 B"), (Effect(-1, None), "-1 kernel"),
        (Effect(-1200, -1_234_567), "-1 200 kernels, -1 234 567 B"), (Effect(0, -8), "-8 B"),
    ],
)  # fmt: skip
def test_what_a_cause_costs_in_words(effect, text):
    assert words.cost(effect) == text


def test_what_a_cause_costs_is_said_once_with_its_title_and_a_cause_without_effect_says_nothing():
    finding = Finding(CauseName.FUSION_SPLIT, "inference k0", "k0 -> k0, k1")
    lines = [*words.cause_lines(Cause(CauseName.FUSION_SPLIT, (finding,) * 3, Effect(1, 400)), most=2)]
    says = "inference k0: k0 -> k0, k1"
    title = "fusion split"
    assert lines == [(f"{title}, +1 kernel, +400 B", says), (title, says), (title, "and 1 more")]
    assert [*words.cause_lines(Cause(CauseName.FUSION_SPLIT, (finding,)), most=1)] == [(title, says)]


def test_every_form_shows_what_a_cause_costs():
    pair = labelled_pairs.sides()["split-chain"]
    old, new = pair["old"].decode(), pair["new"].decode()
    item = ("a.ksnap", pair["old"], pair["new"])
    found = report(item)
    title = "fusion split, +2 kernels, +524 288 B"
    says = f"cause: {title}: inference k0: k0, k1 and 2 more pairs no longer fused: Inductor says "
    (change,) = found.changes
    (time,) = found.by_part(change).causes
    with_time = f"fusion split, {words.estimate(time)}, +2 kernels, +524 288 B"
    assert re.match(r"est\. [\d.]+ us -> [\d.]+ us  x[\d.]+  slower \(x", words.estimate(time))
    assert any(line.startswith(says) for line in failure_lines(compare(parse(old), parse(new)), color=False))
    assert f"\n{says}" in driver_text("a.ksnap", old, new)
    assert f"{' '.join(with_time.split())}: inference k0: " in " ".join(overview_text(found).split())
    assert f"- {with_time}: `inference k0: " in markdown(found)
    text = " ".join(explanation(change, found.diffs["a.ksnap"]).split())
    assert f"{' '.join(with_time.split())} (one kernel became several), because:" in text
    (cause,) = json.loads(json_text(found))["changes"][0]["causes"]
    assert (cause["name"], cause["effect"]) == (
        "fusion-split",
        {"kernels": 2, "bytes": 524_288, "time": time.as_data()},
    )
    page = pytest.importorskip("kernelsnap.report.html.page")
    text = page.render(found, View(full=True, file="report.html"))
    cost = html.escape(with_time.removeprefix("fusion split, "))
    assert f'fusion split</b> <span class="muted">{cost}</span>' in text
    other = contents("a.ksnap", other_mask)
    assert "mask or bounds</b>  <ul>" in page.render(report(other), View(full=True, file="report.html"))


def test_a_report_on_nothing_says_so():
    empty = report(contents("a.ksnap", lambda text: text))
    assert overview_text(empty).splitlines()[0] == "1 golden: 1 the same"
    assert "1 golden: 1 the same" in markdown(empty)
    assert json.loads(json_text(empty))["changes"] == []


def test_metrics_stand_in_every_form():
    golden = parse(TEXT)
    more = tuple(replace(m, value=m.value * 3) if m.name == "loads" else m for m in golden.metrics)
    found = report(("a.ksnap", TEXT.encode(), render(replace(golden, metrics=more)).encode()), compared=4)
    assert "loads: 1 more, 3 unchanged" in overview_text(found)
    assert "| loads | 1 more, 3 unchanged | 1 -> 3 | +31.6 % | +200.0 % |" in markdown(found)
    (loads,) = json.loads(json_text(found))["metrics"]
    assert loads["total_of_changed"] == {"old": 1, "new": 3}
    assert loads["worst"] == {"name": "a.ksnap", "old": 1, "new": 3}


def moved(golden, name, factor, metric="bytes accessed"):
    """One golden whose number of a metric becomes `factor` times what it was."""
    old = parse(golden)
    new = tuple(replace(m, value=int(m.value * factor)) if m.name == metric else m for m in old.metrics)
    return name, golden.encode(), render(replace(old, metrics=new)).encode()


def test_every_form_begins_with_how_many_are_worse_and_by_how_much():
    kernels = moved(moved(TEXT, "k", 3, "kernels")[2].decode(), "k", 1)[2]
    found = report(
        moved(TEXT, "a", 2), moved(TEXT, "b", 0.5), moved(TEXT, "c", 4), contents("d", other_function),
        ("k", TEXT.encode(), kernels), ("n", None, TEXT.encode()), compared=9,
        times={"a": (10.0, 20.0), "b": (30.0, 15.0), "c": (10.0, 12.0), "k": (4.0, 5.0)},
    )  # fmt: skip
    line = (
        "3 worse: est. 24 us -> 37 us  x1.54  slower (x1.54 to x1.54), +3 360 B (+200.0 %), +2 kernels (+200.0 %); "
        "1 better: est. 30 us -> 15 us  x0.50  faster (x0.50 to x0.50), -420 B (-50.0 %); "
        "9 goldens: 5 changed, 1 new, 3 the same"
    )
    assert " ".join(overview_text(found).split("\n  old: ")[0].split("\n")) == line
    assert markdown(found).splitlines()[1] == f"### kernelsnap: {line}"
    data = json.loads(json_text(found))
    assert data["first_line"] == line
    assert data["costs"]["worse"]["goldens"] == 3
    assert data["costs"]["better"]["cost"]["measures"] == [{"name": "bytes accessed", "old": 840, "new": 420}]
    page = pytest.importorskip("kernelsnap.report.html.page")
    assert f'<h1 id="title">{html.escape(line)}</h1>' in page.render(found, View(file="report.html"))
    assert words.first_line(report(contents("d", str))) == "1 golden: 1 the same"


def test_the_group_that_costs_most_comes_first_then_the_larger():
    def both(name, function, factor, metric="bytes accessed"):
        name, old, new = moved(TEXT, name, factor, metric)
        return name, old, new.replace(b"tl_math.cos", function)

    found = report(
        *(contents(f"a{n}", other_mask) for n in range(3)), *(contents(f"b{n}", other_function) for n in range(5)),
        both("best", b"tl_math.c1", 0.5), both("worst", b"tl_math.c2", 4), both("z", b"tl_math.c3", 3, "kernels"),
        ("n", None, TEXT.encode()),
        times={"best": (9.0, 5.0), "worst": (9.0, 18.0), "z": (9.0, 10.0)},
    )  # fmt: skip
    assert [group.members[0].name for group in found.groups] == ["worst", "z", "b0", "a0", "best", "n"]
    assert [group.cost.verdict for group in found.groups[:3]] == ["worse", "worse", "as before"]
    verdicts = {change["name"]: change["verdict"] for change in json.loads(json_text(found))["changes"]}
    assert [verdicts[name] for name in ("worst", "best", "a0", "n")] == ["worse", "better", "as before", None]


def test_no_two_groups_are_called_the_same():
    new = (*(f"c{n}" for n in range(4)), "cos(cos")
    changed = [
        contents(f"{n}", lambda text, name=name: text.replace("tl_math.cos", f"tl_math.{name}"))
        for n, name in enumerate(new)
    ]
    found = report(*changed, contents("mask", other_mask))
    called = [found.headings[group.fingerprint] for group in found.groups]
    assert len(called) == len(set(called)) == len(found.groups) > 2
    assert "mask or bounds" in called
    assert "instruction: tmp = tl_math.cos(tmp) -> tmp = tl_math.c2(tmp)" in called
    assert [group["heading"] for group in json.loads(json_text(found))["groups"]] == called
    for text in (overview_text(found), html.unescape(markdown(found))):
        assert all("".join(one.split()) in "".join(text.split()) for one in called)


def test_geometric_means_by_hand():
    found = report(moved(TEXT, "a", 2), moved(TEXT, "b", 0.5), moved(TEXT, "c", 4), moved(TEXT, "d", 0), compared=8)
    (bytes_accessed,) = found.metrics
    # ratios 2, 1/2 and 4, whose product is 4; one that becomes 0 has none; four goldens are the same
    assert bytes_accessed.mean_of_changed == pytest.approx(4 ** (1 / 3))
    assert bytes_accessed.mean_of_all == pytest.approx(4 ** (1 / 7))
    assert bytes_accessed.zeros == 1
    assert (bytes_accessed.improved, bytes_accessed.regressed, bytes_accessed.unchanged) == (2, 2, 4)
    assert (bytes_accessed.old_total, bytes_accessed.new_total) == (4 * 840, 840 * 2 + 420 + 840 * 4)
    text = overview_text(found)
    assert "mean of all +21.9 %, of changed +58.7 %; worst +300.0 %; best -50.0 %" in text
    assert "worst: c: +300.0 %, 840 -> 3 360 B" in text
    assert "best: b: -50.0 %, 840 -> 420 B" in text
    assert "| +21.9 % | +58.7 % | +300.0 % | -50.0 % |" in markdown(found)
    assert "- bytes accessed, worst: `c`: +300.0 %, 840 -> 3 360 B" in markdown(found)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (0.0, "+0.0 %"),
        (1e-14, "+0.0 %"),
        (0.04, "+0.04 %"),
        (-0.0076, "-0.008 %"),
        (0.05, "+0.1 %"),
        (12.34, "+12.3 %"),
    ],
)
def test_a_small_change_is_not_shown_as_none(change, text):
    assert words.percent(change) == text


def test_what_was_compared_comes_first_and_what_it_costs_is_always_said():
    found = report(contents("b.ksnap", other_function), versions=("torch 2.13.0", "torch 2.14.1"))
    lines = overview_text(found).splitlines()
    assert lines[:4] == [
        "none worse; 1 golden: 1 changed, 0 the same",
        "  old: old folder, recorded with torch 2.13.0",
        "  new: new, recorded with torch 2.14.1",
        "",
    ]
    assert "metrics: no metric changed" in lines
    text = markdown(found)
    assert "- old: `old folder`, recorded with `torch 2.13.0`\n- new: `new`, recorded with `torch 2.14.1`" in text
    assert "\n- no metric changed\n" in text


def test_what_changed_comes_before_what_is_new_or_gone():
    new = [(f"n{number}.ksnap", None, TEXT.replace("tl_math", f"m{number}").encode()) for number in range(9)]
    found = report(*new, contents("b.ksnap", other_function), ("c", TEXT.encode(), None), ("d", TEXT.encode(), None))
    assert [group.exemplar.status for group in found.groups] == ["changed", "new", "gone"]
    assert "new: 9 goldens" in overview_text(found)


def test_a_renamed_golden_is_one_story():
    name = TEXT.splitlines()[1]
    renamed = TEXT.replace(name, "case tests/test_other.py::test_renamed")
    other = TEXT.replace("tl_math.cos", "tl_math.sin")
    new = [("b.ksnap", None, renamed.encode()), ("c.ksnap", None, other.encode())]
    found = report(("a.ksnap", TEXT.encode(), None), *new)
    assert found.renamed == {"a.ksnap": "b.ksnap"}
    text = overview_text(found)
    assert "  1 golden only changed its name: gone under the old one, new under the other" in text
    assert "  b.ksnap (was a.ksnap)\n  c.ksnap\n" in text
    assert "  a.ksnap (is now b.ksnap)\n" in text
    assert "- `b.ksnap`, `was a.ksnap`" in markdown(found)
    assert "- `a.ksnap`, `is now b.ksnap`" in markdown(found)
    another_target = TEXT.replace("target h100 a100 b200", "target mi300x")
    assert report(("a", TEXT.encode(), None), ("b", None, another_target.encode())).renamed == {}


def test_one_error_of_many_goldens_is_told_once():
    broken = [(f"x{number}.ksnap", TEXT.encode(), b"\n" * number) for number in range(1, 10)]
    found = report(*broken, ("y.ksnap", TEXT.encode(), TEXT.replace("metrics\n", "<<<<<<< a\nmetrics\n", 1).encode()))
    assert [len(group) for group in found.error_groups] == [9, 1]
    text = overview_text(found)
    assert text.count("not a golden: the first line must be") == 1
    assert "  the same in 8 goldens:\n    x2.ksnap\n" in text
    assert "    and 3 more: add --full to see all" in text
    assert "more: add" not in overview_text(found, full=True)
    assert "must be ``kernelsnap 1``" not in markdown(found)
    assert "(the same in 8 goldens more)" in markdown(found)


def test_commands_repeat_what_was_done_whatever_its_words():
    words = ("kernelsnap", "diff", "a b", "it's", "--", "x/*", "y z")
    found = report(contents("b.ksnap", other_function), command=words)
    assert shlex.split(overview_text(found).split("again: ")[1]) == list(words)
    assert shlex.split(overview_text(found, full=True).split("again: ")[1]) == [*words[:4], "--full", *words[4:]]
    assert json.loads(json_text(found))["command"] == [*words[:4], "--format", "json", *words[4:]]
    commands = re.findall(r"^```sh\n(.*?)\n```$", markdown(found), re.M | re.S)
    assert [shlex.split(command) for command in commands] == [
        [*words[:4], "--full", *words[4:]],
        [*words[:4], "--format", "markdown", *words[4:]],
    ]


def test_a_long_command_is_folded_as_a_shell_takes_it():
    words = ("kernelsnap", "diff", "HEAD~", *("--", *(f"goldens/{'long' * 12} {number}" for number in range(9))))
    lines = overview_text(report(contents("b", other_function), command=words)).split("again: ")[1]
    assert max(map(len, lines.splitlines())) <= 80
    shown = subprocess.run(["sh", "-c", f"printf '%s\n' {lines}"], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == list(words)


def test_a_patch_on_standard_input_has_to_be_given_again():
    found = report(contents("b.ksnap", other_function), command=("kernelsnap", "diff", "--patch", "-"))
    assert overview_text(found).endswith("again, with the same patch on standard input: kernelsnap diff --patch -\n")
    assert "\nAgain, with the same patch on standard input:\n" in markdown(found)


HOSTILE = "a\x1b]0;title\x07\x1b[31m\u202e<b>`|\udcff"


def test_what_steers_a_terminal_is_written_out():
    code = TEXT.replace("tl_math.cos", f"tl_math.{HOSTILE[:-1]}").replace("case tests", f"case {HOSTILE[:-1]}tests")
    found = report((f"{HOSTILE}.ksnap", TEXT.encode(), code.encode()), versions=(HOSTILE, ""))
    (change,) = found.changes
    for text in (
        overview_text(found), markdown(found), explanation(change, found.diffs[change.name]),
        driver_text(HOSTILE, TEXT, code),
        "\n".join(failure_lines(compare(parse(TEXT), parse(code)), color=False)), json_text(found),
    ):  # fmt: skip
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)
        text.encode("utf-8")
        assert "\\x1b" in text or "\\u001b" in text


@given(st.text(alphabet="ab/._ -[],", max_size=70), st.integers(10, 40), st.sampled_from(["", "+", "    "]))
def test_folded_lines_fit_and_say_the_same(text, width, rest):
    lines = folded(text, width, "", rest)
    assert max(map(len, lines)) <= max(width, len(rest) + 8)
    assert all(line.startswith(rest) for line in lines[1:])
    said = "".join([lines[0], *(line.removeprefix(rest) for line in lines[1:])])
    assert said.replace(" ", "") == text.replace(" ", "")
    assert len(lines) > 1 or said == text


def test_a_folded_line_of_a_diff_keeps_its_sign():
    long = TEXT.replace("tl_math.cos(tmp0)", f"tl_math.cos({' + '.join(['tmp0'] * 40)})")
    lines = overview_text(report(contents("a.ksnap", lambda _: long))).splitlines()
    assert max(map(len, lines)) <= 80
    at = next(place for place, line in enumerate(lines) if line.startswith("+        tmp4"))
    assert lines[at + 1].startswith("+            ")
