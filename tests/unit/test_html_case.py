"""What the page says of one golden: which kernels are shown, in what order, and what became of each."""

from __future__ import annotations

from dataclasses import replace

import labelled_pairs
import sweeps
from kernelsnap.diff.tree.change import change_of
from kernelsnap.golden.format import parse, render
from kernelsnap.report.html.case import case_id, case_view

SIDES = labelled_pairs.sides()


def view(change):
    assert change is not None
    assert change.diff is not None
    return case_view(change, change.diff, full=False)


def pair(name):
    return view(labelled_pairs.change(name))


def test_the_parts_of_a_split_kernel_in_the_order_they_run():
    parts = [(part.name, part.kind, part.sign, part.says) for part in pair("split-chain").parts]
    assert parts == [
        ("k1", "pointwise", "÷ split", "k0 → k0 k1 k2"),
        ("k0", "persistent reduction", "÷ split", "k0 → k0 k1 k2"),
        ("k2", "pointwise", "÷ split", "k0 → k0 k1 k2"),
        ("host code", "", "~ changed", ""),
    ]


def test_a_graph_break_shows_its_reason_and_the_graphs_that_it_makes():
    found = pair("edit-break")
    (reason,) = found.other
    assert "graph break" in str(reason.runs[0].rows[0].new.html)
    assert [(plan.old_graph, plan.graph) for plan in found.plans] == [("inference", "inference.0"), ("", "inference.1")]
    signs = {(part.graph, part.name): part.sign for part in found.parts}
    assert signs["inference.1", "k0"] == signs["inference.1", "host code"] == "+ new"
    assert signs["inference.0", "k0"] == "~ changed"
    assert {delta.graph for delta in found.by_graph} == {"inference.0", "inference.1"}


@sweeps.over(labelled_pairs.every_second())
def test_evidence_leads_to_a_kernel_that_is_shown_and_boxes_do_too(name):
    found = pair(name)
    places = {part.id for part in found.parts}
    assert len(places) == len(found.parts)
    led = {found.place_of(finding.where) for cause in found.change.causes for finding in cause.findings}
    assert led - {""} <= places
    for part in found.parts:
        assert part.blocks
        assert part.id.startswith(f"{case_id('case.h100.ksnap')}.")
        assert found.place_of(f"{part.graph} {part.name}") == part.id
    assert found.place_of("inference no such kernel") == ""


def test_evidence_about_a_kernel_leads_to_it_under_the_name_that_the_page_uses():
    found = pair("split-chain")
    (finding,) = found.change.causes[0].findings
    assert finding.where == "inference k0"  # the new golden itself calls it k1
    assert found.place_of(finding.where).endswith(".inference.k0")


def test_a_refusal_is_shown_though_there_is_no_graph():
    golden = parse(SIDES["split-chain"]["old"].decode())
    refused = replace(golden, plan=(), metrics=(), config=(), code=(), refusal="no <b>way</b>")
    found = view(change_of("case.h100.ksnap", SIDES["split-chain"]["old"], render(refused).encode()))
    (text,) = found.other
    assert "no &lt;b&gt;way" in text.runs[0].rows[0].new.html
    assert {part.sign for part in found.parts} == {"- gone"}
    assert [plan.new for plan in found.plans] == [None]
