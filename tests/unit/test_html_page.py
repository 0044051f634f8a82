"""The HTML page as text: what it holds and leaves out, its places, its policy, and that its colours can be read."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.diff.tree.change import change_of
from kernelsnap.diff.tree.kept import Compared
from kernelsnap.golden.format import parse, render
from kernelsnap.report.html import page
from kernelsnap.report.html.case import case_id, part_id
from kernelsnap.report.model import View, report_of

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "goldens" / "test_fusion"
TEXT = (GOLDENS / "FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
CSS = (ROOT / "src/kernelsnap/report/html/templates/page.css").read_text()


def other_mask(text):
    return text.replace("tl.store(out_ptr0 + (x0), tmp3, xmask)", "tl.store(out_ptr0 + (x0), tmp3, None)")


def other_function(text):
    return text.replace("tl_math.cos", "libdevice.cos")


def contents(name, edit):
    return name, TEXT.encode(), edit(TEXT).encode()


def html(*items, full=False, **model):
    changes = [change for item in items if (change := change_of(*item))]
    by_name = {item[0]: item for item in items}
    found = Compared(tuple(changes), {change.name: change.diff for change in changes if change.diff})
    report = report_of(("old", "new"), ("kernelsnap", "diff", "old", "new"), len(items), found, by_name, 20, **model)
    return page.render(report, View(full, "my report.html"))


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))


MANY = [
    *(contents(f"a{n}.ksnap", other_mask) for n in range(9)),
    *(contents(f"b{n}.ksnap", other_function) for n in range(3)),
]


def test_it_is_the_same_text_every_time_and_ends_with_the_command():
    assert html(*MANY) == html(*reversed(MANY))
    assert "kernelsnap diff old new --html &#39;my report.html&#39;</code>" in html(*MANY)
    assert "kernelsnap diff old new --html &#39;my report.html&#39; --full</code>" in html(*MANY, full=True)


def test_all_goldens_are_in_its_data_by_group():
    cases = data_of(html(*MANY))["cases"]
    assert [(case[0], case[2]) for case in cases] == [(f"a{n}.ksnap", 0) for n in range(9)] + [
        (f"b{n}.ksnap", 1) for n in range(3)
    ]
    assert cases[0][4] == ["h100", "a100", "b200"]


def test_exemplars_come_first_where_not_all_are_shown(monkeypatch):
    monkeypatch.setattr(page, "MOST_BODIES", 2)
    text = html(*MANY)
    assert re.findall(r'<details class="case" id="([^"]+)"', text) == [case_id("a0.ksnap"), case_id("b0.ksnap")]
    assert "Left out of this file: the diffs of 10 goldens." in text
    assert html(*MANY, full=True).count('<details class="case"') == 12


def test_the_text_of_diffs_is_limited(monkeypatch):
    monkeypatch.setattr(page, "MOST_TEXT", 1)
    assert html(*MANY).count('<details class="case"') == 1
    assert "Left out" not in html(*MANY, full=True)


def test_groups_that_are_not_shown_are_said(monkeypatch):
    monkeypatch.setattr(page, "MOST_GROUPS", 1)
    text = html(*MANY)
    assert "the 1 last groups" in text
    assert len(data_of(text)["cases"]) == 9


def test_goldens_of_one_side_and_unreadable_ones_are_named():
    text = html(("n.ksnap", None, TEXT.encode()), ("g.ksnap", TEXT.encode(), None), ("u.ksnap", b"no", b"golden"))
    assert {case[0]: case[3] for case in data_of(text)["cases"]} == {"n.ksnap": "new", "g.ksnap": "gone"}
    assert "u.ksnap (old):1: not a golden" in text


def test_the_first_golden_with_a_diff_is_open():
    new = [(f"n{n}.ksnap", None, TEXT.encode()) for n in range(3)]
    text = html(*new, MANY[0], MANY[1])
    assert re.findall(r'<details class="case" id="([^"]+)" open>', text) == [case_id("a0.ksnap")]


def test_two_sides_that_are_the_same_are_said_to_be():
    assert "Both sides say the same" in html(contents("a.ksnap", str))


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (("torch 2.13.0", "torch 2.14.1"), "torch 2.13.0 → torch 2.14.1"),
        (("torch 2.13.0", "torch 2.13.0"), "torch 2.13.0 on both sides"),
        (("", "torch 2.13.0"), "unknown versions → torch 2.13.0"),
    ],
)
def test_the_versions_of_both_sides_are_said_where_known(versions, said):
    assert said in " ".join(html(*MANY, versions=versions).split())
    assert "versions" not in html(*MANY).split("<main>")[1].split("</main>")[0]


def test_the_policy_names_the_hashes_of_what_is_in_the_page():
    text = html(*MANY)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1).replace("&#39;", "'")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    # What the policy would not let through has no place in the page: it would be silently without effect.
    assert not re.search(r"<[^>]+ style=|<[^>]+ on\w+=|\bsrc=|url\(", text)


def test_no_text_of_a_golden_is_markup():
    golden = parse(TEXT)
    attack = "</script><script>alert(1)</script>{{ 7 * 7 }}<!--"
    text = render(golden).replace("::test_horizontal", f"::{attack}test_horizontal")
    name = f"{attack}.ksnap"
    found = html((name, text.encode(), other_function(text).encode()))
    assert found.count("<script") == 2
    assert "alert(1)" in found
    assert "<script>alert" not in found
    assert data_of(found)["cases"][0][0] == name
    assert "<!--" not in found


@given(st.text(min_size=1), st.text(min_size=1))
def test_places_are_plain_and_differ_with_their_names(one, other):
    assert re.fullmatch(r"[a-z0-9-]+", case_id(one))
    assert (case_id(one) == case_id(other)) == (one == other)


def test_places_of_kernels_read_like_their_names():
    case = case_id("test_fusion/FusionTests.test_softmax[cos-mm].h100.ksnap")
    assert case.startswith("test-fusion-fusiontests-test-softmax-cos-mm-h100-")
    assert part_id(case, "forward", "k1") == f"{case}.forward.k1"
    assert part_id(case, "forward", "my_kernel") != part_id(case, "forward", "my-kernel")


def test_places_do_not_depend_on_what_else_changed():
    def places(text):
        return set(re.findall(r'id="([a-z0-9-]+(?:\.[\w.-]+)?)"', text))

    assert places(html(MANY[0])) <= places(html(*MANY))


def luminance(color):
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The ratio of WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


COLORS = {name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", CSS)}
CODE = [name for name in COLORS if name.startswith("code-")]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("text", [*CODE, "text", "muted", "accent", "good", "bad", "warn"])
def test_text_can_be_read_on_whatever_it_stands_on(text, scheme):
    on_code = text in CODE or text == "text"
    grounds = ["page", "panel", *(("removed", "added", "removed-word", "added-word") if on_code else ())]
    for ground in grounds:
        assert contrast(COLORS[text][scheme], COLORS[ground][scheme]) >= 4.5, ground
    if text in ("muted", "bad"):
        assert contrast(COLORS[text][scheme], COLORS["removed"][scheme]) >= 4.5


def test_where_no_metric_moved_that_is_said():
    assert '<p class="sentence">no metric changed</p>' in html(contents("a", other_function))
    assert "no metric changed" not in html(contents("a", lambda text: text))


def test_a_renamed_golden_says_how_it_was_called():
    text = html(("old name", TEXT.encode(), None), ("new name", None, TEXT.encode()))
    assert "1 golden only changed its name" in text
    assert {case[0]: case[-1] for case in data_of(text)["cases"]} == {
        "new name": "was old name", "old name": "is now new name",
    }  # fmt: skip


def test_one_error_of_many_goldens_is_told_once():
    text = html(*((f"x{n}.ksnap", TEXT.encode(), b"") for n in range(5)))
    assert text.count("not a golden: the first line") == 1
    assert "the same in 4 goldens more" in text
    assert '<li class="name">x4.ksnap</li>' in text


def test_what_cannot_be_seen_is_written_out():
    trojan = "\u202e\x1b\u200b"
    text = html(contents(f"a{trojan}.ksnap", lambda text: text.replace("tl_math.cos", f"tl_math.{trojan}")))
    assert not re.search("[\u202e\x1b\u200b]", text)
    assert re.sub("<[^>]*>", "", text).count("tl_math.\\u202e\\x1b\\u200b") == 2  # in the evidence and in the code
    assert "a\\u202e\\x1b\\u200b.ksnap</span>" in text
    assert data_of(text)["cases"][0][0] == "a\\u202e\\x1b\\u200b.ksnap"


def test_it_needs_no_installed_kernelsnap(monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    assert "Made by kernelsnap (run from its source, not installed)" in html(contents("a", other_function))
