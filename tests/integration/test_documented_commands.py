"""Each command that the pages show is one that the program understands; the cheap ones are run."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kernelsnap.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
FENCED = "\n".join(block for _, block in re.findall(r"^(```|~~~)[^\n]*\n(.*?)^\1", TEXT, re.MULTILINE | re.DOTALL))
#: What a page shows, from `kernelsnap` on: at the start of a line, behind a prompt or a pipe, or in a failure.
#: `kernelsnap resources 1` is the first line of a file.
SHOWN = re.findall(
    r"^(?:\$ |.*\| |E   To see why:  |    )?(kernelsnap (?!resources )[a-z-]+ .*)$", FENCED, re.MULTILINE
)
#: These need a GPU, and take no options.
ON_A_GPU = {"fidelity_session", "resources_session"}
TOOLS = sorted(set(re.findall(r"tools/(\w+)\.py", TEXT)) - ON_A_GPU)


class UnderstoodError(Exception):
    """The command line was parsed; it is not run."""


@pytest.fixture
def only_parsed(monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser, *arguments):
        parse(parser, *arguments)
        raise UnderstoodError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)


@pytest.mark.parametrize("command", sorted(set(SHOWN)))
def test_the_program_understands_it(command, only_parsed):
    # Two blanks and more separate a command from what the page says about it.
    words = shlex.split(re.split(r" {2,}", command)[0], comments=True)
    with pytest.raises(UnderstoodError):
        main(words[1 : words.index(">") if ">" in words else None])


def test_pages_show_commands():
    assert {words.split()[1] for words in SHOWN} >= {"attribute", "bisect", "diff", "gitattributes", "targets"}
    assert len(TOOLS) > 5


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_explains_itself(tool):
    command = [sys.executable, str(ROOT / "tools" / f"{tool}.py"), "--help"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.startswith("usage:")


@pytest.mark.parametrize(
    "words",
    [
        "--version",
        "show goldens/test_fusion/FusionTests.test_softmax_inner.h100.ksnap --layer plan",
        "diff goldens/test_tiling goldens/test_tiling",
        "gitattributes",
        "targets",
        "targets a100",
        "targets --sources",
        "doctor --quick --json",
    ],
)
def test_a_cheap_one_works(words):
    command = [sys.executable, "-m", "kernelsnap", *words.split()]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout
