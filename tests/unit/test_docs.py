"""The docs name what there is: a rule, metric, option or page that is added or renamed has to be told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernelsnap.model.metrics import METRICS
from kernelsnap.model.resources import MIX, NEEDS
from kernelsnap.normalize.rules import RULES
from kernelsnap.plugin.resources_run import INI as RESOURCES_INI
from kernelsnap.plugin.resources_run import OPTION as RESOURCES_OPTION
from kernelsnap.plugin.run import GOLDENS_INI, TESTS_INI
from kernelsnap.plugin.targets import INI, OPTION

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_rule_stands_in_the_normalization_page():
    text = (ROOT / "docs" / "normalization.md").read_text()
    rows = set(re.findall(r"^\| ([\w ]+?) \|", text, re.MULTILINE))
    assert {rule.name for rule in RULES} <= rows


def test_every_metric_stands_in_the_golden_page():
    text = (ROOT / "docs" / "golden.md").read_text()
    rows = " ".join(re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE))
    for metric in METRICS:
        assert metric.name.split()[-1] in rows, metric.name


def test_every_line_of_a_resources_file_is_explained():
    text = (ROOT / "docs" / "resources.md").read_text()
    for name in [line.name for line in NEEDS] + [word for line in MIX for word in line.name.split()]:
        assert name in text, name


@pytest.mark.parametrize(
    "name",
    [
        OPTION,
        INI,
        GOLDENS_INI,
        TESTS_INI,
        "--kernelsnap-config",
        "--kernelsnap-orphans",
        RESOURCES_OPTION,
        RESOURCES_INI,
    ],
)
def test_every_option_is_documented(name):
    assert any(name in page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
