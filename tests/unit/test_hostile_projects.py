"""Projects in which any file may be anything: a command ends with an error of ours, or does its work, and no trace.

Each file gets each content, for one of the commands that read it; with KERNELSNAP_EVERY=1, for all of them.
"""

from __future__ import annotations

import json
import os
import shutil

import pytest

from attack.recorded_tree import RecordedTree
from kernelsnap.cli.main import main

KEY = ("test_x", "h100")
DEEP = "[" * 1_000_000
#: What a file may hold that nobody meant: each is written in the place of each kind of file.
CONTENTS = {
    "nothing": b"",
    "a null": b"\0",
    "no text": bytes(range(256)),
    "brackets": DEEP.encode(),
    "braces": b'{"a":' * 100_000,
    "tables": b"a.b.c." * 20_000 + b"x = 1\n",
    "a number": b"9" * 5000,
    "a float": b"[1e999]",
    "no number": b'{"format": NaN}',
    "twice": b'{"format": 1, "format": 1}',
    "half a character": b'{"format": 1, "module": "\\ud800", "test": "\\udc00"}',
    "escapes": b'{"format": 1, "module": "\\u001b[2J\\u0007", "versions": {"\\u001b]0;x\\u0007": 1}}',
    "a list": b"[]",
    "null": b"null",
    "toml of wrong types": b'format = "2"\ntorch = 1\ntriton = [1]\npackages = 3\nresources = "x"\n',
    "toml of wrong types, too": b"format = 2\ntorch = {}\n[packages]\nx = 1\n[packages.y]\nz = 2\n# end\n",
    "toml with escapes": b'format = 2\ntorch = "\\u001b[31m"\n[packages."\\u001b[2J"]\n"1" = ["\\u0007*"]\n# end\n',
    "a date": b"format = 1979-05-27\ntorch = 07:32:00\n",
    "wrong tables": b"[tool]\nkernelsnap = 3\npytest = []\n",
    "wrong targets": b'[tool.kernelsnap]\ntargets = ["h100"]\n',
    "wrong numbers": b'[tool.kernelsnap.targets.x]\nbase = ["h100"]\nmulti_processor_count = nan\ndevice_name = 1\n',
    "a conflict": b"<<<<<<< ours\nformat = 2\n=======\nformat = 1\n>>>>>>> theirs\n",
}


def folder(path):
    path.mkdir()


def loop(path):
    path.symlink_to(path.name)


def loop_of_folders(path):
    path.mkdir()
    (path / "x").symlink_to("..")


#: What may be in the place of a file.
IRREGULAR = {
    "a folder": folder,
    "a pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": loop,
    "a link to nothing": lambda path: path.symlink_to("/nowhere/x"),
    "a folder with itself": loop_of_folders,
}
#: Each kind of file, and the commands that read it.
FILES = {
    "goldens/test_a/test_x.h100.ksnap": (("show", "{}"), ("verify-tree", "goldens"), ("pending",), ("cost", "{}")),
    "goldens/toolchain.toml": (("verify-tree", "goldens"), ("accept", "--all"), ("diff", "goldens", "goldens")),
    "goldens/ledger.toml": (("accept", "--all"), ("pending",), ("review", "--json")),
    "goldens/templates/mm.ktemplate": (("show", "goldens/test_a/test_x.h100.ksnap"), ("verify-tree", "goldens")),
    "goldens/test_a/test_x.h100.kres": (("verify-tree", "goldens"), ("diff", "goldens", "goldens")),
    ".pytest_cache/d/kernelsnap/pending/test_a/test_x.h100.json": (
        ("pending",), ("accept", "--all"), ("review", "--json"), ("diff", "--failed"), ("reject", "--all"),
        ("pending", "--from", ".pytest_cache/d/kernelsnap"),
    ),
    ".pytest_cache/d/kernelsnap/pending/test_a/test_x.h100.ksnap": (("accept", "--all"), ("diff", "--failed")),
    ".pytest_cache/d/kernelsnap/review.json": (
        ("review", "--decisions", ".pytest_cache/d/kernelsnap/review.json"), ("review", "--json"),
    ),
    ".pytest_cache/d/kernelsnap/orphans.json": (("prune",), ("prune", "--remove")),
    ".pytest_cache/d/kernelsnap/compared.json": (("accept", "--all"),),
    ".pytest_cache/d/kernelsnap/root": (("pending",), ("accept", "--all")),
    "pyproject.toml": (("targets",), ("targets", "--json"), ("verify-tree", "goldens"), ("accept", "--all")),
    "reasons.toml": (("accept", "--all", "--reasons", "reasons.toml"),),
    "x.patch": (("diff", "--patch", "x.patch"),),
    ".goldens.changing/journal": (("accept", "--all"), ("verify-tree", "goldens")),
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    tree = RecordedTree(tmp_path_factory.mktemp("original") / "project")
    tree.record({KEY: 0, ("test_y", "a100"): 0})
    tree.pend(KEY, 1)
    tree.note_orphans(["test_y"])
    tree.folder.write_compared({"versions": {}, "goldens": {}, "resources": {}, "tools": {}})
    return tree


@pytest.fixture
def project(original, tmp_path, monkeypatch):
    def copy():
        root = tmp_path / "project"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(original.root, root, symlinks=True)
        RecordedTree(root).note_orphans(["test_y"])
        monkeypatch.chdir(root)
        return root

    return copy


def commands(name, number):
    """The commands to run with one content of a file."""
    found = FILES[name]
    return found if "KERNELSNAP_EVERY" in os.environ else (found[number % len(found)],)


def run(capfd, words):
    """Run one command; what is wrong with how it ended."""
    try:
        status = main(list(words))
    except SystemExit as stop:
        return f"usage: {stop}"
    out, err = capfd.readouterr()
    if status == 2 and not err.startswith("kernelsnap: "):
        return f"status 2 and {err[:200]!r}"
    if "Traceback" in err or "internal error" in err:
        return err
    if raw := [character for character in out + err if not character.isprintable() and character not in "\n\t"]:
        return f"raw {raw[:3]} in {(out + err)[:300]!r}"
    if max(map(len, err.splitlines()), default=0) > 3000:
        return f"a line of {len(err)} characters: {err[:200]}"
    return "" if status in (0, 1, 2) else f"status {status}"


@pytest.mark.parametrize("name", FILES)
def test_any_content_in_the_place_of_a_file(project, capfd, name):
    wrong = {}
    for number, (what, content) in enumerate(CONTENTS.items()):
        for words in commands(name, number):
            path = project() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if found := run(capfd, [word.format(name) for word in words]):
                wrong[what, words] = found
    assert not wrong, json.dumps({str(key): text for key, text in wrong.items()}, indent=1)


@pytest.mark.parametrize("name", FILES)
def test_anything_else_in_the_place_of_a_file(project, capfd, name):
    wrong = {}
    for number, (what, make) in enumerate(IRREGULAR.items()):
        for words in commands(name, number):
            if "--patch" in words and what == "a pipe":
                continue  # which the user means: `--patch <(git diff)`
            path = project() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            make(path)
            if found := run(capfd, [word.format(name) for word in words]):
                wrong[what, words] = found
    assert not wrong, json.dumps({str(key): text for key, text in wrong.items()}, indent=1)
