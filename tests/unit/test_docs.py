"""The pages agree with the program: each option, rule, metric, file and link that they name exists, none is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kernelsnap.cli.main import main
from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.model.metrics import METRICS
from kernelsnap.model.resources import MIX, NEEDS
from kernelsnap.normalize.rules import RULES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
REFERENCE = (DOCS / "reference.md").read_text()
#: Folders and files in which the pages look up a name in backticks that looks like a path.
ROOTS = (ROOT, ROOT / "src" / "kernelsnap", ROOT / "tests" / "corpus")


def first_cells(text):
    """The code in the first column of every table."""
    return {name for row in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) for name in re.findall(r"`([^` ]+)", row)}


def section(heading):
    """The text of one section of the reference."""
    return re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^#{{1,3}} |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)[2]


def help_of(capsys, *words):
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    return capsys.readouterr().out


def pytest_prints(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={folder}", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_every_rule_is_in_the_normalization_page():
    rows = set(re.findall(r"^\| ([\w ]+?) \|", (DOCS / "normalization.md").read_text(), re.MULTILINE))
    assert {rule.name for rule in RULES} <= rows


def test_every_choice_by_timing_is_in_the_page_about_choices():
    timed = pytest.importorskip("kernelsnap.capture.timed", reason="needs torch")
    assert {place.setting for place in timed.PLACES} <= first_cells((DOCS / "choices.md").read_text())


def test_every_metric_is_in_the_golden_page():
    rows = " ".join(re.findall(r"^\| ([^|]+) \|", (DOCS / "golden.md").read_text(), re.MULTILINE))
    for metric in METRICS:
        assert metric.name.split()[-1] in rows, metric.name


def test_every_cause_is_in_the_page_about_the_diff():
    assert first_cells((DOCS / "diff.md").read_text()) >= set(CAUSES)


def test_every_line_of_a_resources_file_is_explained():
    text = (DOCS / "resources.md").read_text()
    for name in [line.name for line in NEEDS] + [word for line in MIX for word in line.name.split()]:
        assert name in text, name


def test_the_reference_has_each_command_and_no_other(capsys):
    commands = re.findall(r"^    ([a-z][\w-]*)", help_of(capsys), re.MULTILINE)
    assert len(commands) > 5
    assert sorted(commands) == sorted(re.findall(r"^### kernelsnap ([\w-]+)$", REFERENCE, re.MULTILINE))
    table = set(re.findall(r"^\| \[`kernelsnap ([\w-]+)`\]", section("Commands"), re.MULTILINE))
    assert set(commands) == table


@pytest.mark.parametrize("command", re.findall(r"^### kernelsnap ([\w-]+)$", REFERENCE, re.MULTILINE))
def test_the_reference_has_each_option_of_a_command_and_no_other(capsys, command):
    options = set(re.findall(r"^  (-[\w-]+)", help_of(capsys, command), re.MULTILINE)) - {"-h"}
    assert options == first_cells(section(f"kernelsnap {command}"))


def test_the_reference_has_each_option_and_setting_of_the_plugin_and_no_other(tmp_path):
    text = pytest_prints(tmp_path, "--help")
    options = set(re.findall(r"^  (--kernelsnap-[\w-]+)", text, re.MULTILINE))
    settings = set(re.findall(r"^  (kernelsnap_\w+)", text, re.MULTILINE))
    assert "--kernelsnap-virtual-values" in options
    assert "kernelsnap_resources" in settings
    assert options | {"--snapshot-update"} == first_cells(section("Options"))
    assert settings == first_cells(section("Settings"))


def test_the_reference_has_each_fixture_and_marker_and_no_other(tmp_path):
    fixtures = set(re.findall(r"^(kernel\w+) -- ", pytest_prints(tmp_path, "--fixtures"), re.MULTILINE))
    markers = set(re.findall(r"^@pytest\.mark\.(kernelsnap\w*)", pytest_prints(tmp_path, "--markers"), re.MULTILINE))
    assert fixtures
    assert markers
    assert fixtures | markers == first_cells(section("Fixtures and markers"))


def test_the_reference_has_each_environment_variable():
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    # What bisect gives the processes that it starts is no setting.
    used = {name for name in re.findall(r"KERNELSNAP_[A-Z_]+", source) if not name.startswith("KERNELSNAP_BISECT_")}
    listed = {name for name in first_cells(section("Environment variables")) if name.startswith("KERNELSNAP_")}
    assert used == listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_in_backticks_exist(page):
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    tops = {entry.name for root in ROOTS for entry in root.iterdir() if entry.is_dir()} - {"goldens", "build"}
    for name in re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?)`", text):
        if name.split("/")[0] in tops:
            assert any((root / name).exists() for root in ROOTS), name


def test_modules_in_backticks_exist():
    modules = {name for page in PAGES for name in re.findall(r"`(kernelsnap(?:\.\w+)+)", page.read_text())}
    for name in modules:
        path = ROOT.joinpath("src", *name.split("."))
        # The module itself, or a name in one.
        assert (
            path.exists()
            or path.with_suffix(".py").exists()
            or path.parent.with_suffix(".py").exists()
            or (path.parent / "__init__.py").exists()
        ), name


def test_the_picture_of_the_packages_is_that_of_their_imports():
    command = [sys.executable, str(ROOT / "tools" / "draw_packages.py"), "--check"]
    drawn = subprocess.run(command, capture_output=True, text=True, check=False)
    assert drawn.returncode == 0, f"{drawn.stderr}\nThe imports have changed: run `python tools/draw_packages.py`"


def test_the_documentation_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    api = (tmp_path / "api.html").read_text()
    for name in ("kernelsnap.capture", "kernelsnap.virtual_device", "kernelsnap.model.capture.Capture.kernels"):
        assert f'id="{name}"' in api
