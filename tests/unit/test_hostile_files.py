"""Files that nobody generated: each is an error of one line that names it, quickly, and never a trace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fuzz
import stored_goldens
from kernelsnap.cli.main import main
from kernelsnap.errors import GoldenError, GoldenFormatError, KernelsnapError
from kernelsnap.golden import files, sharing
from kernelsnap.golden.format import parse
from kernelsnap.golden.lines import Lines
from kernelsnap.golden.store import golden_text, write_golden
from kernelsnap.golden.templates.folding import unfolded
from kernelsnap.golden.templates.template import read_template
from kernelsnap.model.golden import Code, Golden, Plan

ROOT = Path(__file__).parents[2]
NAME = "test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
TEXT = stored_goldens.text(NAME)


def run(capsys, *words):
    """Status and error of a command, which is no trace; nothing of it takes long."""
    start = time.thread_time()
    status = main(list(words))
    assert time.thread_time() - start < 20
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "internal error" not in err
    return status, err


@pytest.fixture
def golden(tmp_path):
    path = tmp_path / "goldens" / NAME
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    (tmp_path / "goldens" / "toolchain.toml").write_text("")
    return path


def edited(before, after):
    assert before in TEXT
    return TEXT.replace(before, after, 1)


HOSTILE = {
    "a number with two signs": (edited("kernels  1\n", "kernels  --5\n"), r":\d+: not a number"),
    "a number of 5,000 digits": (
        edited("kernels  1\n", f"kernels  {'9' * 5000}\n"),
        r":\d+: not a number of at most 18",
    ),
    "a number of another script": (edited("kernels  1\n", "kernels  ٣\n"), r":\d+: not a number"),
    "a launch with two signs": (edited("warps 2", "warps --2"), r":\d+: not a number"),
    "a launch of 5,000 digits": (edited("warps 2", f"warps {'2' * 5000}"), r":\d+: not a number"),
    "a version of 5,000 digits": (edited("kernelsnap 1", f"kernelsnap {'1' * 5000}"), ":1: not a golden"),
    "a version with a sign": (edited("kernelsnap 1", "kernelsnap -1"), ":1: not a golden"),
    "a heading without a kernel": (
        edited("code\n  inference  k0\n", "code\n  inference  \n"),
        r":\d+: a name is missing",
    ),
    "a step without a kind": (edited("k0  persistent reduction  x 10  r0 10", "k0  "), r":\d+: "),
    "host code that is not Python": (edited("def call(", "def call call("), "the host code is not Python"),
    "host code with a null": (edited("def call(", "\0def call("), "the host code is n"),
    "host code that nests deeply": (edited("def call(", f"x = {'(' * 5000}\n    def call("), "the host code is no"),
    "host code with many signs": (edited("def call(", f"x = {'-' * 90000}1\n    def call("), "the host code is no"),
    "a line of a megabyte": (
        edited("def call(", f"#{'x' * (1 << 20)}\n    def call("),
        r":\d+: the line has more than 250,000",
    ),
    "two million lines": (edited("code\n", "code\n" * 2_000_000), "more than 1,000,000 lines"),
    "100,000 empty lines": (edited("    def call(", "\n" * 100_000 + "    def call("), None),
    "200,000 empty lines of nothing": (TEXT.replace("\nend\n", "\n" * 200_000 + "end\n"), r":\d+: "),
    "no end": (TEXT.removesuffix("end\n"), "cut off"),
    "nothing": ("", ":1: not a golden"),
    "line ends of Windows": (TEXT.replace("\n", "\r\n"), "Windows line ends"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_golden(golden, capsys, name):
    text, message = HOSTILE[name]
    other = golden.with_name(f"x{golden.name}")
    other.write_bytes(text.encode())
    status, err = run(capsys, "diff", str(golden), str(other))
    if message is None:
        assert status == 1
        return
    assert status == 2
    assert re.search(message, err), err
    assert f"{golden.name}" in err
    assert max(map(len, err.splitlines())) < 2000


@pytest.mark.parametrize("number", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf8\x88\x80\x80\x80"])
def test_what_is_not_utf_8(golden, capsys, number):
    golden.write_bytes(TEXT.encode().replace(b"kernels  1\n", b"kernels  " + number + b"\n", 1))
    status, err = run(capsys, "show", str(golden))
    assert (status, "is not UTF-8" in err) == (2, True)


IRREGULAR = {
    "a pipe": (os.mkfifo, "no regular file"),
    "a folder": (Path.mkdir, "no regular file"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "a link to nothing": (lambda path: path.symlink_to("/nowhere"), "No such file"),
    "a link to itself": (lambda path: path.symlink_to(path), "Too many levels of symbolic links|Symlink loop"),
    "a link out of the tree": (lambda path: path.symlink_to(ROOT / "goldens" / NAME), "links lead from there to"),
    "a large file": (
        lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), files.LARGEST + 1),
        "more than 64 MiB",
    ),
}


@pytest.mark.parametrize("name", IRREGULAR)
@pytest.mark.parametrize("command", ["show", "diff", "toolchain"])
def test_what_is_no_file_of_the_tree(golden, capsys, name, command):
    make, message = IRREGULAR[name]
    path = golden.with_name("y.h100.ksnap") if command != "toolchain" else golden.parents[1] / "toolchain.toml"
    path.unlink(missing_ok=True)
    make(path)
    words = {"show": ("show", path), "diff": ("diff", golden, path), "toolchain": ("verify-tree", golden.parents[1])}
    if command == "toolchain":
        assert run(capsys, *map(str, words[command]))[0] == 1
        return
    status, err = run(capsys, *map(str, words[command]))
    assert status == 2
    # What is not there may be meant as a revision.
    revision = command == "diff" and name in ("a folder", "a link to nothing", "a link to itself")
    assert revision or re.search(message, err)
    if name != "a link to nothing":
        with pytest.raises(GoldenError):
            files.read_text(path)


def test_a_link_inside_the_tree_is_followed(golden):
    link = golden.with_name("y.h100.ksnap")
    link.symlink_to(golden)
    assert golden_text(link) == TEXT
    folder = golden.parents[1] / "linked"
    folder.symlink_to(golden.parent)
    assert golden_text(folder / golden.name) == TEXT


def test_a_folder_that_leads_out_of_the_tree(golden, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "x.h100.ksnap").write_text(TEXT)
    (golden.parents[1] / "linked").symlink_to(elsewhere)
    with pytest.raises(GoldenError, match="links lead from there to"):
        golden_text(golden.parents[1] / "linked" / "x.h100.ksnap")
    with pytest.raises(GoldenError, match="links lead from there to"):
        sharing.head_of(golden.parents[1] / "linked" / "x.h100.ksnap")


def test_a_template_that_gives_too_much():
    """126 KB that would become gigabytes: a long value that the template uses again and again."""
    source = "{{def_kernel()}}\n" + "    x = {{v}}\n" * 2_000 + "    return\n"
    bomb = read_template("bomb", source)
    value = "y" * 100_000
    text = (
        "kernelsnap 2\ncase a.py::b\ntarget h100\n\nplan\n\nmetrics\n\nconfig\n\ncode\n  inference  k0  template bomb\n"
        f"    def_kernel():\n      def k0():\n    v = {value}\n\nend\n"
    )
    start = time.thread_time()
    with pytest.raises(GoldenFormatError, match=r"x: inference k0 gives more than 64 Mi characters"):
        unfolded(text, lambda _: bomb, "x")
    assert time.thread_time() - start < 10


def test_several_kernels_that_give_too_much_together():
    bomb = read_template("bomb", "{{def_kernel()}}\n" + "    x = {{v}}\n" * 200 + "    return\n")
    kernel = f"  inference  k0  template bomb\n    def_kernel():\n      def k0():\n    v = {'y' * 100_000}\n"
    head = "kernelsnap 2\ncase a.py::b\ntarget h100\n\nplan\n\nmetrics\n\nconfig\n\ncode\n"
    with pytest.raises(GoldenFormatError, match=r"x: its templates give more than 64 Mi characters"):
        unfolded(head + kernel * 5 + "\nend\n", lambda _: bomb, "x")


def test_values_with_many_equals_signs_are_read_in_time_that_grows_with_them():
    template = read_template("t", "{{def_kernel()}}\n    x = {{v}}\n    return\n")
    head = "kernelsnap 2\ncase a.py::b\ntarget h100\n\nplan\n\nmetrics\n\nconfig\n\ncode\n  inference  k0  template t\n"
    value = "a = " * 50_000
    text = f"{head}    def_kernel():\n      def k0():\n    v = {value}\n\nend\n"
    assert value in unfolded(text, lambda _: template, "x")


@pytest.mark.parametrize("blanks", [1_000, 100_000])
def test_a_patch_header_of_blanks(capsys, tmp_path, blanks, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").write_text(f"diff --git a/x{' ' * blanks}.ksnap b/x.ksnap\nindex 0000..1111\n")
    status, err = run(capsys, "diff", "--patch", "p")
    assert (status, "line 1 of the patch is longer" in err) == (2, True)


PATCHES = {
    "a name that no file can have": f"--- a/{'x' * 300}.ksnap\n+++ b/{'x' * 300}.ksnap\n@@ -1 +1 @@\n-a\n+b\n",
    "numbers of 5,000 digits": f"--- a/x.h100.ksnap\n+++ b/x.h100.ksnap\n@@ -{'1' * 5000},2 +1 @@\n-a\n+b\n",
    "new and deleted": "diff --git a/x.h100.ksnap b/x.h100.ksnap\nnew file mode 100644\ndeleted file mode 100644\n"
    "index 1111..2222\n",
    "new and deleted with lines": "diff --git a/x.h100.ksnap b/x.h100.ksnap\nnew file mode 100644\n"
    "deleted file mode 100644\nindex 1111..2222\n--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+a\n",
    "a long line": "diff --git a/x.h100.ksnap b/x.h100.ksnap\n--- a/x.h100.ksnap\n+++ b/x.h100.ksnap\n"
    f"@@ -1 +1 @@\n-{'x' * 300_000}\n+y\n",
    "out of the tree": "--- a/../../secret.h100.ksnap\n+++ b/../../secret.h100.ksnap\n@@ -1 +1 @@\n-a\n+b\n",
    "out of the tree, of git": "diff --git a/../secret.h100.ksnap b/../secret.h100.ksnap\nindex 1111..2222 100644\n"
    "--- a/../secret.h100.ksnap\n+++ b/../secret.h100.ksnap\n@@ -1 +1 @@\n-kernelsnap 1\n+kernelsnap 2\n",
    "an absolute path, out of the tree": "--- {tmp}/secret.h100.ksnap\n+++ {tmp}/secret.h100.ksnap\n"
    "@@ -1 +1 @@\n-a\n+b\n",
    "an absolute path, out of the tree, of git": "diff --git {tmp}/secret.h100.ksnap {tmp}/secret.h100.ksnap\n"
    "index 1111..2222 100644\n--- {tmp}/secret.h100.ksnap\n+++ {tmp}/secret.h100.ksnap\n@@ -1 +1 @@\n-a\n+b\n",
    "an absolute path that is renamed, out of the tree": "diff --git a/x.h100.ksnap b/y.h100.ksnap\n"
    "similarity index 100%\nrename from {tmp}/secret.h100.ksnap\nrename to y.h100.ksnap\n",
    "one name": "diff --git a/x.h100.ksnap \nindex 1111..2222 100644\n--- a/x.h100.ksnap\n+++ b/x.h100.ksnap\n"
    "@@ -1 +1 @@\n-a\n+b\n",
    "renamed out of the tree": "diff --git a/x.h100.ksnap b/../y.h100.ksnap\nsimilarity index 100%\n"
    "rename from x.h100.ksnap\nrename to ../y.h100.ksnap\n",
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_hostile_patch(capsys, tmp_path, monkeypatch, name):
    top = tmp_path / "top" / "below"
    top.mkdir(parents=True)
    for place in (tmp_path, tmp_path / "top"):
        (place / "secret.h100.ksnap").write_text(TEXT)
    monkeypatch.chdir(top)
    (top / "p").write_text(PATCHES[name].replace("{tmp}", str(tmp_path)))
    status, err = run(capsys, "diff", "--patch", "p")
    assert status == 2
    assert err.startswith("kernelsnap: ")
    if "out of" in name:
        assert "leads out of the folder that the patch is for" in err


UNREADABLE = {
    "a carriage return": ("def k0():\r\n    pass\n", r"not written, for it could not be read: .*Windows line ends"),
    "half of a character": ("def k0():\n    '\ud800'\n", r"not written: line \d+ would hold '\\ud800'"),
    "a long line": (f"# {'x' * 300_000}\n", "not written, for it could not be read: .*250,000 bytes"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_could_not_be_read_is_not_recorded(tmp_path, name):
    body, message = UNREADABLE[name]
    golden = Golden("a.py::b", "h100", (Plan("inference", (), (), ()),), (), (), (Code("inference", "k0", body),))
    with pytest.raises(GoldenFormatError, match=message):
        write_golden(tmp_path / "b.h100.ksnap", golden)
    assert list(tmp_path.iterdir()) == []


def test_host_code_that_is_not_python_is_not_recorded(tmp_path):
    golden = Golden(
        "a.py::b", "h100", (Plan("inference", (), (), ()),), (), (), (Code("inference", "host", "def def\n"),)
    )
    with pytest.raises(GoldenFormatError, match="the host code is not Python"):
        write_golden(tmp_path / "b.h100.ksnap", golden)


def test_empty_lines_inside_and_after_a_block():
    lines = Lines("kernelsnap 1\n  a\n\n\n  b\n\nend\n", "x", 1)
    assert lines.block(indent=1) == "a\n\n\nb\n"
    lines.end()


def test_escapes_in_a_golden_do_not_reach_the_terminal(golden, capsys):
    golden.write_text(TEXT.replace("def call(", "'\x1b]0;title\x07\u202e'\n    def call("))
    assert main(["show", str(golden)]) == 0
    out = capsys.readouterr().out
    assert "\\x1b]0;title\\x07\\u202e" in out
    assert not set("\x1b\x07\u202e") & set(out)


def command(*words, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **options.pop("env", {})}
    words = [sys.executable, "-m", "kernelsnap", *words]
    return subprocess.run(words, env=environment, check=False, stderr=subprocess.PIPE, **options)


def test_a_terminal_that_knows_only_ascii(golden):
    golden.write_text(TEXT.replace("sum = sum", "größe = sum"))
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = command("show", str(golden), env=environment, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"gr\\xf6\\xdfe = sum" in done.stdout


def test_standard_output_that_is_closed_or_full(golden):
    words = [sys.executable, "-m", "kernelsnap", "show", str(golden)]
    script = 'exec "$@" >&-'
    done = subprocess.run(["bash", "-c", script, "bash", *words], check=False, capture_output=True, cwd=ROOT / "src")
    assert done.returncode == 2
    assert done.stderr == b"kernelsnap: standard output and standard error have to be open\n"
    with Path("/dev/full").open("wb") as full:
        done = command("show", str(golden), stdout=full)
    assert done.returncode == 2
    assert done.stderr == b"kernelsnap: [Errno 28] No space left on device\n"


def test_a_reader_that_has_seen_enough(golden):
    words = [sys.executable, "-m", "kernelsnap", "show", str(golden)]
    script = 'set -o pipefail; "$@" | true'
    done = subprocess.run(["bash", "-c", script, "bash", *words], check=False, capture_output=True, cwd=ROOT / "src")
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_nobody_expected_is_reported_shortly(golden, capsys, monkeypatch):
    from kernelsnap.golden import format as golden_format

    def broken(*_):
        raise ZeroDivisionError("of \x1b[2J")

    monkeypatch.setattr(golden_format, "parse", broken)
    assert main(["show", str(golden)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "kernelsnap: internal error: ZeroDivisionError: of \\x1b[2J"
    assert str(golden) in lines[1]
    assert "--debug" in lines[2]
    with pytest.raises(ZeroDivisionError):
        main(["show", str(golden), "--debug"])
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "show", str(golden)])


def test_a_golden_of_every_beginning_is_an_error():
    for length in range(0, len(TEXT) - 1, 7):
        with pytest.raises(GoldenFormatError):
            parse(TEXT[:length], "x")


@pytest.mark.parametrize("name", ["toolchain", "ledger", "pending", "decisions", "targets"])
@pytest.mark.parametrize("odd", [f"x = {'[' * 100_000}", "[" * 100_000, f"x = {'9' * 5000}", '{"a":' * 100_000])
def test_nested_and_long_data_is_an_error_that_names_the_file(name, odd):
    """Parsers of the standard library end in a RecursionError, or in an error that is none of their own."""
    with pytest.raises(KernelsnapError, match=r"fuzzed|toml"):
        fuzz.TARGETS[name].read(odd.encode())
