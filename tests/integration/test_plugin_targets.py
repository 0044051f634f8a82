"""For which GPUs a test runs: option, marker, setting."""

from __future__ import annotations

import pytest

ONE = """
    def test_x(kernel_snapshot, golden, kernel_device):
        assert kernel_device == "cuda"
        assert golden() == kernel_snapshot
"""
MARKED = """
    import pytest

    @pytest.mark.kernelsnap_target({})
    def test_x(kernel_snapshot, golden, kernel_device):
        assert golden(lines=7 if kernel_device == "cpu" else 3) == kernel_snapshot
"""


def ids(project, *options: str) -> list[str]:
    result = project.run("--collect-only", "-q", *options)
    return [line for line in result.outlines if "::" in line]


def test_one_target_keeps_node_ids(project):
    project.test(ONE)
    assert ids(project) == ["test_a.py::test_x"]
    assert ids(project, "--kernelsnap-target", "a100") == ["test_a.py::test_x"]
    project.record("--kernelsnap-target=a100")
    assert project.names() == ["test_a/test_x.a100.ksnap"]


def test_several_targets(project):
    project.test(ONE)
    both = ["test_a.py::test_x[a100]", "test_a.py::test_x[h100]"]
    assert ids(project, "--kernelsnap-target", "a100, h100,a100") == both
    project.record("--kernelsnap-target", "a100,h100")
    assert project.names() == ["test_a/test_x.a100.ksnap"]
    assert "case test_a.py::test_x\ntarget a100 h100\n" in project.golden("test_a/test_x.a100.ksnap").read_text()
    # The same goldens, however many targets a run has.
    for target in ("a100", "h100", "h100,a100"):
        assert project.run("--kernelsnap-target", target).ret == 0


def test_target_after_the_other_parameters(project):
    project.test("""
        import pytest

        @pytest.mark.parametrize("n", [1, 2, pytest.param(3, id="h100"), pytest.param(4, id="")])
        def test_x(kernel_snapshot, golden, n):
            assert golden(lines=n) == kernel_snapshot
    """)
    assert ids(project, "--kernelsnap-target", "a100,h100")[:2] == [
        "test_a.py::test_x[1-a100]",
        "test_a.py::test_x[1-h100]",
    ]
    project.record()
    project.record("--kernelsnap-target", "a100,h100")
    stems = ("test_x[1]", "test_x[2]", "test_x[]", "test_x[h100]")
    assert project.names() == [f"test_a/{stem}.h100.ksnap" for stem in stems]


def test_the_command_names_the_target_where_it_has_to(project):
    project.test(ONE)
    for options, words in (
        ([], "test_a.py::test_x"),
        (["--kernelsnap-target", "a100"], "test_a.py::test_x --kernelsnap-target a100"),
        (["--kernelsnap-target", "h100"], "test_a.py::test_x"),
    ):
        project.run(*options).stdout.fnmatch_lines([f"E * To record it:  pytest {words} --snapshot-update"])
    two = project.run("--kernelsnap-target", "l4,a100")
    two.stdout.fnmatch_lines(["E * To record it:  pytest test_a.py::test_x --kernelsnap-target l4 --snapshot-update"])
    # It does what it says.
    project.run("test_a.py::test_x", "--kernelsnap-target", "l4", "--snapshot-update")
    assert project.names() == ["test_a/test_x.l4.ksnap"]


def test_setting(project):
    project.ini(kernelsnap_target="a100, cpu")
    project.test(ONE.replace('== "cuda"', 'in ("cuda", "cpu")'))
    assert ids(project) == ["test_a.py::test_x[a100]", "test_a.py::test_x[cpu]"]
    assert ids(project, "--kernelsnap-target=h100") == ["test_a.py::test_x"]


def test_marker_chooses(project):
    project.test(MARKED.format('"cpu", "a100"'))
    project.record()
    assert project.names() == ["test_a/test_x.a100.ksnap", "test_a/test_x.cpu.ksnap"]


def test_marker_restricts(project):
    project.test(MARKED.format('"h100"'))
    result = project.run("--kernelsnap-target", "a100", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * marked for h100; this run asks for a100"])
    project.run("--kernelsnap-target", "a100,h100", "--snapshot-update").assert_outcomes(passed=1)
    assert project.names() == ["test_a/test_x.h100.ksnap"]


def test_the_closest_marker_counts(project):
    project.test("""
        import pytest
        pytestmark = pytest.mark.kernelsnap_target("l4")

        @pytest.mark.kernelsnap_target("a100")
        class TestIt:
            def test_class(self, kernel_snapshot, golden):
                assert golden() == kernel_snapshot

            @pytest.mark.kernelsnap_target("cpu")
            def test_function(self, kernel_snapshot, golden):
                assert golden() == kernel_snapshot

        def test_module(kernel_snapshot, golden):
            assert golden() == kernel_snapshot

        @pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.kernelsnap_target("h100"))])
        def test_parameter(kernel_snapshot, golden, n):
            assert golden() == kernel_snapshot
    """)
    project.record()
    assert project.names() == [
        "test_a/TestIt.test_class.a100.ksnap",
        "test_a/TestIt.test_function.cpu.ksnap",
        "test_a/test_module.l4.ksnap",
        "test_a/test_parameter[1].l4.ksnap",
        "test_a/test_parameter[2].h100.ksnap",
    ]


@pytest.mark.parametrize("given", ["h1000", "", "h100,,h1000"])
def test_unknown_target_on_the_command_line(project, given):
    project.test(ONE)
    result = project.run("--kernelsnap-target", given)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --kernelsnap-target*nown *h100, *a100, *"])


def test_unknown_target_in_the_setting(project):
    project.ini(kernelsnap_target="tpu")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: kernelsnap_target *'tpu'*h100, *a100, *"])


@pytest.mark.parametrize("arguments", ['"tpu"', "", 'name="h100"', "100"])
def test_bad_marker(project, arguments):
    project.test(MARKED.format(arguments))
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["TargetChoiceError: the marker kernelsnap_target*h100*"])


def test_code_for_another_target_than_the_test_is_refused(project):
    project.test("""
        def test_x(kernel_snapshot, golden):
            assert golden(target="a100") == kernel_snapshot
    """)
    result = project.run("--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * was generated for a100, but the test runs for h100"])
    assert project.files() == {}


def test_native_compares_with_the_golden_of_the_real_gpu(project):
    project.test("""
        import pytest

        @pytest.mark.kernelsnap_target("h100", "a100")
        def test_x(kernel_snapshot, golden, kernel_device):
            assert kernel_device == "cuda"
            assert golden(target="h100") == kernel_snapshot

        @pytest.mark.kernelsnap_target("cpu")
        def test_cpu(kernel_snapshot, golden):
            assert golden() == kernel_snapshot
    """)
    project.run("--snapshot-update", "--kernelsnap-target", "native").assert_outcomes(passed=1, skipped=1)
    assert project.names() == ["test_a/test_x.h100.ksnap"]
    project.compiler("2.0")
    result = project.run("--kernelsnap-target", "native")
    result.stdout.fnmatch_lines(
        [
            "E * capture == goldens/test_a/test_x.h100.ksnap",
            "E * To accept:  pytest test_a.py::test_x --kernelsnap-target native --snapshot-update",
        ]
    )


def test_the_device_is_there_before_other_fixtures(project):
    project.test("""
        import conftest
        import pytest

        @pytest.fixture(scope="module")
        def shared():
            return list(conftest.active)

        @pytest.fixture
        def tensor():
            return list(conftest.active)

        @pytest.fixture(autouse=True)
        def seed():
            assert not active_for or conftest.active == active_for

        active_for = []

        def test_x(tensor, shared, kernel_snapshot):
            assert tensor == ["h100"]
            assert shared == []
            active_for.clear()

        def test_device_only(tensor, kernel_device):
            assert tensor == ["h100"]

        def test_none(tensor):
            assert tensor == []
    """)
    project.run("-p", "no:randomly").assert_outcomes(passed=3)


def test_device_that_cannot_be_had(project):
    with (project.root / "conftest.py").open("a") as file:
        file.write("""
def virtual_device(target):
    from kernelsnap.errors import KernelsnapError
    raise KernelsnapError("torch 9 is not supported yet")

device.virtual_device = virtual_device
""")
    project.test(ONE)
    result = project.run()
    result.assert_outcomes(errors=1)
    assert "KernelsnapError: torch 9 is not supported yet" in result.outlines
    assert "Traceback" not in result.stdout.str()
