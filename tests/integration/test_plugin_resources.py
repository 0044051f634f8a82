"""`--kernelsnap-resources`: recorded, compared and updated where it is asked for, and not looked at otherwise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kernelsnap.cli.main import main

# A capture made by hand, and a compiler that reads registers from the file `registers`.
COMPILER = """
import sys, types
from kernelsnap.model.capture import Buffer, Call, Capture, Graph, GraphCounts, Kernel, LaunchConfig
from kernelsnap.model.resources import InstructionMix, KernelResources, NotCompiled, Resources

LAUNCH = LaunchConfig((("XBLOCK", 64),), 2, 1)

def kernel_resources(capture):
    registers, version = (HERE / "registers").read_text().split()
    kernel = KernelResources(
        "inference", "k0", LAUNCH, registers=int(registers), stack=0, shared=0, spill_stores=0, spill_loads=0,
        instructions=InstructionMix(total=9),
    )
    call = NotCompiled("inference", "extern_kernels.mm", "not compiled: a call into a library")
    return Resources(capture.target, (kernel, call), tools=(("ptxas", version), ("triton", "3.7.1")))

compiler = types.ModuleType("kernelsnap.capture.machine_code.kernel_resources")
compiler.kernel_resources = kernel_resources
sys.modules["kernelsnap.capture.machine_code.kernel_resources"] = compiler

@pytest.fixture
def capture():
    def make():
        constant = (HERE / "constant").read_text()
        source = f"@triton.jit\\ndef k(in_ptr0):\\n    tl.store(in_ptr0, {constant})\\n"
        buffers = Buffer("arg0", "f32", ("64",)), Buffer("buf0", "f32", ("64",))
        graph = Graph(
            phase="inference",
            text="",
            host="def call(self, args):\\n    buf0 = k.run(arg0)\\n",
            kernels=(Kernel("k", "pointwise", "triton", source, configs=(LAUNCH,)),),
            calls=(Call("launch", "k", ("arg0",), (buffers[1],)),),
            inputs=(buffers[0],),
            outputs=("buf0",),
            counts=GraphCounts(0, 0, 0, 1, 1),
        )
        return Capture(active[-1], (graph,))
    return make
"""
ONE = """
    def test_one(kernel_snapshot, capture):
        assert capture() == kernel_snapshot
"""
TWO = (
    ONE
    + """
    def test_two(kernel_snapshot, capture):
        assert capture() == kernel_snapshot
"""
)
OPTION = "--kernelsnap-resources"


@pytest.fixture
def compiled(project):
    """A project with one test and its golden, without resources."""
    with (project.root / "conftest.py").open("a") as file:
        file.write(COMPILER)
    compiler(project, 32)
    project.test(ONE)
    project.record()
    return project


def compiler(project, registers, version="12.8.93"):
    (project.root / "registers").write_text(f"{registers} {version}")


def resources(project):
    return [name for name in project.files() if name.endswith(".kres")]


def contents(project):
    return {name: content for name, (content, _) in project.files().items()}


def toolchain(project):
    return (project.goldens / "toolchain.toml").read_text()


def test_recorded_compared_and_updated(compiled):
    golden = compiled.golden("test_a/test_one.h100.ksnap").read_bytes()
    assert resources(compiled) == []
    result = compiled.run(OPTION)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * assert capture == goldens/test_a/test_one.h100.kres (missing)",
            "E * There is no resources file yet: goldens/test_a/test_one.h100.kres",
            "E * To record it:  pytest test_a.py::test_one --kernelsnap-resources --snapshot-update",
        ]
    )
    result = compiled.run(OPTION, "--snapshot-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 resources file was written"])
    assert resources(compiled) == ["test_a/test_one.h100.kres"]
    recorded = compiled.files()
    compiled.run(OPTION).assert_outcomes(passed=1)
    compiled.run(OPTION, "--snapshot-update").assert_outcomes(passed=1)
    assert compiled.files() == recorded

    compiler(compiled, 40)
    result = compiled.run(OPTION)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * assert capture == goldens/test_a/test_one.h100.kres",
            "E * resources differ in k0",
            "E * cause: machine code: inference k0: registers 32 -> 40 (XBLOCK 64  warps 2  stages 1)",
            "E * registers  32 -> 40  +25.0 %",
            "E * -      registers  32",
            "E * +      registers  40",
            "E * To accept:  pytest test_a.py::test_one --kernelsnap-resources --snapshot-update",
        ]
    )
    assert compiled.files() == recorded
    compiled.run(OPTION, "--snapshot-update").assert_outcomes(passed=1)
    changed = {name for name, content in compiled.files().items() if content != recorded[name]}
    assert changed == {"test_a/test_one.h100.kres"}
    assert compiled.golden("test_a/test_one.h100.ksnap").read_bytes() == golden


@pytest.mark.parametrize("update", [[], ["--snapshot-update"], ["--kernelsnap-orphans"]])
@pytest.mark.parametrize("damage", [None, "registers  32", "case test_a"])
def test_without_the_option_a_file_is_not_looked_at(compiled, update, damage):
    compiled.record(OPTION)
    path = compiled.golden("test_a/test_one.h100.kres")
    if damage and not ("--kernelsnap-orphans" in update and damage.startswith("case")):
        path.write_text(path.read_text().replace(damage, "damaged"))
    before = compiled.files()
    compiler(compiled, 40)
    result = compiled.run(*update)
    result.assert_outcomes(passed=1)
    assert "resources" not in result.stdout.str()
    assert "kres" not in result.stdout.str()
    assert compiled.files() == before


def test_a_golden_that_changes_comes_first(compiled):
    compiled.record(OPTION)
    before = compiled.files()
    compiled.compiler("2.0")
    compiler(compiled, 40)
    result = compiled.run(OPTION)
    result.stdout.fnmatch_lines(["E * assert capture == goldens/test_a/test_one.h100.ksnap"])
    assert "kres" not in result.stdout.str()
    assert compiled.files() == before
    compiled.run(OPTION, "--snapshot-update").assert_outcomes(passed=1)
    assert b"registers  40" in contents(compiled)["test_a/test_one.h100.kres"]


def test_new_only(compiled):
    compiled.run(OPTION, "--snapshot-update-new-only").assert_outcomes(passed=1)
    recorded = compiled.files()
    assert resources(compiled)
    compiler(compiled, 40)
    compiled.run(OPTION, "--snapshot-update-new-only").assert_outcomes(failed=1)
    assert compiled.files() == recorded


def test_nothing_is_recorded_in_ci(compiled, monkeypatch):
    monkeypatch.setenv("CI", "true")
    result = compiled.run(OPTION, "--snapshot-update-new-only")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * In CI nothing is recorded: record it on your machine and commit it."])
    assert not resources(compiled)


def test_what_is_expected_to_fail_is_never_rewritten(compiled):
    compiled.record(OPTION)
    before = compiled.files()
    compiled.test("import pytest\n\n@pytest.mark.xfail\n" + ONE.replace("\n    ", "\n").lstrip())
    compiler(compiled, 40)
    compiled.run(OPTION, "--snapshot-update").assert_outcomes(xfailed=1)
    assert compiled.files() == before


def test_a_test_may_ask_for_itself(compiled):
    compiled.test(
        """
        def test_always(kernel_snapshot, capture):
            assert capture() == kernel_snapshot(resources=True)
            assert capture() == kernel_snapshot(name="plain")

        def test_never(kernel_snapshot, capture):
            assert capture() == kernel_snapshot(resources=False)
        """
    )
    compiled.record()
    assert resources(compiled) == ["test_a/test_always.h100.kres"]
    compiled.record(OPTION)
    assert resources(compiled) == ["test_a/test_always.h100.kres", "test_a/test_always@plain.h100.kres"]
    compiler(compiled, 40)
    result = compiled.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E * To accept:  pytest test_a.py::test_always --snapshot-update"])


def test_a_setting_asks_for_all(compiled):
    compiled.ini(kernelsnap_resources="true")
    compiled.record()
    compiler(compiled, 40)
    result = compiled.run(OPTION)
    result.stdout.fnmatch_lines(["E * To accept:  pytest test_a.py::test_one --snapshot-update"])


def test_a_golden_is_nothing_to_compile(compiled):
    compiled.test(
        """
        def test_one(kernel_snapshot, golden):
            assert golden() == kernel_snapshot

        def test_asked(kernel_snapshot, golden):
            assert golden() == kernel_snapshot(resources=True)
        """
    )
    result = compiled.run(OPTION, "--snapshot-update")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*resources=True needs what kernelsnap.capture(...) returns*"])
    assert not resources(compiled)


def test_a_refusal_has_nothing_to_record(compiled):
    """Until a file says that there once was something."""
    with (compiled.root / "conftest.py").open("a") as file:
        file.write(
            "\n@pytest.fixture\ndef refusal():\n    return lambda: Capture(active[-1], (), refusal='no operator')\n"
            "\ncompiler.kernel_resources = lambda capture: (\n"
            "    kernel_resources(capture) if capture.graphs else Resources(capture.target, ())\n)\n"
        )
    compiled.record(OPTION)
    compiled.test(
        """
        def test_one(kernel_snapshot, refusal):
            assert refusal() == kernel_snapshot

        def test_new(kernel_snapshot, refusal):
            assert refusal() == kernel_snapshot
        """
    )
    compiled.run("--snapshot-update").assert_outcomes(passed=2)
    compiled.run(OPTION).assert_outcomes(passed=1, failed=1)
    compiled.record(OPTION)
    assert resources(compiled) == ["test_a/test_one.h100.kres"]
    assert b"k0" not in contents(compiled)["test_a/test_one.h100.kres"]
    compiled.run(OPTION).assert_outcomes(passed=2)


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_each_target_has_its_own(compiled, options):
    arguments = [OPTION, "--kernelsnap-target", "h100,a100", *options]
    compiled.subprocess("--snapshot-update", *arguments).assert_outcomes(passed=2)
    # The golden is one for both.
    assert compiled.names() == ["test_a/test_one.h100.ksnap"]
    assert resources(compiled) == ["test_a/test_one.a100.kres", "test_a/test_one.h100.kres"]
    path = compiled.golden("test_a/test_one.a100.kres")
    path.write_text(path.read_text().replace("registers  32", "registers  30"))
    result = compiled.subprocess(*arguments)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E * registers  30 -> 32*", "E * To accept:  pytest*--kernelsnap-target a100*"])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("registers  32", "registers  many", "test_one.h100.kres:8: not a number"),
        ("\nend\n", "\n", "cut off"),
        ("case test_a.py::test_one", "case test_a.py::test_two", "holds the resources of another case"),
    ],
)
def test_a_damaged_file_is_an_error_and_stays(compiled, old, new, says):
    compiled.record(OPTION)
    path = compiled.golden("test_a/test_one.h100.kres")
    path.write_text(path.read_text().replace(old, new))
    before = compiled.files()
    for update in ([], ["--snapshot-update"]):
        result = compiled.run(OPTION, *update)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"*{says}*"])
        assert compiled.files() == before


def test_a_file_that_cannot_be_written(compiled, monkeypatch):
    compiled.record(OPTION)
    before = compiled.files()
    compiler(compiled, 40)
    with (compiled.root / "conftest.py").open("a") as file:
        file.write(
            "\nimport pathlib\ndef full(*_):\n    raise OSError(28, 'No space left on device')\n"
            "@pytest.fixture(autouse=True)\ndef _full(monkeypatch):\n"
            "    monkeypatch.setattr(pathlib.Path, 'replace', full)\n"
        )
    result = compiled.subprocess(OPTION, "--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*cannot write *test_one.h100.kres: No space left on device*"])
    assert compiled.files() == before


def test_what_compiled_them_stands_once(compiled):
    compiled.test(TWO)
    compiled.record()
    assert "resources" not in toolchain(compiled)
    compiled.record(OPTION)
    assert toolchain(compiled).endswith('\n[resources]\nptxas = "12.8.93"\ntriton = "3.7.1"\n# end\n')
    before = compiled.files()

    compiler(compiled, 40, "13.0.1")
    result = compiled.run(OPTION)
    result.assert_outcomes(failed=2)
    told = "resources were recorded with ptxas 12.8.93; this is ptxas 13.0.1"
    result.stdout.fnmatch_lines([f"E * The {told}", f"the {told}"])
    compiled.run("--snapshot-update").assert_outcomes(passed=2)
    assert compiled.files() == before

    result = compiled.run(OPTION, "--snapshot-update", "-k", "one")
    result.stdout.fnmatch_lines(
        ["[[]resources] in toolchain.toml was left as it is: *1 of their files were not compared*"]
    )
    assert toolchain(compiled) == before["toolchain.toml"][0].decode()
    compiled.record(OPTION)
    assert '[resources]\nptxas = "13.0.1"\n' in toolchain(compiled)
    # Goldens that are recorded again leave it.
    compiled.record()
    assert '[resources]\nptxas = "13.0.1"\n' in toolchain(compiled)


def test_a_damaged_table(compiled):
    compiled.record(OPTION)
    path = compiled.goldens / "toolchain.toml"
    for text in ("format = 1\nresources = 3\n", "format = 1\n[resources]\nptxas = 3\n"):
        path.write_text(text)
        result = compiled.run(OPTION)
        result.stdout.fnmatch_lines(["*toolchain.toml: expected *"])
        assert path.read_text() == text


def test_orphans_are_named_and_kept(compiled):
    compiled.test(TWO)
    compiled.record(OPTION)
    compiled.test(ONE)
    compiled.golden("test_a/test_two.h100.ksnap").unlink()
    stray = compiled.golden("test_a/test_one.l4.kres")
    stray.write_text(compiled.golden("test_a/test_one.h100.kres").read_text().replace("target h100", "target l4"))
    before = compiled.files()
    result = compiled.run("--kernelsnap-orphans", "--snapshot-update", OPTION)
    result.stdout.fnmatch_lines(
        [
            "0 goldens whose test is gone",
            "2 resources files without a test or without a golden:",
            "  test_a/test_one.l4.kres",
            "  test_a/test_two.h100.kres",
        ],
        consecutive=True,
    )
    assert compiled.files() == before


def test_the_failed_comparison_is_kept(compiled):
    compiled.record(OPTION)
    compiler(compiled, 40)
    with_cache = ["-p", "no:hypothesispytest", OPTION]
    result = compiled.pytester.runpytest(*with_cache)
    result.stdout.fnmatch_lines(["E * To see why:  kernelsnap diff --failed --explain test_a.py::test_one"])
    command = [sys.executable, "-m", "kernelsnap", "diff", "--failed"]
    told = subprocess.run(command, cwd=compiled.root, capture_output=True, text=True, check=False)
    assert told.returncode == 1, told.stderr
    assert "machine code: 1 golden" in told.stdout
    assert "registers 32 -> 40" in told.stdout
    # A golden that fails afterwards is told without the resources of then.
    compiled.compiler("2.0")
    compiled.pytester.runpytest(*with_cache)
    told = subprocess.run(command, cwd=compiled.root, capture_output=True, text=True, check=False)
    assert "machine code" not in told.stdout
    compiled.compiler("1.0")
    compiler(compiled, 32)
    compiled.pytester.runpytest(*with_cache)
    told = subprocess.run(command, cwd=compiled.root, capture_output=True, text=True, check=False)
    assert "holds no comparison that failed" in told.stderr


@pytest.mark.parametrize("before", [32, None], ids=["changed", "missing"])
def test_accepting_gives_what_an_update_gives(compiled, monkeypatch, capsys, before):
    """The numbers of the machine code, and the compilers in toolchain.toml once the last file was compared."""
    compiled.test(TWO)
    compiled.record(*([OPTION] if before else []))
    compiler(compiled, 40, "13.0")
    before_update = {name: content for name, (content, _) in compiled.files().items()}
    compiled.record(OPTION)
    expected = {name: content for name, (content, _) in compiled.files().items()}
    for name in expected:
        (compiled.goldens / name).unlink()
    for name, content in before_update.items():
        (compiled.goldens / name).write_bytes(content)

    result = compiled.pytester.runpytest("-p", "no:hypothesispytest", OPTION)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E * kernelsnap accept test_a.py::test_one --target h100"])
    monkeypatch.chdir(compiled.root)
    assert main(["accept", "test_one"]) == 0
    told = capsys.readouterr().out
    if before:
        assert "but 1 of their files were not compared in this run (test_a/test_two.h100.kres)" in told
    assert main(["accept", "--layer", "resources"]) == 0
    assert {name: content for name, (content, _) in compiled.files().items()} == expected
    compiled.pytester.runpytest("-p", "no:hypothesispytest", OPTION).assert_outcomes(passed=2)
    assert main(["pending"]) == 0


def test_resources_that_changed_since_are_refused(compiled, monkeypatch, capsys):
    compiled.record(OPTION)
    compiler(compiled, 40)
    compiled.pytester.runpytest("-p", "no:hypothesispytest", OPTION).assert_outcomes(failed=1)
    path = compiled.golden("test_a/test_one.h100.kres")
    path.write_text(path.read_text().replace("registers  32", "registers  33"))
    monkeypatch.chdir(compiled.root)
    assert main(["accept", "--all"]) == 2
    assert "no longer those that were compared (test_a.py::test_one (h100))" in capsys.readouterr().err
    assert "registers  33" in path.read_text()
