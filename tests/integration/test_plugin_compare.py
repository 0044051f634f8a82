"""Recording, comparing and updating goldens with pytest."""

from __future__ import annotations

import pytest

TWO = """
    def test_one(kernel_snapshot, golden):
        assert golden() == kernel_snapshot

    def test_two(kernel_snapshot, golden):
        assert kernel_snapshot == golden(lines=5)
"""


def test_records_then_passes(project):
    project.test(TWO)
    missing = project.run()
    missing.assert_outcomes(failed=2)
    assert not project.goldens.exists()
    missing.stdout.fnmatch_lines(
        [
            "E * assert capture == goldens/test_a/test_one.h100.ksnap (missing)",
            "E * There is no golden yet: goldens/test_a/test_one.h100.ksnap",
            "E * To record it:  pytest test_a.py::test_one --snapshot-update",
        ]
    )
    recorded = project.run("--snapshot-update")
    recorded.assert_outcomes(passed=2)
    recorded.stdout.fnmatch_lines(["2 goldens recorded"])
    assert project.names() == ["test_a/test_one.h100.ksnap", "test_a/test_two.h100.ksnap"]
    text = project.golden("test_a/test_one.h100.ksnap").read_text()
    assert text.startswith("kernelsnap 1\ncase test_a.py::test_one\ntarget h100\n")
    project.run().assert_outcomes(passed=2)


def test_update_on_an_unchanged_tree_writes_nothing(project):
    project.test(TWO)
    project.record()
    before = project.files()
    project.record()
    project.record("-k", "one")
    assert project.files() == before


def test_update_writes_what_changed_and_nothing_else(project):
    project.test(TWO.replace("golden()", "golden(constant='7')"))
    project.record()
    before = project.files()
    project.compiler("2.0")
    result = project.run("--snapshot-update")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["1 golden unchanged, 1 rewritten"])
    after = project.files()
    assert [name for name in before if before[name] != after[name]] == ["test_a/test_two.h100.ksnap"]
    project.run().assert_outcomes(passed=2)


def test_new_only_leaves_what_differs(project):
    project.test(TWO)
    project.record("-k", "one")
    before = project.files()
    project.compiler("2.0")
    project.run("--snapshot-update-new-only").assert_outcomes(passed=1, failed=1)
    after = project.files()
    assert project.names() == ["test_a/test_one.h100.ksnap", "test_a/test_two.h100.ksnap"]
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("options", [[], ["--snapshot-update-new-only"]])
def test_ci_records_nothing_unless_told_to_update(project, monkeypatch, options):
    monkeypatch.setenv("CI", "true")
    project.test(TWO)
    result = project.run(*options)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E * In CI nothing is recorded*"])
    assert not project.goldens.exists()
    project.run("--snapshot-update").assert_outcomes(passed=2)
    assert len(project.names()) == 2


def test_several_assertions_in_one_test(project):
    project.test("""
        class TestIt:
            def test_x(self, kernel_snapshot, golden):
                assert golden(lines=1) == kernel_snapshot
                assert golden(lines=2) == kernel_snapshot(name="Second one")
                assert golden(lines=3) == kernel_snapshot
    """)
    project.record()
    assert project.names() == [
        "test_a/TestIt.test_x.h100.ksnap",
        "test_a/TestIt.test_x@2.h100.ksnap",
        "test_a/TestIt.test_x@^second%20one.h100.ksnap",
    ]
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["2", "a"])
def test_a_name_used_twice_is_an_error(project, name):
    project.test(f"""
        def test_x(kernel_snapshot, golden):
            assert golden(lines=1) == kernel_snapshot(name="{name}")
            assert golden(lines=2) == kernel_snapshot(name="{name}")
    """)
    result = project.run("--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * kernelsnap.errors.GoldenPathError: *"])


def test_a_name_cannot_leave_the_folder(project):
    project.test("""
        def test_x(kernel_snapshot, golden):
            assert golden() == kernel_snapshot(name="../../../escaped")
    """)
    project.record()
    assert project.names() == ["test_a/test_x@..%2F..%2F..%2Fescaped.h100.ksnap"]


def test_ids_that_look_alike_keep_apart(project):
    project.test("""
        import pytest

        @pytest.mark.parametrize("n", range(8), ids=["a/b", "ab", "a%2Fb", "A/B", "n", "N", "^n", "test_x.py"])
        def test_x(kernel_snapshot, golden, n):
            assert golden(lines=n + 1) == kernel_snapshot

        @pytest.mark.parametrize("n", range(2), ids=["p" * 300, "p" * 301])
        def test_long(kernel_snapshot, golden, n):
            assert golden(lines=n + 1) == kernel_snapshot
    """)
    project.record()
    names = project.names()
    assert len({name.lower() for name in names}) == 10
    assert all(len(name.removeprefix("test_a/").encode()) <= 255 for name in names)
    project.run().assert_outcomes(passed=10)
    # None of them is taken for a test module.
    project.run("--collect-only", "-q", "goldens").assert_outcomes()


def test_the_whole_difference_is_shown(project):
    project.test("""
        def test_x(kernel_snapshot, golden):
            assert golden(lines=400, constant=open("constant").read()) == kernel_snapshot, "words of the user"
    """)
    project.record()
    project.compiler("2.0")
    for options in ([], ["-vv"], ["--assert=plain"], ["--tb=short"]):
        result = project.run(*options)
        result.assert_outcomes(failed=1)
        # With -vv pytest repeats the message in its summary.
        text = result.stdout.str().partition("short test summary info")[0]
        assert text.count("tl.store(in_ptr0, 1.0)") == 1, options
        assert text.count("tl.store(in_ptr0, 2.0)") == 1, options
        assert "truncated" not in text
        assert "words of the user" in text
        result.stdout.fnmatch_lines(["E * To accept:  pytest test_a.py::test_x --snapshot-update"])
        assert "syrupy/" not in text


def test_every_difference_of_a_test_is_shown(project):
    project.test("""
        def test_x(kernel_snapshot, golden):
            first = golden() == kernel_snapshot
            second = golden() == kernel_snapshot(name="b")
            assert first and second
    """)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * goldens/test_a/test_x.h100.ksnap", "E * goldens/test_a/test_x@b.h100.ksnap"])


def test_color_where_the_terminal_has_it(project):
    project.test(TWO)
    project.record()
    project.compiler("2.0")
    for options in ([], ["-n", "2"]):
        plain = project.subprocess("--color=no", *options)
        assert "\x1b[" not in plain.stdout.str()
        colored = project.subprocess("--color=yes", *options)
        added = [line for line in colored.outlines if "tl.store(in_ptr0, 2.0)" in line]
        assert len(added) == 2
        # Of its own, not only pytest's red.
        assert all("32m" in line for line in added)


def test_the_command_names_the_module_from_where_pytest_was_started(project, monkeypatch):
    project.test(TWO, "deep/er/test_a.py")
    monkeypatch.chdir(project.root / "deep")
    result = project.run("er")
    result.stdout.fnmatch_lines(["E * To record it:  pytest er/test_a.py::test_one --snapshot-update"])


def test_folders_mirror_the_tests_folder(project):
    project.ini(kernelsnap_tests="checks/kernels", kernelsnap_goldens="expected/golden")
    project.test(TWO, "checks/kernels/attention/test_a.py")
    project.record()
    found = sorted(path.relative_to(project.root).as_posix() for path in project.root.rglob("*.ksnap"))
    assert found == [
        "expected/golden/attention/test_a/test_one.h100.ksnap",
        "expected/golden/attention/test_a/test_two.h100.ksnap",
    ]
    project.test(TWO, "elsewhere/test_b.py")
    result = project.run("elsewhere")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["GoldenPathError: the test module * is not below */checks/kernels*"])


def test_other_values_are_refused(project):
    project.test("""
        def test_x(kernel_snapshot):
            assert "text" == kernel_snapshot
    """)
    result = project.run("--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * kernel_snapshot compares what kernelsnap.capture(...) returns, not str; *"])
    assert project.files() == {}


def test_assert_match_says_the_same(project):
    project.test("""
        def test_x(kernel_snapshot, golden):
            kernel_snapshot.assert_match(golden())
    """)
    project.run().stdout.fnmatch_lines(["E * To record it:  pytest test_a.py::test_x --snapshot-update"])
