"""What is imported with the tests is no garbage: the collector passes over it for as long as pytest runs."""

from __future__ import annotations

import sys

import pytest

RUNS = """
import gc, sys
import pytest

gc.set_threshold(600, 10, 10)
{before}
status = pytest.main(["-q"])
print("left:", gc.get_threshold(), gc.get_freeze_count() > 0)
sys.exit(status)
"""


@pytest.fixture
def run(pytester):
    # No more of torch than its name.
    pytester.makepyfile(torch="def made(): return [[]]")

    def run(test, before=""):
        pytester.makepyfile(test_it=test, runs=RUNS.format(before=before))
        return pytester.run(sys.executable, "runs.py")

    return run


def test_what_is_imported_is_passed_over_until_the_run_ends(run):
    result = run("""
        import gc
        import torch

        DURING = gc.get_threshold()
        made = torch.made()

        def test_it():
            assert DURING[0] > 10_000
            assert gc.get_threshold() == (600, 10, 10)
            assert gc.get_freeze_count() > 1_000
            assert not any(found is made for found in gc.get_objects())
            cycle = []
            cycle.append(cycle)
            del cycle
            assert gc.collect() > 0
    """)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["left: (600, 10, 10) False"])


@pytest.mark.parametrize(("imported", "before", "left"), [("json", "", False), ("torch", "gc.freeze()", True)])
def test_without_torch_or_where_somebody_else_froze_something_nothing_is_done(run, imported, before, left):
    result = run(
        f"""
        import gc
        import {imported}

        made = [[]]

        def test_it():
            assert any(found is made for found in gc.get_objects())
    """,
        before,
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"left: (600, 10, 10) {left}"])


def test_a_run_inside_a_run_leaves_the_collector_to_the_outer_one(run):
    result = run("""
        import gc
        import pytest
        import torch

        def test_it(tmp_path, monkeypatch):
            (tmp_path / "test_inside.py").write_text("def test_inside(): pass")
            with monkeypatch.context() as patch:
                patch.setattr(gc, "get_freeze_count", None)  # it counts: in a large process that takes long
                assert pytest.main(["-q", "-p", "no:cacheprovider", str(tmp_path)]) == 0
            assert gc.get_freeze_count() > 1_000
    """)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["left: (600, 10, 10) False"])
