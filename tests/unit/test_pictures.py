"""The pictures of the README: small, and drawn from what the program shows."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kernelsnap.pending.review.screen import KEYS

ROOT = Path(__file__).parents[2]
PICTURES = re.findall(r"!\[[^\]]+\]\((docs/pictures/[^)]+)\)", (ROOT / "README.md").read_text())
TOOL = runpy.run_path(str(ROOT / "tools/pictures.py"))


def test_the_readme_shows_all_of_them_and_none_is_large():
    assert sorted(PICTURES) == sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/pictures").iterdir())
    assert max((ROOT / path).stat().st_size for path in PICTURES) < TOOL["MOST"]


def test_the_recorded_review_has_the_keys_of_the_program():
    screens = ElementTree.parse(ROOT / "docs/pictures/review.svg").getroot().findall("{*}g")
    assert len(screens) == len(TOOL["TYPED"])
    shown = " ".join("".join(text.itertext()) for text in screens[0])
    assert all(f"{key} {what}" in shown for key, what in KEYS)
    assert shown.startswith("group 1 of ")
    assert "/tmp" not in shown


@pytest.mark.parametrize(
    ("screen", "expected"),
    [
        ("\x1b[31m- a < b\x1b[0m c", ['x="14" y="27" fill="#ff7b72">- a &lt; b', 'x="72.8" y="27"> c']),
        ("\x1b[1mhead\n\x1b[2m  dim", ['font-weight="700">head', 'opacity="0.6">  dim']),
    ],
)
def test_a_screen_is_drawn_in_its_colours(screen, expected):
    text = TOOL["svg"]([screen])
    ElementTree.fromstring(text)
    assert all(part in text for part in expected)
