"""`goldens/toolchain.toml`: recorded once, compared always, moved only as a whole."""

from __future__ import annotations

import pytest

from golden_project import notes

TWO = """
    def test_one(kernel_snapshot, golden):
        assert golden() == kernel_snapshot

    def test_two(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
"""


@pytest.fixture
def recorded(project):
    """A project with goldens recorded by torch 2.13.0, in an environment whose versions a test sets."""
    project.test(TWO)
    project.versions("torch=2.13.0", "triton=3.7.1", "flash-attn-4=4.0.0b36")
    project.record()
    project.recorded = project.files()
    return project


def text(project) -> str:
    return (project.goldens / "toolchain.toml").read_text()


def test_recorded_once(recorded):
    assert text(recorded).splitlines()[1:] == ["format = 2", 'torch = "2.13.0"', 'triton = "3.7.1"', "# end"]
    result = recorded.run()
    assert notes(result) == []


def test_a_package_that_no_golden_needs_is_no_difference(recorded):
    recorded.versions("torch=2.13.0", "triton=3.7.1", "flash-attn-4=5.0")
    assert notes(recorded.run("--snapshot-update")) == []
    assert recorded.files() == recorded.recorded


def test_another_version_is_told(recorded):
    recorded.versions("torch=2.14.1", "triton=3.7.1")
    result = recorded.run()
    result.assert_outcomes(passed=2)
    told = "recorded with torch 2.13.0, this is 2.14.1: 2 goldens (`kernelsnap doctor` shows both ways out)"
    result.stdout.fnmatch_lines([told])
    recorded.compiler("2.0")
    result = recorded.run()
    first = ["E * assert capture == goldens/*", "E * recorded with torch 2.13.0, this is 2.14.1"]
    result.stdout.fnmatch_lines(first * 2, consecutive=False)
    for place, line in enumerate(result.outlines):
        if line.startswith("E ") and "assert capture ==" in line:
            assert result.outlines[place + 1].split(maxsplit=1)[1] == "recorded with torch 2.13.0, this is 2.14.1"
    assert recorded.files() == recorded.recorded


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_moved_when_every_golden_was_compared(recorded, options):
    recorded.versions("torch=2.14.1", "triton=3.8.0")
    recorded.subprocess("--snapshot-update", *options).assert_outcomes(passed=2)
    assert 'torch = "2.14.1"\ntriton = "3.8.0"\n' in text(recorded)
    after = recorded.files()
    # No golden changed: one file says what did.
    assert [name for name in after if after[name] != recorded.recorded[name]] == ["toolchain.toml"]


@pytest.mark.parametrize("options", [["-k", "one"], ["--snapshot-update-new-only"]])
def test_not_moved_otherwise(recorded, options):
    recorded.versions("torch=2.14.1", "triton=3.7.1")
    update = [] if "new" in options[0] else ["--snapshot-update"]
    result = recorded.run(*update, *options)
    result.stdout.fnmatch_lines(["recorded with torch 2.13.0, this is 2.14.1: *"])
    if update:
        result.stdout.fnmatch_lines(
            [
                "toolchain.toml was left as it is, because this run did not compare 1 golden "
                "(test_a/test_two.h100.ksnap); update all of them, for all their targets, in one run to move torch"
            ]
        )
    assert recorded.files() == recorded.recorded


def test_not_moved_when_a_worker_crashed(recorded):
    recorded.versions("torch=2.14.1", "triton=3.7.1")
    recorded.test(
        TWO.replace(
            "def test_two(kernel_snapshot, golden):",
            "def test_two(kernel_snapshot, golden):\n        import os; os._exit(1)",
        )
    )
    recorded.subprocess("--snapshot-update", "-n", "2")
    assert recorded.files() == recorded.recorded


def test_a_package_needed_for_the_first_time_is_added(recorded):
    recorded.test(
        """
        def test_flash(kernel_snapshot, golden):
            assert golden(constant="flash_attn.cute") == kernel_snapshot
    """,
        "test_flash.py",
    )
    recorded.versions("torch=2.13.0", "triton=3.7.1", "flash-attn-4=4.0.0b36")
    recorded.record("test_flash.py")
    assert text(recorded).endswith("""triton = "3.7.1"

[packages.flash-attn-4]
"4.0.0b36" = [
    "test_flash/*",
]
# end
""")


def test_damaged_record(recorded):
    path = recorded.goldens / "toolchain.toml"
    path.write_text("<<<<<<< ours\n" + text(recorded))
    result = recorded.run("--snapshot-update")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["GoldenFormatError: */toolchain.toml: not TOML*"])
    after = recorded.files()
    assert after["test_a/test_one.h100.ksnap"] == recorded.recorded["test_a/test_one.h100.ksnap"]


def test_record_that_cannot_be_written_fails_the_run(recorded):
    recorded.versions("torch=2.14.1", "triton=3.7.1")
    with (recorded.root / "conftest.py").open("a") as file:
        file.write("""
def write(goldens, toolchain_):
    from kernelsnap.golden import files
    raise files.write_error(goldens / "toolchain.toml", OSError(28, "No space left on device"))
from kernelsnap.golden import toolchain
patch.setattr(toolchain, "write", write)
""")
    result = recorded.run("--snapshot-update")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["cannot write */toolchain.toml: No space left on device*"])
    assert recorded.files() == recorded.recorded
