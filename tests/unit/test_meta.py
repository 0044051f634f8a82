"""Which of the facts that a kernel's heuristics are told stay in its golden."""

from __future__ import annotations

import pytest

from kernelsnap.normalize.meta import DEFAULTS, ENVIRONMENT, kernel_meta


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_what_belongs_to_a_machine_or_a_process_is_dropped(name):
    assert kernel_meta([(name, "anything")]) == ()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in DEFAULTS.items() for value in values])
def test_a_setting_of_the_process_is_dropped_where_it_is_the_default(name, value):
    assert kernel_meta([(name, value)]) == ()


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_setting_that_is_not_the_default_is_kept(name):
    assert kernel_meta([(name, "another")]) == ((name, "another"),)


def test_an_unknown_fact_is_kept():
    assert kernel_meta([("fact_of_a_newer_torch", "1")]) == (("fact_of_a_newer_torch", "1"),)


def test_facts_stand_in_order_of_their_names():
    assert kernel_meta([("b", "1"), ("a", "2")]) == (("a", "2"), ("b", "1"))


def test_no_name_stands_in_both_tables():
    assert not set(ENVIRONMENT) & set(DEFAULTS)
