"""The report on many goldens in each of its forms: one model, one order, nothing left out in silence."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from kernelsnap.diff.change import change_of
from kernelsnap.golden.format import parse, render
from kernelsnap.report.explain import explanation
from kernelsnap.report.json_report import SCHEMA, json_text
from kernelsnap.report.markdown import LIMIT, MARKER, markdown
from kernelsnap.report.model import report_of
from kernelsnap.report.overview import overview_text

GOLDENS = Path(__file__).parents[2] / "goldens" / "test_fusion"
TEXT = (GOLDENS / "FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()


def contents(name, edit, golden=TEXT):
    return name, golden.encode(), edit(golden).encode()


def report(*items, compared=None):
    changes = [change for item in items if (change := change_of(*item))]
    command = ("kernelsnap", "diff", "old folder", "new")
    return report_of("old folder", "new", command, compared or len(items), changes, {item[0]: item for item in items})


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
    assert lines[0] == "100 goldens: 10 changed, 1 new, 1 unreadable, 88 the same"
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
    assert text.rstrip().endswith("`kernelsnap diff 'old folder' new --full`")
    assert text == markdown(MANY)
    assert "| mask or bounds | 9 |" in text


def many_groups(number):
    items = []
    for n in range(number):
        name = f"module/{'x' * 60}{n}.ksnap"
        items.append(contents(name, lambda text, n=n: text.replace("tl_math.cos", f"tl_math.c{n}")))
    return report(*items)


@pytest.mark.parametrize("number", [30, 150])
def test_a_long_report_is_shortened_in_the_stated_order_and_says_so(number):
    found = many_groups(number)
    text = markdown(found)
    assert len(text) < LIMIT
    assert "Left out to fit: " in text or len(markdown(found, limit=10**9)) == len(text)
    for limit in (20_000, 5_000, 600):
        short = markdown(found, limit)
        assert len(short) < limit
        assert "Left out to fit: " in short or "Cut off at" in short
        assert "--full" in short


def test_names_and_code_cannot_break_out_of_the_markdown():
    evil = "</summary><script>alert(1)</script>`` | [x](javascript:1).ksnap"
    text = markdown(report(contents(evil, lambda t: t.replace("tl_math.cos", "f('```</details>')"))))
    assert "<script>" not in re.sub(r"(`+).*?\1", "", text)
    opening = re.search(r"^(`+)diff$", text, re.M).group(1)
    assert len(opening) > 3


def test_the_json_report_has_the_documented_fields():
    data = json.loads(json_text(MANY))
    assert data["schema"] == SCHEMA
    assert data["statuses"] == {"changed": 10, "new": 1, "unreadable": 1}
    assert [change["name"] for change in data["changes"]] == sorted(change["name"] for change in data["changes"])
    assert data["groups"][0]["members"] == [f"a{number}.ksnap" for number in range(9)]
    assert data["groups"][0]["causes"] == ["mask"]
    documented = (Path(__file__).parents[2] / "docs" / "diff.md").read_text()
    for name in {*data, *data["changes"][0], *data["groups"][0]}:
        assert f"`{name}`" in documented, name


def test_an_explanation_gives_all_evidence_or_that_of_one_kernel():
    (change,) = report(contents("a.ksnap", lambda text: other_mask(other_function(text)))).changes
    text = explanation(change)
    assert "layers that differ: code" in text
    assert "instruction (another instruction" in text
    assert "tmp = tl_math.cos(tmp) -> tmp = libdevice.cos(tmp)" in text
    assert explanation(change, "k0") == text
    assert "because" not in explanation(change, "k7")


def test_a_report_on_nothing_says_so():
    empty = report(contents("a.ksnap", lambda text: text))
    assert overview_text(empty).splitlines()[0] == "1 golden: 1 the same"
    assert "1 golden: 1 the same" in markdown(empty)
    assert json.loads(json_text(empty))["changes"] == []


def test_metrics_stand_in_every_form():
    golden = parse(TEXT)
    more = tuple(replace(m, value=m.value * 3) if m.name == "loads" else m for m in golden.metrics)
    found = report(("a.ksnap", TEXT.encode(), render(replace(golden, metrics=more)).encode()), compared=4)
    assert "loads: 1 worse, 3 unchanged" in overview_text(found)
    assert "| loads | 1 worse, 3 unchanged | 1 -> 3 | +31.6 % | +200.0 % |" in markdown(found)
    (loads,) = json.loads(json_text(found))["metrics"]
    assert loads["total_of_changed"] == {"old": 1, "new": 3}
    assert loads["worst"] == {"name": "a.ksnap", "old": 1, "new": 3}
