"""Goldens that leave out what their template gives are compared whole, each side with its own templates."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli_process import run_command
from kernelsnap.golden.templates.folding import without_digests
from kernelsnap.golden.templates.template_store import stored_template

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "goldens"
PLAIN = "test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
CASES = ("FlexForwardTests.test_forward[plain].h100.ksnap", "FlexForwardTests.test_forward[alibi].h100.ksnap")
TEMPLATE = "templates/flex_attention.ktemplate"
BEFORE, AFTER = "acc = acc / l_i[:, None]", "acc = acc * (1.0 / l_i[:, None])"


def command(*words, **options):
    """Standard output and error of one command."""
    found = run_command(*words, **options)
    return found.stdout, found.stderr


def run(*arguments, **options):
    return command("diff", *arguments, **options)


def git(cwd, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


def make(goldens) -> None:
    """A tree of three goldens, two of them made with one template."""
    (goldens / "test_flex").mkdir(parents=True)
    (goldens / "templates").mkdir()
    for name in CASES:
        shutil.copy(CORPUS / "test_flex_triton" / name, goldens / "test_flex" / name)
    shutil.copy(CORPUS / TEMPLATE, goldens / TEMPLATE)
    shutil.copy(CORPUS / PLAIN, goldens / "test_flex")


def edit(path, before, after) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def edit_template(goldens, before, after) -> None:
    """Change a template as an update does: with the goldens that name its text."""
    digest = stored_template(goldens / TEMPLATE).digest
    edit(goldens / TEMPLATE, before, after)
    for name in CASES:
        edit(goldens / "test_flex" / name, digest, stored_template(goldens / TEMPLATE).digest)


@pytest.fixture
def trees(tmp_path):
    for side in ("old", "new"):
        make(tmp_path / side)
    return tmp_path


@pytest.fixture
def repository(tmp_path):
    """The tag `first`; in `main` its template is another one, and one golden has another stride."""
    make(tmp_path / "goldens")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "tag", "first")
    edit_template(tmp_path / "goldens", BEFORE, AFTER)
    git(tmp_path, "commit", "-qam", "template")
    git(tmp_path, "tag", "template")
    edit(
        tmp_path / "goldens" / "test_flex" / CASES[0], 'stride("V") = 131072, 32768, 64, 1', 'stride("V") = 1, 2, 3, 4'
    )
    git(tmp_path, "commit", "-qam", "stride")
    return tmp_path


def test_trees_that_are_the_same(trees):
    out, _ = run("old", "new", cwd=trees, status=0)
    assert out.startswith("3 goldens: 3 the same")


def test_a_template_that_changed_is_told_once_with_the_goldens_that_use_it(trees):
    edit_template(trees / "new", BEFORE, AFTER)
    out, _ = run("old", "new", cwd=trees, status=1)
    assert out.startswith("none worse; 3 goldens: 2 changed, 1 the same")
    assert out.count(f"+        {AFTER}") == 1
    assert f"-        {BEFORE}" in out
    assert "the same in 1 golden" in out


def test_a_part_of_a_tree_finds_its_templates_above(trees):
    edit_template(trees / "new", BEFORE, AFTER)
    out, _ = run("old/test_flex", "new/test_flex", cwd=trees, status=1)
    assert out.startswith("none worse; 3 goldens: 2 changed, 1 the same")
    out, _ = run(f"old/test_flex/{CASES[0]}", f"new/test_flex/{CASES[0]}", cwd=trees, status=1)
    assert f"+        {AFTER}" in out


def test_a_golden_whole_on_one_side_says_the_same(trees):
    out, _ = command("show", f"old/test_flex/{CASES[0]}", cwd=trees)
    assert f"        {BEFORE}\n" in out
    (trees / "new" / "test_flex" / CASES[0]).write_text(out)
    out, _ = run("old", "new", cwd=trees, status=0)
    assert out.startswith("3 goldens: 3 the same")


@pytest.mark.parametrize("sides", [("old", "new"), ("new", "old")])
def test_a_template_that_is_missing_is_an_error_that_names_it(trees, sides):
    (trees / "new" / TEMPLATE).unlink()
    out, error = run(*sides, cwd=trees, status=2)
    assert out.startswith("3 goldens: 2 unreadable, 1 the same")
    assert "the templates that it was recorded with could not be put in: flex_attention" in error
    _, error = command("show", f"new/test_flex/{CASES[0]}", cwd=trees)
    assert "is missing: templates/flex_attention.ktemplate" in error


def test_a_revision_is_read_with_its_own_templates(repository):
    out, _ = run("first", "template", cwd=repository, status=1)
    assert out.startswith("none worse; 3 goldens: 2 changed, 1 the same")
    assert out.count(f"+        {AFTER}") == 1
    out, _ = run("template", "main", cwd=repository, status=1)
    assert "3 goldens: 1 changed, 2 the same" in " ".join(out.split())
    assert AFTER not in out
    out, _ = run("first", cwd=repository, status=1)
    assert "3 goldens: 2 changed, 1 the same" in " ".join(out.split())
    out, _ = run("main", cwd=repository, status=0)
    assert out.startswith("3 goldens: 3 the same")


@pytest.mark.parametrize("sides", [("old", "new"), ("new", "old")])
def test_a_template_with_another_text_than_its_goldens_name_is_an_error(trees, sides):
    edit(trees / "new" / TEMPLATE, BEFORE, AFTER)
    out, error = run(*sides, cwd=trees, status=2)
    assert out.startswith("3 goldens: 2 unreadable, 1 the same")
    assert "flex_attention. Such a file of the folder templates is missing or damaged, or has another text" in error
    _, error = command("show", f"new/test_flex/{CASES[0]}", cwd=trees)
    assert f"new/test_flex/{CASES[0]}: the template flex_attention is not the one that this golden was rec" in error


def test_a_patch_of_a_template_alone_changes_the_goldens_of_an_older_kernelsnap(repository):
    for name in CASES:
        path = repository / "goldens" / "test_flex" / name
        path.write_text(without_digests(path.read_text()))
    patch = git(repository, "diff", "first", "template", "--", f"goldens/{TEMPLATE}")
    out, _ = run("--patch", "-", cwd=repository, stdin=patch, status=1)
    assert "2 changed" in out
    assert out.count(f"+        {AFTER}") == 1


@pytest.mark.parametrize("at", ["first", "main"])
def test_a_patch_of_a_template_changes_the_goldens_that_use_it(repository, at):
    patch = git(repository, "diff", "first", "template")
    git(repository, "checkout", "-q", at)
    out, _ = run("--patch", "-", cwd=repository, stdin=patch, status=1)
    assert "2 changed" in out
    assert out.count(f"+        {AFTER}") == 1


def test_a_patch_of_a_golden_and_its_template(repository):
    patch = git(repository, "diff", "first", "main")
    out, _ = run("--patch", "-", cwd=repository, stdin=patch, status=1)
    assert "2 changed" in out
    assert "stride_vz, stride_vh, stride_vn, stride_vk = 1, 2, 3, 4" in out


def test_a_patch_with_names_from_a_folder_on(repository):
    folder = repository / "goldens" / "test_flex"
    patch = git(folder, "diff", "--relative", "template", "main")
    assert "goldens" not in patch
    out, _ = run("--patch", "-", cwd=folder, stdin=patch, status=1)
    assert "1 golden: 1 changed" in " ".join(out.split())
    # As it is called in this folder.
    assert f"\n  {CASES[0][:20]}" in out


def test_git_diff_shows_each_golden_with_the_template_of_its_side(repository):
    (repository / ".gitattributes").write_text("*.ksnap text eol=lf diff=kernelsnap\n")
    driver = f"PYTHONPATH={ROOT / 'src'} {sys.executable} -m kernelsnap git-driver"
    git(repository, "config", "diff.kernelsnap.command", driver)
    assert git(repository, "diff", "--stat", "first", "template").count(" | ") == 3
    # What it took from another revision's template would be no golden that anybody recorded.
    out = git(repository, "diff", "first", "template")
    assert out.count("could not be put in: flex_attention") == 2
    edit_template(repository / "goldens", AFTER, BEFORE)
    out = git(repository, "diff", "HEAD")
    assert out.count(f"+        {BEFORE}\n") == 2
    git(repository, "checkout", "-q", ".")
    out = git(repository, "diff", "template", "main")
    assert "stride_vz, stride_vh, stride_vn, stride_vk = 1, 2, 3, 4\n" in out
    assert "cannot be compared" not in out
