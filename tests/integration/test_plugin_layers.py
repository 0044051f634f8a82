"""`kernel_snapshot(layers=...)`: goldens of some layers."""

from __future__ import annotations

SOME = """
    def test_x(kernel_snapshot, golden):
        assert golden() == kernel_snapshot(layers=("metrics", "plan"))
        assert golden() == kernel_snapshot
"""


def test_only_these_layers_are_recorded_and_compared(project):
    project.test(SOME)
    project.record()
    some, every = (project.golden(f"test_a/{name}.h100.ksnap").read_text() for name in ("test_x", "test_x@2"))
    assert "target h100\nlayers plan metrics\n\nplan\n" in some
    assert "\ncode\n" not in some
    assert "\ncode\n" in every
    assert project.run().ret == 0
    project.compiler("2.0")
    result = project.run()
    # The code changed: the golden that holds none still stands.
    result.stdout.fnmatch_lines(["E * capture == goldens/test_a/test_x@2.h100.ksnap*"])


def test_other_layers_than_recorded_are_a_difference(project):
    project.test(SOME)
    project.record()
    project.test(SOME.replace('(layers=("metrics", "plan"))', ""))
    before = project.files()
    assert project.run().ret == 1
    assert project.files() == before
    project.record()
    assert "\ncode\n" in project.golden("test_a/test_x.h100.ksnap").read_text()


def test_a_layer_that_does_not_exist(project):
    project.test("""
        def test_x(kernel_snapshot, golden):
            assert golden() == kernel_snapshot(layers=("plan", "costs"))
    """)
    result = project.run("--snapshot-update")
    result.stdout.fnmatch_lines(["E *GoldenError: a golden has no layer 'costs': its layers are plan, metrics,*"])
    assert project.names() == []
