"""Which of the facts that Inductor passes to a kernel's heuristics a golden keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

import labelled_pairs
from kernelsnap.diff.compare import compare
from kernelsnap.golden.format import parse, render
from kernelsnap.normalize.meta import (
    COMBO_DROPPED,
    COMBO_KEPT,
    DEFAULTS,
    DROPPED,
    KEPT,
    kernel_meta,
    unjudged,
    without_hints,
)

#: What the launch, the plan, the metrics or the code show, by the name that torch gives it.
SHOWN_ELSEWHERE = (
    "size_hints",
    "tile_hint",
    "tiling_scores",
    "reduction_hint",
    "autotune_hints",
    "min_elem_per_thread",
    "optimize_mem",
    "num_load",
    "mutated_arg_names",
    "RSPLIT_SIZE",
    "is_hip",
)
COMBO = (
    "{'autotune_grouping': True, 'default_config': {'XBLOCK': 1024}, 'inductor_meta_0': {'num_load': 1, 'k': (1, 2)}, "
    "'min_blocks': 0, 'no_x_dim_0': False, 'num_kernels': 1, 'tile_hint_0': TileHint.DEFAULT, 'xnumel_0': 100}"
)
OF_COMBO = (
    "{'default_config': {'XBLOCK': 1024}, 'min_blocks': 0, 'no_x_dim_0': False, 'num_kernels': 1, 'xnumel_0': 100}"
)


@pytest.mark.parametrize("name", [*DROPPED, *SHOWN_ELSEWHERE])
def test_hints_and_what_belongs_to_a_machine_are_dropped(name):
    assert kernel_meta([(name, "anything")]) == ()
    assert without_hints(((name, "anything"),)) == ()
    assert not unjudged([(name, "anything")])


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in DEFAULTS.items() for value in values])
def test_a_setting_of_the_process_is_dropped_where_it_is_the_default(name, value):
    assert kernel_meta([(name, value)]) == ()
    assert without_hints(((name, value),)) == ()


@pytest.mark.parametrize("name", [*DEFAULTS, *(name for name in KEPT if "*" not in name), "template.BLOCK_M"])
def test_what_decides_how_a_kernel_runs_is_kept(name):
    assert kernel_meta([(name, "another")]) == ((name, "another"),)
    assert not unjudged([(name, "another")])


@pytest.mark.parametrize(
    "name", ["fact_of_a_newer_torch", "triton.option_of_a_newer_torch", "template", "config_hints"]
)
def test_an_unknown_fact_changes_no_golden_and_is_reported(name):
    facts = [("grid_type", "'Grid1D'"), (name, "1")]
    assert kernel_meta(facts) == (("grid_type", "'Grid1D'"),)
    assert unjudged(facts) == {name}


def test_an_unknown_fact_of_an_old_golden_stays():
    assert without_hints((("fact_of_a_newer_torch", "1"),)) == (("fact_of_a_newer_torch", "1"),)


def test_what_the_text_of_a_cutedsl_kernel_gives_its_library_is_kept():
    facts = [("precompile.device_index", "0"), ("precompile.new", "1"), ("softmax_scale", "0.125")]
    assert kernel_meta(facts, "cutedsl") == (("softmax_scale", "0.125"),)
    assert unjudged(facts, "cutedsl") == {"precompile.new"}


def test_hints_inside_the_grid_of_a_combo_kernel_are_dropped():
    assert kernel_meta([("combo_grid_meta", COMBO)]) == (("combo_grid_meta", OF_COMBO),)
    assert without_hints((("combo_grid_meta", COMBO),)) == (("combo_grid_meta", OF_COMBO),)
    assert kernel_meta([("combo_grid_meta", OF_COMBO)]) == (("combo_grid_meta", OF_COMBO),)


def test_an_unknown_entry_of_the_grid_of_a_combo_kernel_is_reported():
    new = COMBO.replace("'min_blocks'", "'news_0': 'x', 'news_1': [1], 'min_blocks'")
    assert kernel_meta([("combo_grid_meta", new)]) == (("combo_grid_meta", OF_COMBO),)
    assert unjudged([("combo_grid_meta", new)]) == {"combo_grid_meta.news"}
    assert "'news_1': [1]" in dict(without_hints((("combo_grid_meta", new),)))["combo_grid_meta"]


def test_facts_are_sorted_by_name():
    assert kernel_meta([("template.b", "1"), ("grid_type", "2")]) == (("grid_type", "2"), ("template.b", "1"))


def test_no_name_is_in_two_tables():
    assert not KEPT.keys() & DROPPED.keys()
    assert DEFAULTS.keys() <= KEPT.keys()
    assert not COMBO_KEPT & COMBO_DROPPED.keys()


@pytest.mark.parametrize("name", labelled_pairs.unchanged())
def test_goldens_of_an_older_kernelsnap_that_differ_in_hints_only_are_equal(name):
    texts = [side.decode() for side in labelled_pairs.files()[name].values()]
    assert any("tiling_scores" in text or "tile_hint" in text for text in texts)
    old, new = map(parse, texts)
    found = compare(old, new)
    assert found.same
    assert not found.hunks
    assert not found.causes


def test_a_hint_of_a_newer_torch_that_was_recorded_once_is_ignored():
    golden = parse(labelled_pairs.sides()["split-chain"]["old"].decode())
    hint = (("autotune_hints", "()"),)
    recorded = replace(golden, config=tuple(replace(entry, meta=entry.meta + hint) for entry in golden.config))
    assert "autotune_hints = ()" in render(recorded)
    assert parse(render(recorded)) == golden
    assert parse(render(golden)) == golden
