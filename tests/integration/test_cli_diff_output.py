"""Where the report of `kernelsnap diff` is written: terminals, pipes and logs of every kind, and files."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
COMMAND = (sys.executable, "-m", "kernelsnap", "diff")
PLAIN = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
ENVIRONMENT = {**PLAIN, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm"}


@pytest.fixture
def trees(tmp_path):
    """Two folders with a golden that changed, and one whose name is not UTF-8 and not harmless."""
    for side, text in (("old", TEXT), ("new", TEXT.replace("tl_math.cos", "tl_math.sin"))):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.h100.ksnap").write_text(text)
        Path(os.fsdecode(bytes(tmp_path / side) + b"/\xff\x1b[31m\xc3\xbc.ksnap")).write_text(
            text.replace("arg0", "arg1")
        )
    return tmp_path


def run(trees, *arguments, status=1, **variables):
    found = subprocess.run(
        [*COMMAND, "old", "new", *arguments],
        cwd=trees,
        capture_output=True,
        check=False,
        env={**ENVIRONMENT, **variables},
    )
    assert found.returncode == status, found.stderr
    assert found.stderr == b""
    return found.stdout


def terminal(trees, *arguments, **variables):
    """What is written to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    with open(theirs, "wb", buffering=0) as end:  # noqa: PTH123
        process = subprocess.Popen(
            [*COMMAND, "old", "new", *arguments], cwd=trees, stdout=end, env={**ENVIRONMENT, **variables}
        )
    found = b""
    try:
        while part := os.read(ours, 1 << 16):
            found += part
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    assert process.wait() == 1
    return found.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", ["abc", "", "0", "-3", "80"])
def test_a_width_that_is_none_is_that_of_a_usual_terminal(trees, columns):
    lines = run(trees, COLUMNS=columns).decode().splitlines()
    assert 60 < max(map(len, lines)) <= 80


def test_colours_are_for_terminals_and_for_those_who_ask(trees):
    escape = re.compile("\x1b")
    assert escape.search(terminal(trees))
    assert not escape.search(terminal(trees, NO_COLOR="1"))
    assert escape.search(terminal(trees, NO_COLOR=""))
    assert not escape.search(terminal(trees, TERM="dumb"))
    assert not escape.search(run(trees).decode())
    assert escape.search(run(trees, FORCE_COLOR="1").decode())
    assert not escape.search(run(trees, FORCE_COLOR="1", NO_COLOR="1").decode())


def test_a_narrow_terminal_and_a_wide_one(trees):
    narrow, wide = (run(trees, COLUMNS=columns).decode().splitlines() for columns in ("40", "200"))
    assert max(map(len, narrow)) <= 40
    assert max(map(len, wide)) > 80


@pytest.mark.parametrize("form", ["terminal", "markdown", "json"])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1", "utf-16"])
def test_every_encoding_can_show_every_name(trees, form, encoding):
    text = run(trees, "--format", form, PYTHONIOENCODING=encoding).decode(encoding)
    assert "\x1b" not in text
    assert re.search(r"\\(x1b|u001b)\[31m", text)
    if form == "json":
        assert json.loads(text)["groups"][0]["members"] == ["a.h100.ksnap", "\udcff\x1b[31mü.ksnap"]


def test_every_file_can_hold_every_name(trees):
    run(trees, "--markdown", "a.md", "--json", "a.json", "--html", "a.html", "--output", "a.txt")
    for name in ("a.md", "a.html", "a.txt"):
        text = (trees / name).read_bytes().decode()
        assert "\x1b" not in text
        assert "\\udcff\\x1b[31mü.ksnap" in text
    assert json.loads((trees / "a.json").read_text())["compared"] == 2


@pytest.mark.parametrize(
    "arguments", [(), ("--format", "json"), ("--format", "markdown"), ("--explain", "a.h100.ksnap")]
)
def test_a_reader_that_has_seen_enough_is_no_error(trees, arguments):
    read, write = os.pipe()
    os.close(read)
    found = subprocess.run(
        [*COMMAND, "old", "new", *arguments],
        cwd=trees,
        stdout=write,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        check=False,
    )
    os.close(write)
    assert (found.returncode, found.stderr) == (1, b"")


def test_a_full_disk_is_an_error_of_one_line(trees):
    with Path("/dev/full").open("wb") as full:
        found = subprocess.run(
            [*COMMAND, "old", "new"], cwd=trees, stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
        )
    assert found.returncode == 2
    assert found.stderr == b"kernelsnap: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("option", ["--output", "--markdown", "--json", "--html"])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_compared(tmp_path, option):
    found = subprocess.run(
        [*COMMAND, "no", "such", option, "no/folder/x"], cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT
    )
    assert found.returncode == 2
    assert found.stderr == "kernelsnap: no/folder/x: No such file or directory\n"
