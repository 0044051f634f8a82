"""Groups of changes, and what many changes come to in numbers."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import kernelsnap.diff.compare as compare_module
import kernelsnap.diff.tree.change as change_module
from kernelsnap.cli.main import main
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.finding import Cause, Finding
from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.diff.tree.change import Change, change_of
from kernelsnap.diff.tree.group import grouped
from kernelsnap.diff.tree.kept import Keeper
from kernelsnap.diff.tree.summary import summarize

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
#: Four goldens that change in one way, and two in another.
EDITS = {f"a{n}": ("tl_math.cos", "libdevice.cos") for n in range(4)} | {f"b{n}": ("xmask)", "None)") for n in range(2)}


def change(name, cause=CauseName.MASK, pattern="xmask", kernels=(1, 1), loads=(2, 2), status="changed"):
    metrics = (
        MetricDelta("total", "kernels", "", "lower", *kernels),
        MetricDelta("total", "loads", "", "lower", *loads),
    )
    finding = Finding(cause, "forward k0", f"evidence in {name}", pattern)
    return Change(name, status, f"tests/{name}", "h100", ("code",), (Cause(cause, (finding,)),), metrics)


def test_the_same_pattern_in_many_goldens_is_one_group():
    groups = grouped([change("b"), change("a"), change("c", pattern="ymask"), change("d", cause=CauseName.DTYPE)])
    assert [[member.name for member in group.members] for group in groups] == [["a", "b"], ["c"], ["d"]]
    assert groups[0].exemplar.name == "a"


def test_members_whose_effect_goes_another_way_are_exceptions():
    (group,) = grouped([change("a"), change("b"), change("c", kernels=(1, 2)), change("d", kernels=(1, None))])
    assert [member.name for member in group.exceptions] == ["c", "d"]
    assert group.exemplar.name == "a"


def test_unreadable_goldens_are_in_no_group():
    assert grouped([change("a", status="unreadable")]) == ()


def test_a_summary_counts_and_means():
    changes = [change("a", loads=(2, 4)), change("b", loads=(4, 2)), change("c", loads=(8, 2)), change("d")]
    (loads,) = summarize(changes, same=6)
    assert (loads.name, loads.improved, loads.regressed, loads.unchanged, loads.missing) == ("loads", 2, 1, 7, 0)
    assert (loads.old_total, loads.new_total) == (16, 10)
    assert loads.mean_of_changed == pytest.approx(math.pow(2 * 0.5 * 0.25, 1 / 3))
    assert loads.mean_of_all == pytest.approx(math.pow(0.25, 1 / 10))
    assert loads.largest_gain == ("c", 8, 2)
    assert loads.largest_loss == ("a", 2, 4)


def test_missing_numbers_are_missing_and_zeros_have_no_ratio():
    changes = [change("a", loads=(None, 4)), change("b", loads=(0, 3)), change("c", loads=(3, 0))]
    (loads,) = summarize(changes, same=0)
    assert (loads.improved, loads.regressed, loads.missing, loads.zeros) == (1, 1, 1, 2)
    assert (loads.old_total, loads.new_total) == (3, 3)
    assert loads.mean_of_changed is None
    assert loads.mean_of_all is None
    assert loads.largest_gain is None


def test_a_golden_that_only_one_side_has_is_in_no_metric():
    assert summarize([change("a", status="new", loads=(None, 4))], same=3) == ()


def test_what_is_kept_is_the_comparison_of_each_exemplar_and_of_every_change_if_wanted():
    pairs = [(f"{name}.ksnap", TEXT.encode(), TEXT.replace(*edit).encode()) for name, edit in EDITS.items()]
    changes = [change_of(*pair) for pair in reversed(pairs)]
    wanted, every = Keeper(every=False), Keeper(every=True)
    for found in changes:
        wanted.add(found)
        every.add(found)
    groups = grouped(wanted.changes)
    assert sorted(wanted.diffs) == sorted(group.exemplar.name for group in groups)
    assert len(groups) == 2
    assert sorted(every.diffs) == sorted(found.name for found in changes)
    for found in changes:
        assert every.diffs[found.name].hunks == found.diff.hunks
    assert not any(found.diff for found in wanted.changes)


def test_no_pair_of_goldens_is_compared_twice(tmp_path, monkeypatch, capsys):
    """Not for four forms of report in one run, in which the page shows every member of a group."""
    pytest.importorskip("kernelsnap.report.html.page")
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        for name, edit in EDITS.items():
            (tmp_path / side / f"{name}.h100.ksnap").write_text(TEXT.replace(*edit) if side == "new" else TEXT)
    calls = Counter()

    def counted(function):
        def call(*arguments):
            calls[function.__name__] += 1
            return function(*arguments)

        return call

    for module, names in (
        (change_module, ["parse"]),
        (compare_module, ["compare", "changed_layers", "matched_graphs", "classify", "align_matched", "hunks"]),
    ):
        for name in names:
            monkeypatch.setattr(module, name, counted(getattr(module, name)))
    files = [word for form in ("markdown", "json", "html") for word in (f"--{form}", str(tmp_path / form))]
    assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new"), "--full", "--jobs", "1", *files]) == 1
    assert f"{len(EDITS)} goldens: {len(EDITS)} changed" in capsys.readouterr().out
    page = (tmp_path / "html").read_text()
    assert all(f">{name}.h100.ksnap<" in page for name in EDITS)
    pairs = len(EDITS)
    assert calls == {
        "parse": 4 * pairs,  # what is compared is let go; it is read again once it is known that few enough changed
        "compare": pairs,
        "changed_layers": pairs,
        "matched_graphs": pairs,
        "classify": pairs,
        "align_matched": pairs,
        "hunks": 2,  # of the exemplars of two groups: the others are shown side by side only
    }


def test_an_unreadable_golden_says_why_and_where():
    found = change_of("x.ksnap", b"kernelsnap 1\nnonsense\nend\n", None)
    assert found.status == "unreadable"
    assert found.error.startswith("x.ksnap (old):2:")
    assert change_of("x.ksnap", b"kernelsnap 1\n\xff", None).error.startswith("x.ksnap (old):2: the file is not UTF-8")
    assert change_of("x.ksnap", None, b"kernelsnap 1\ncase\r\n").error.startswith(
        "x.ksnap (new):2: the file has Windows"
    )


def test_a_member_with_more_than_the_exemplar_is_an_exception_that_tells_what():
    other = replace(change("c", kernels=(1, 2)), operations=frozenset({"+ convert_element_type"}))
    (group,) = grouped([change("a"), change("b"), other])
    assert [member.name for member in group.exceptions] == ["c"]
    assert group.beyond(other) == ("operation + convert_element_type", "kernels 1 -> 2")
    assert group.beyond(change("b")) == ()


def test_every_form_of_report_tells_what_a_member_has_beyond_the_exemplar(tmp_path, capsys):
    pytest.importorskip("kernelsnap.report.html.page")
    operations = {"a": "cos neg", "b": "cos neg", "more": "cos neg convert_element_type"}
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        for name, in_plan in operations.items():
            text = TEXT.replace(" = cos\n", f" = {in_plan}\n") if side == "new" else TEXT
            (tmp_path / side / f"{name}.h100.ksnap").write_text(text.replace("tl_math.cos", "-tl_math.cos"))
    new = tmp_path / "new"
    for path in new.iterdir():
        path.write_text(path.read_text().replace("-tl_math.cos(tmp0)", "tl_math.cos(-tmp0)"))
    forms = ("markdown", "json", "html")
    files = [word for form in forms for word in (f"--{form}", str(tmp_path / form))]
    assert main(["diff", str(tmp_path / "old"), str(new), "--jobs", "1", *files]) == 1
    for text in (capsys.readouterr().out, *((tmp_path / form).read_text() for form in forms)):
        assert "operation + convert_element_type" in text
