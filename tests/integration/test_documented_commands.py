"""Each command that the pages show is one that the program understands; the cheap ones are run."""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from forked_runs import TORCH
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
TOOLS = sorted(set(re.findall(r"tools/(\w+)\.py", TEXT)))


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


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^(?:\$ )?(pytest .*)$", FENCED, re.MULTILINE))))
def test_pytest_knows_its_options(command, pytestconfig):
    shown = pytestconfig._parser.optparser.format_help()
    words = shlex.split(re.split(r" {2,}", command)[0], comments=True)
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert options <= set(re.findall(r"(?<!\w)--?\w[\w-]*", shown))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_explains_itself_and_has_the_options_that_a_page_gives_it(tool, monkeypatch, capsys):
    """In this process: most of them import torch, which takes seconds."""
    path = ROOT / "tools" / f"{tool}.py"
    monkeypatch.syspath_prepend(path.parent)
    lines = re.findall(rf"python tools/{tool}\.py(.*)$", FENCED, re.MULTILINE)
    subcommands = {line.split()[0] for line in lines if re.match(r" [a-z]+\b", line)}
    for subcommand in sorted(subcommands) or [""]:
        monkeypatch.setattr(sys, "argv", [path.name, *filter(None, [subcommand]), "--help"])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(path), run_name="__main__")
        assert not stop.value.code
        printed = capsys.readouterr().out
        assert printed.startswith("usage:")
        for line in lines:
            if subcommand in line.split() or not subcommand:
                assert set(re.findall(r"--\w[\w-]*", line)) <= set(re.findall(r"--\w[\w-]*", printed))


def test_the_benchmark_measures(forked_runs):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tools"), str(ROOT / "src")])}
    command = [sys.executable, "-m", "benchmark", "--smoke"]
    status, printed = forked_runs.server(TORCH).run(command, ROOT, environment, None)
    assert status == 0, printed
    assert re.search(r"^1 cases, bare [\d.]+ s, full [\d.]+ s$", printed, re.MULTILINE)
    assert printed.count(" bound ") == 4


def test_make_has_each_target_that_a_page_names():
    named = set(re.findall(r"`make (\w+)", TEXT)) | set(re.findall(r"^(?:\$ )?make (\w+)", FENCED, re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


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
    ],
)
def test_a_cheap_one_works(words, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    try:
        status = main(words.split())
    except SystemExit as stop:
        status = stop.code
    printed = capsys.readouterr()
    assert not status, printed.err
    assert printed.out
