"""`kernelsnap diff` of trees that hold resources files: revisions, patches, files, and worker processes."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import pytest

from cli_process import run_command
from kernelsnap.golden.resources import render_resources
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.resources import InstructionMix, KernelResources, Resources

ROOT = Path(__file__).parents[2]
# Shared by h100 and a100.
TEXT = (ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
CASE = TEXT.split("\n")[1].removeprefix("case ")

run = partial(run_command, "diff")


def resources(registers, target="h100", case=CASE):
    launch = LaunchConfig((("XBLOCK", 1),), 2, 1)
    entry = KernelResources(
        "inference", "k0", launch, registers=registers, stack=0, shared=0, spill_stores=0, spill_loads=0,
        instructions=InstructionMix(9),
    )  # fmt: skip
    return render_resources(Resources(target, (entry,), case))


def git(cwd, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path):
    """Two commits with the same golden and other resources of both its targets; a third one without those of a100."""
    folder = tmp_path / "goldens"
    folder.mkdir()
    git(tmp_path, "init", "-q", "-b", "main")
    (folder / "a.h100.ksnap").write_text(TEXT)
    for name, registers in (("first", (32, 30)), ("second", (40, 31))):
        for target, number in zip(("h100", "a100"), registers, strict=True):
            (folder / f"a.{target}.kres").write_text(resources(number, target))
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", name)
        git(tmp_path, "tag", name)
    return tmp_path


def moved(found):
    assert found.returncode == 1, found.stdout + found.stderr
    assert "machine code: 1 golden" in found.stdout
    assert "registers 32 -> 40" in found.stdout
    assert "registers 30 -> 31" in found.stdout
    assert "1 golden: 1 changed" in found.stdout


def test_revisions(repository):
    moved(run("first", "second", cwd=repository))
    moved(run("first..second", cwd=repository))
    moved(run("first", cwd=repository))
    same = run("second", cwd=repository)
    assert (same.returncode, same.stdout.splitlines()[0]) == (0, "1 golden: 1 the same")


def test_a_patch_of_resources_alone(repository):
    patch = git(repository, "diff", "first", "second")
    moved(run("--patch", "-", cwd=repository, stdin=patch))
    # Where the patch is applied, and where it is not yet.
    git(repository, "checkout", "-q", "first")
    moved(run("--patch", "-", cwd=repository, stdin=patch))


def test_a_patch_of_the_golden_has_the_resources_that_are_here(repository):
    (repository / "goldens/a.h100.ksnap").write_text(TEXT.replace("tl_math.cos", "tl_math.sin"))
    patch = git(repository, "diff")
    found = run("--patch", "-", "--explain", "a.h100.ksnap", cwd=repository, stdin=patch)
    assert "layers that differ: code" in found.stdout
    assert "machine code" not in found.stdout


@pytest.mark.parametrize("order", [(), ("--reverse",)])
def test_a_patch_of_several_commits(repository, order):
    for target, number in (("h100", 50), ("a100", 60)):
        (repository / f"goldens/a.{target}.kres").write_text(resources(number, target))
    git(repository, "commit", "-q", "-a", "-m", "third")
    patch = git(repository, "log", "-p", "--no-renames", *order, "first..main")
    found = run("--patch", "-", cwd=repository, stdin=patch)
    assert "registers 32 -> 50" in found.stdout
    assert "registers 30 -> 60" in found.stdout


def test_a_patch_made_below_the_top(repository):
    patch = git(repository / "goldens", "diff", "--relative", "first", "second")
    moved(run("--patch", "-", cwd=repository / "goldens", stdin=patch))


def test_a_patch_of_two_folders(repository, tmp_path_factory):
    """Their paths are absolute: they are read below the folder that the command runs in, and nowhere else."""
    folders = tmp_path_factory.mktemp("elsewhere")
    for side in ("old", "new"):
        git(repository, "worktree", "add", "-q", str(folders / side), "first" if side == "old" else "second")
    command = ["diff", "-ruN", "--exclude=.git", folders / "old", folders / "new"]
    patch = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    moved(run("--patch", "-", cwd=folders, stdin=patch))
    elsewhere = run("--patch", "-", cwd=tmp_path_factory.mktemp("here"), stdin=patch)
    assert elsewhere.returncode == 2
    assert "run this where the patch was made" in elsewhere.stderr


def renamed(repository, text):
    """A patch in which the test has another name: its golden is this text, and its resources go with it."""
    for path in (repository / "goldens").iterdir():
        git(repository, "mv", str(path), str(path.with_name(path.name.replace("a.", "b.", 1))))
    (repository / "goldens/b.h100.ksnap").write_text(text.replace(CASE, "other"))
    for target, number in (("h100", 40), ("a100", 31)):
        (repository / f"goldens/b.{target}.kres").write_text(resources(number, target, "other"))
    git(repository, "add", "-A")
    return git(repository, "diff", "-M", "HEAD")


def test_a_patch_of_a_renamed_golden(repository):
    found = run("--patch", "-", cwd=repository, stdin=renamed(repository, TEXT))
    assert "2 goldens: 1 new, 1 gone" in found.stdout
    assert "1 golden only changed its name" in found.stdout


def test_a_patch_of_a_golden_that_is_renamed_and_changed(repository):
    git(repository, "reset", "-q", "--hard", "first")
    found = run_command(
        "diff", "--patch", "-", cwd=repository, stdin=renamed(repository, TEXT.replace("tl_math.cos", "tl_math.sin"))
    )
    assert "1 golden: 1 changed" in found.stdout
    assert "registers 32 -> 40" in found.stdout


def test_a_part_of_a_tree_and_files_that_git_does_not_know_yet(repository):
    moved(run("first", "--", "goldens/a.h100.ksnap", cwd=repository))
    git(repository, "rm", "-q", "--cached", "goldens/a.h100.kres", "goldens/a.a100.kres")
    moved(run("first", cwd=repository))
    (repository / ".gitignore").write_text("*.kres\n")
    assert "registers: 1 missing" in run("first", cwd=repository).stdout


def test_files_that_appear_and_go(repository):
    (repository / "goldens/a.a100.kres").unlink()
    found = run("second", cwd=repository)
    assert "resources are no longer recorded, for a100" in found.stdout
    (repository / "goldens/a.h100.kres").unlink()
    found = run("second", cwd=repository)
    assert "registers: 1 missing" in found.stdout


def test_a_damaged_file_is_named(repository):
    (repository / "goldens/a.a100.kres").write_text("damaged\n")
    found = run("second", cwd=repository)
    assert found.returncode == 2
    assert "goldens/a.a100.kres:1: not a resources file" in found.stderr


def test_single_goldens_bring_theirs(repository, tmp_path):
    git(repository, "worktree", "add", "-q", str(tmp_path / "old"), "first")
    found = run_command(
        "diff", tmp_path / "old/goldens/a.h100.ksnap", repository / "goldens/a.h100.ksnap", cwd=tmp_path
    )
    moved(found)


def test_many_in_worker_processes(tmp_path):
    for side, registers in (("old", 32), ("new", 40)):
        folder = tmp_path / side / "m"
        folder.mkdir(parents=True)
        for number in range(60):
            golden = TEXT.replace(f"case {CASE}", f"case {number}").replace("target h100 a100", "target h100")
            (folder / f"{number}.h100.ksnap").write_text(golden)
            if number % 2:
                (folder / f"{number}.h100.kres").write_text(resources(registers, case=str(number)))
    for jobs in (1, 2):
        found = run_command(
            "diff", "old", "new", "--jobs", jobs, "--markdown", "report.md", "--json", "report.json", cwd=tmp_path
        )
        assert "60 goldens: 30 changed, 30 the same" in found.stdout
        assert "machine code: 30 goldens" in found.stdout
        assert "| registers | 30 more | 960 -> 1 200 |" in (tmp_path / "report.md").read_text()


def test_html(repository):
    pytest.importorskip("igraph")
    found = run("first", "second", "--html", "report.html", cwd=repository)
    assert found.returncode == 1, found.stderr
    page = (repository / "report.html").read_text()
    assert "resources on h100" in page
    assert "resources on a100" in page
