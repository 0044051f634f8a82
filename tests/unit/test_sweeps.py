"""A sweep names everything that fails in its shard, and leaves nothing out."""

from __future__ import annotations

import pytest

import sweeps


def shards(test):
    (mark,) = test.pytestmark
    return mark.args[1]


def test_all_shards_together_see_each_thing_once():
    seen = []

    def see(thing):
        seen.append(thing)

    test = sweeps.over("abcdefghij")(see)
    for shard in shards(test):
        test(shard)
    assert sorted(seen) == [*"abcdefghij"]
    assert len(shards(sweeps.over("ab")(see))) == 2


def test_each_failure_of_a_shard_is_listed_with_what_was_wrong():
    def small(number):
        assert number < 3
        if number == 2:
            raise ValueError("two is odd")

    with pytest.raises(pytest.fail.Exception) as failed:
        sweeps.over(range(5), name=lambda number: f"n{number}", shards=1)(small)(0)
    first, *listed = str(failed.value).splitlines()
    assert first == "3 of 5 failed"
    assert [line.split(":")[0] for line in listed if line.startswith("n")] == ["n2", "n3", "n4"]
    assert "ValueError: two is odd" in listed[0]
    assert "assert 3 < 3" in listed[1]
    assert "test_sweeps.py:" in listed[1]


def test_a_sweep_over_nothing_is_an_error():
    with pytest.raises(AssertionError, match="over nothing"):
        sweeps.over([])
