"""Causes do not depend on what kernels and buffers are called, and say the names that the report shows."""

from __future__ import annotations

import random
import re

import labelled_pairs
import sweeps
from kernelsnap.diff.causes.classify import classify
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.match.pairs import matched_graphs
from kernelsnap.golden.canonical import HOST, USER_TRITON, canonical, kernel_names, rename_graph


def said(old, new):
    """Each piece of evidence, without the text in which buffers are named."""
    return evidence(classify(Facts(old, new, matched_graphs(old, new))))


def evidence(causes):
    return [(cause.name, finding.where, finding.pattern) for cause in causes for finding in cause.findings]


def renamed(golden, seed):
    """The golden with the names of its kernels, and of its buffers, exchanged among themselves in every graph."""
    choose = random.Random(seed)
    for plan in golden.plan:
        written = {step.name for step in plan.steps if step.kind == USER_TRITON}
        host = "".join(piece.text for piece in golden.code if (piece.graph, piece.name) == (plan.graph, HOST))
        buffers = {buffer.name for step in plan.steps for buffer in step.writes}
        groups = [
            [name for name in kernel_names(golden, plan) if name not in written],
            sorted(name for name in buffers | set(re.findall(r"\bbuf\d+\b", host)) if re.fullmatch(r"buf\d+", name)),
        ]
        names = {}
        for group in groups:
            names.update(zip(group, choose.sample(group, len(group)), strict=True))
        golden = rename_graph(golden, plan.graph, names)
    return golden


@sweeps.over(labelled_pairs.every_second())
def test_causes_are_those_of_the_new_golden_under_any_names(name):
    diff = labelled_pairs.diff(name)
    old, new = diff.old, diff.recorded
    expected = evidence(diff.causes)
    other = renamed(new, len(name))
    assert canonical(other) == canonical(new)
    assert said(old, other) == expected
    other = renamed(old, len(name))
    assert [(cause, pattern) for cause, _, pattern in said(other, new)] == [(c, p) for c, _, p in expected]


@sweeps.over(labelled_pairs.every_second())
def test_an_aligned_golden_has_the_same_causes_and_evidence_calls_kernels_what_the_diff_calls_them(name):
    diff = labelled_pairs.diff(name)
    assert sorted(set(said(diff.old, diff.new))) == sorted(set(evidence(diff.causes)))
    known = {
        f"{plan.graph} {step.name}" for golden in (diff.old, diff.new) for plan in golden.plan for step in plan.steps
    }
    known |= {f"{piece.graph} {piece.name}" for golden in (diff.old, diff.new) for piece in golden.code}
    known |= {plan.graph for golden in (diff.old, diff.new) for plan in golden.plan} | {"", "host"}
    for cause in diff.causes:
        for finding in cause.findings:
            assert finding.where in known
