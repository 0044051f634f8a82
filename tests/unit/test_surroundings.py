"""Commands where something of the machine is missing: each surroundings with one command, in turn.

`python tools/attack/surroundings.py` runs every command in each.
"""

from __future__ import annotations

import shutil

import pytest

from attack.surroundings import COMMANDS, SURROUNDINGS, problem, project

#: What imports torch, or makes environments, takes seconds.
SLOW = ("doctor", "bisect", "upgrade")
QUICK = [name for name in COMMANDS if name not in SLOW]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return project(tmp_path_factory.mktemp("original") / "project").root


def test_a_command_in_each_surroundings(original, tmp_path):
    found = []
    for number, name in enumerate(SURROUNDINGS):
        command = QUICK[number % len(QUICK)]
        root = tmp_path / "project"
        shutil.copytree(original, root, symlinks=True)
        if wrong := problem(root, name, COMMANDS[command]):
            found.append(f"{command}, {name}: {wrong}")
        shutil.rmtree(root)
    assert not found


def test_a_review_without_input(original, tmp_path):
    """It failed with an error of Python's: `<&-` leaves no standard input at all."""
    root = tmp_path / "project"
    shutil.copytree(original, root, symlinks=True)
    assert not problem(root, "no input", COMMANDS["review of a terminal"])
    assert not problem(root, "no input", COMMANDS["patch"])
