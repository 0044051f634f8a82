"""`kernelsnap diff --patch` on patches as people have them: with other options, mailed, of renames, of merges."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kernelsnap.cli.main import main
from kernelsnap.golden.templates.template_store import stored_template

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
OTHER, THIRD = (TEXT.replace("tl_math.cos", f"tl_math.{name}") for name in ("sin", "tan"))
NAME = "goldens/a.h100.ksnap"


def git(cwd, *arguments, status=0):
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "color.ui=false")
    found = subprocess.run(["git", *settings, *arguments], cwd=cwd, check=False, capture_output=True)
    assert found.returncode == status, found.stderr
    return found.stdout


@pytest.fixture
def top(tmp_path, monkeypatch):
    """A repository of one commit with one golden, in which the command runs."""
    (tmp_path / "goldens").mkdir()
    (tmp_path / NAME).write_text(TEXT)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commit(top):
    git(top, "add", "-A")
    git(top, "commit", "-q", "--allow-empty", "-m", "a change")


@pytest.fixture
def compared(tmp_path_factory, capsys):
    """Runs the command on the bytes of a patch: its status, standard output and error."""
    file = tmp_path_factory.mktemp("patch") / "a.patch"

    def run(patch):
        file.write_bytes(patch)
        status = main(["diff", "--patch", str(file)])
        out, err = capsys.readouterr()
        assert (status == 2) == bool(err)
        return status, out, err

    return run


ONE = "none worse; 1 golden: 1 changed, 0 the same"


@pytest.mark.parametrize(
    "name",
    [
        "goldens/with space.ksnap", "goldens/módule/ü.ksnap", 'goldens/quo"te\\ [x].ksnap', "goldens/tab\t nl\n.ksnap",
        "a/b.ksnap",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "options",
    [
        (), ("--no-prefix",), ("--src-prefix=the old/", "--dst-prefix=new/x/"), ("-U0",), ("--binary", "--full-index"),
        ("--color=always",),
    ],
)  # fmt: skip
def test_any_name_with_any_prefix(top, compared, name, options):
    path = top / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(TEXT)
    commit(top)
    path.write_text(OTHER)
    status, out, _ = compared(git(top, "diff", *options))
    assert (status, out.splitlines()[0]) == (1, ONE)
    path.unlink()
    commit(top)
    status, out, _ = compared(git(top, "diff", *options, "HEAD~"))
    assert (status, out.splitlines()[0]) == (1, "1 golden: 1 gone, 0 the same")


@pytest.mark.parametrize("name", ["show", "format-patch", "mnemonic", "relative", "log"])
def test_what_else_prints_patches(top, compared, name, monkeypatch):
    (top / NAME).write_text(OTHER)
    commit(top)
    arguments = {
        "show": ("show",),
        "format-patch": ("format-patch", "-1", "--stdout"),
        "mnemonic": ("-c", "diff.mnemonicPrefix=true", "diff", "HEAD~"),
        "relative": ("diff", "--relative", "HEAD~"),
        "log": ("log", "-p", "-1"),
    }[name]
    where = top / "goldens" if name == "relative" else top
    monkeypatch.chdir(where)
    status, out, _ = compared(git(where, *arguments))
    assert (status, out.splitlines()[0]) == (1, ONE)
    assert "+        tmp4 = tl_math.sin(tmp0)" in out


@pytest.mark.parametrize(
    "arguments", [("format-patch", "-2", "--stdout"), ("log", "-p", "-2"), ("log", "-p", "--reverse", "-2")]
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_several_commits_are_one_change(top, compared, arguments, elsewhere, tmp_path_factory, monkeypatch):
    for text in (OTHER, THIRD):
        (top / NAME).write_text(text)
        commit(top)
    patch = git(top, *arguments)
    if elsewhere:  # without git, where the file is as it was before
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        Path("goldens").mkdir()
        Path(NAME).write_text(TEXT)
    status, out, _ = compared(patch)
    assert (status, out.splitlines()[0]) == (1, ONE)
    assert "-        tmp4 = tl_math.cos(tmp0)" in out
    assert "+        tmp4 = tl_math.tan(tmp0)" in out


def test_what_came_and_went_within_a_patch_is_no_change(top, compared):
    (top / "goldens/b.ksnap").write_text(TEXT)
    (top / NAME).write_text(OTHER)
    commit(top)
    (top / "goldens/b.ksnap").unlink()
    (top / NAME).write_text(THIRD)
    commit(top)
    for arguments in (("format-patch", "-2", "--stdout"), ("log", "-p", "-2")):
        status, out, _ = compared(git(top, *arguments))
        assert (status, out.splitlines()[0]) == (1, ONE)


def test_changes_that_do_not_follow_one_another(top, compared):
    (top / NAME).write_text(OTHER)
    first = git(top, "diff")
    (top / NAME).write_text(THIRD)
    status, _, err = compared(first + git(top, "diff"))
    assert status == 2
    assert f"{NAME}: the patch changes it 2 times, and no change starts from what another made of it" in err


def test_a_whole_history_is_what_it_made(top, compared):
    (top / NAME).write_text(OTHER)
    commit(top)
    status, out, _ = compared(git(top, "log", "-p"))
    assert (status, out.splitlines()[0]) == (1, "1 golden: 1 new, 0 the same")


def test_a_combined_diff_is_no_change_of_one_side_to_another(top, compared):
    git(top, "checkout", "-q", "-b", "other")
    (top / NAME).write_text(OTHER)
    commit(top)
    git(top, "checkout", "-q", "main")
    (top / NAME).write_text(THIRD)
    commit(top)
    git(top, "merge", "-q", "other", status=1)
    status, out, err = compared(git(top, "diff"))
    assert (status, out) == (2, "")
    assert f"{NAME}: the patch is a combined diff of a merge" in err
    assert "git diff HEAD" in err
    status, out, err = compared(git(top, "diff", "HEAD"))
    assert status == 2
    assert "the file is in a merge conflict" in err


def test_a_binary_patch_is_read_by_its_blobs(top, compared):
    (top / ".gitattributes").write_text("*.ksnap binary\n")
    (top / NAME).write_text(OTHER)
    for options in ((), ("--binary",)):
        status, out, _ = compared(git(top, "diff", *options, "--", NAME))
        assert (status, out.splitlines()[0]) == (1, ONE)
    patch = git(top, "diff", "--", NAME)
    (top / NAME).write_text(THIRD)
    status, out, err = compared(patch)
    assert (status, out) == (2, "")
    assert f"{NAME}: the patch does not hold the lines of this file, and they are not here" in err


def test_windows_line_ends_of_the_patch_are_not_those_of_the_golden(top, compared):
    (top / NAME).write_text(OTHER)
    status, out, _ = compared(git(top, "diff").replace(b"\n", b"\r\n"))
    assert (status, out.splitlines()[0]) == (1, ONE)
    (top / NAME).write_bytes(OTHER.replace("\n", "\r\n").encode())
    status, _, err = compared(git(top, "diff"))
    assert status == 2
    assert "the file has Windows line ends (CRLF)" in err


def test_a_golden_whose_last_line_end_was_lost(top, compared):
    (top / NAME).write_text(TEXT.removesuffix("\n"))
    for patch in (git(top, "diff"), git(top, "diff", "-R")):
        status, _, err = compared(patch)
        assert status == 2
        assert "the file is cut off: its last line must be `end`" in err


def test_a_line_inserted_first_makes_no_new_golden(top, compared):
    (top / NAME).write_text(f"<<<<<<< ours\n{TEXT}")
    status, out, err = compared(git(top, "diff", "-U0"))
    assert (status, out.splitlines()[0]) == (2, "1 golden: 1 unreadable, 0 the same")
    assert "(new):1: the file is in a merge conflict" in err


def test_a_rename_is_gone_under_one_name_and_new_under_another(top, compared):
    git(top, "mv", NAME, "goldens/b.h100.ksnap")
    status, out, _ = compared(git(top, "diff", "-M", "HEAD"))
    assert status == 1
    assert "1 new, 1 gone" in out.splitlines()[0]
    (top / "goldens/b.h100.ksnap").write_text(TEXT.replace("::test_horizontal_reduction_pointwise\n", "::test_b\n"))
    assert compared(git(top, "diff", "-M", "HEAD"))[1] == out
    (top / "goldens/b.h100.ksnap").write_text(OTHER)
    status, out, _ = compared(git(top, "diff", "-M", "HEAD"))
    assert (status, out.splitlines()[0]) == (1, ONE)
    assert "goldens/b.h100.ksnap" in out
    git(top, "checkout", "-qf", "HEAD")
    shutil.copy(top / NAME, top / "goldens/copy.h100.ksnap")
    commit(top)
    status, out, _ = compared(git(top, "diff", "-C", "--find-copies-harder", "HEAD~"))
    assert (status, out.splitlines()[0]) == (1, "1 golden: 1 new, 0 the same")


def test_deleted_without_its_text(top, compared):
    (top / NAME).unlink()
    status, out, _ = compared(git(top, "diff", "--irreversible-delete"))
    assert (status, out.splitlines()[0]) == (1, "1 golden: 1 gone, 0 the same")


def test_a_mode_a_link_and_a_submodule_change_no_golden(top, compared):
    (top / NAME).chmod(0o755)
    status, out, _ = compared(git(top, "diff"))
    assert (status, out.splitlines()[0]) == (0, "1 golden: 1 the same")
    (top / NAME).unlink()
    (top / NAME).symlink_to("elsewhere")
    status, out, _ = compared(git(top, "diff"))
    assert (status, out.splitlines()[0]) == (1, "1 golden: 1 gone, 0 the same")
    git(top, "checkout", "-q", ".")
    subprocess.run(["git", "init", "-q", "sub.ksnap"], cwd=top, check=True)
    commit(top / "sub.ksnap")
    git(top, "-c", "advice.addEmbeddedRepo=false", "add", "sub.ksnap")
    status, out, _ = compared(git(top, "diff", "--cached"))
    assert (status, out.splitlines()[0]) == (0, "0 goldens: nothing to compare")


def test_a_patch_of_two_folders_without_git(tmp_path, compared, monkeypatch):
    for side, text in (("old", TEXT), ("new", OTHER)):
        (tmp_path / side / "x").mkdir(parents=True)
        (tmp_path / side / "x" / "a.ksnap").write_text(text)
        (tmp_path / side / "x" / f"{side}.ksnap").write_text(text)
    monkeypatch.chdir(tmp_path)

    def diff(*options):
        return subprocess.run(["diff", *options, "old", "new"], capture_output=True, check=False).stdout

    status, out, _ = compared(diff("-ruN"))
    assert (status, out.splitlines()[0]) == (1, "none worse; 3 goldens: 1 changed, 1 new, 1 gone, 0 the same")
    for options in (("-ru",), ("-rqN",)):
        status, out, err = compared(diff(*options))
        assert (status, out) == (2, "")
        assert "make it with diff -ruN" in err


def test_a_patch_of_two_folders_by_git(tmp_path, compared, monkeypatch):
    for side, text in (("old", TEXT), ("new", OTHER)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.ksnap").write_text(text)
    monkeypatch.chdir(tmp_path)
    status, out, _ = compared(git(tmp_path, "diff", "--no-index", "old", "new", status=1))
    assert (status, out.splitlines()[0]) == (1, ONE)


def test_nothing_is_no_change_and_what_is_no_patch_an_error(top, compared):
    status, out, _ = compared(git(top, "diff"))
    assert (status, out.splitlines()[0]) == (0, "0 goldens: nothing to compare")
    (top / NAME).write_text(OTHER)
    for patch in (git(top, "diff", "--stat"), b"fatal: bad revision\n", b"\0\xff\n"):
        status, out, err = compared(patch)
        assert (status, out) == (2, "")
        assert "the patch is empty: it holds no file (is it the output of `git diff`?)" in err
    status, _, err = compared(git(top, "diff", "--word-diff"))
    assert status == 2
    assert "--word-diff" in err
    status, _, err = compared(git(top, "diff")[:-80])
    assert status == 2
    assert "the patch cannot be read" in err


def test_a_patch_that_was_cut_off_is_not_the_same(top, compared):
    (top / NAME).write_text(OTHER)
    lines = git(top, "diff").splitlines(keepends=True)
    for kept in range(1, len(lines)):
        status, out, _ = compared(b"".join(lines[:kept]))
        # With the line of the ids, git's objects and the file here say the rest.
        assert (status, out[: len(ONE)]) == ((1, ONE) if 2 <= kept <= 4 else (2, ""))


@pytest.mark.parametrize(
    ("line", "instead"),
    [("rename to goldens/b.h100.ksnap\n", ""), ("index ", "index x"), ("index ", "index 0000\nwas ")],
)
def test_headers_that_were_damaged_are_no_bug(top, compared, line, instead):
    git(top, "mv", NAME, "goldens/b.h100.ksnap")
    (top / "goldens/b.h100.ksnap").write_text(OTHER)
    patch = git(top, "diff", "-M", "HEAD").decode()
    assert line in patch
    assert compared(patch.replace(line, instead).encode())[0] in (1, 2)


def test_a_template_of_two_folders(tmp_path, compared, monkeypatch):
    """Their paths are absolute: they are read below the folder that the command runs in, and nowhere else."""
    name = "FlexForwardTests.test_forward[plain].h100.ksnap"
    for side in ("old", "new"):
        (tmp_path / side / "x").mkdir(parents=True)
        shutil.copy(ROOT / "goldens/test_flex_triton" / name, tmp_path / side / "x")
        shutil.copytree(ROOT / "goldens/templates", tmp_path / side / "templates")
    template = tmp_path / "new/templates/flex_attention.ktemplate"
    before = stored_template(template).digest
    template.write_text(template.read_text().replace("acc = acc / l_i[:, None]", "acc = acc * (1.0 / l_i[:, None])"))
    golden = tmp_path / "new/x" / name
    golden.write_text(golden.read_text().replace(before, stored_template(template).digest))
    monkeypatch.chdir(tmp_path)
    patch = subprocess.run(
        ["diff", "-ruN", tmp_path / "old", tmp_path / "new"], capture_output=True, check=False
    ).stdout
    status, out, _ = compared(patch)
    assert (status, out.splitlines()[0]) == (1, ONE)


def test_a_name_in_a_message_steers_no_terminal(top, compared, tmp_path_factory, monkeypatch):
    name = "goldens/\x1b]0;title\x07.ksnap"
    (top / name).write_text(OTHER)
    patch = git(top, "diff", "--no-index", NAME, name, status=1)
    status, out, _ = compared(patch)
    assert (status, out.splitlines()[0]) == (1, ONE)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    status, _, err = compared(patch)
    assert status == 2
    for text in (out, err):
        assert "\\x1b]0;title\\x07.ksnap" in text
        assert "\x1b" not in text
