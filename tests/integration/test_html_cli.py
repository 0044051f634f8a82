"""`kernelsnap diff --html`: what it writes and says, and what it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kernelsnap.report.formats import FORMS

ROOT = Path(__file__).parents[2]
TEXT = next((ROOT / "goldens").rglob("*test_horizontal_reduction_pointwise.h100.ksnap")).read_text()
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture
def trees(tmp_path):
    for side, text in (("old", TEXT), ("new", TEXT.replace("tl_math.cos", "libdevice.cos"))):
        path = tmp_path / side / "test_x" / "a.h100.ksnap"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path


def run(*arguments, cwd, status=1, code="", **options):
    start = f"import sys; {code}\nfrom kernelsnap.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", start, "diff", *arguments]
    found = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=ENVIRONMENT, check=False, **options)
    assert found.returncode == status, found.stderr
    assert "Traceback" not in found.stderr
    return found.stdout, found.stderr


def test_it_is_written_beside_the_report_that_was_asked_for(trees):
    out, _ = run("old", "new", "--html", "r.html", cwd=trees)
    assert "instruction: 1 golden" in out
    text = (trees / "r.html").read_text()
    assert text.startswith("<!doctype html>")
    assert "kernelsnap diff old new --html r.html</code>" in text
    out, _ = run("old", "new", "--html", "s.html", "--format", "markdown", cwd=trees)
    assert out.startswith("<!-- kernelsnap diff -->")
    assert (trees / "s.html").read_text().replace("s.html", "r.html") == text


def test_it_is_written_where_nothing_changed(trees):
    run("old", "old", "--html", "r.html", cwd=trees, status=0)
    assert "Both sides say the same" in (trees / "r.html").read_text()


def test_of_a_patch(trees):
    diff = subprocess.run(["git", "diff", "--no-index", "old", "new"], cwd=trees, capture_output=True, text=True)
    assert diff.returncode == 1
    patch = diff.stdout.replace("a/old/", "a/").replace("b/new/", "b/")
    run("--patch", "-", "--html", "r.html", cwd=trees / "old", input=patch)
    text = (trees / "old" / "r.html").read_text()
    assert "before the patch</span>" in text
    assert "kernelsnap diff --patch - --html r.html</code>" in text


@pytest.mark.parametrize("package", ["igraph", "pygments"])
def test_a_missing_package_is_named_with_the_extra_that_has_it(trees, package):
    _, err = run("old", "new", "--html", "r.html", cwd=trees, status=2, code=f"sys.modules['{package}'] = None")
    assert err == f"kernelsnap: --html needs {package}: pip install 'kernelsnap[html]'\n"
    assert not (trees / "r.html").exists()


def test_the_extra_installs_what_it_needs():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needed = {requirement.partition(">")[0] for requirement in extras["html"]}
    assert needed == set(FORMS["html"].packages)
    locked = re.findall(r"^(\S+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert needed <= set(locked)  # which is what the repository's own set-up installs


def test_without_it_nothing_of_it_is_loaded(trees):
    code = "import atexit; atexit.register(lambda: print(sorted({'jinja2', 'igraph'} & set(sys.modules))))"
    out, _ = run("old", "new", "--format", "json", cwd=trees, code=code)
    assert out.endswith("\n[]\n")


def test_what_goes_wrong_is_one_line(trees):
    _, err = run("old", "new", "--html", "no/such/folder/r.html", cwd=trees, status=2)
    assert err == "kernelsnap: no/such/folder/r.html: No such file or directory\n"
    _, err = run("old", "new", "--html", "r.html", "--explain", "a", cwd=trees, status=2)
    assert err == "kernelsnap: --explain prints its own report: give either it or files to write\n"


def versions(path):
    line = path.read_text().partition('<p class="versions">')[2].partition("</p>")[0]
    return " ".join(line.split())


def test_the_versions_are_read_beside_and_above_the_goldens(trees):
    (trees / "old" / "toolchain.toml").write_text('format = 1\ntorch = "2.12.0"\ntriton = "3.6.0"\n')
    run("old", "new", "--html", "r.html", cwd=trees)
    assert versions(trees / "r.html") == "torch 2.12.0, triton 3.6.0 → unknown versions"
    (trees / "new" / "toolchain.toml").write_text("<<<<<<< ours\n")
    for sides in (("old/test_x", "new/test_x"), ("old/test_x/a.h100.ksnap", "new/test_x/a.h100.ksnap")):
        run(*sides, "--html", "r.html", cwd=trees)
        assert versions(trees / "r.html").startswith("torch 2.12.0, triton 3.6.0 → ")
        assert versions(trees / "r.html").endswith("new/toolchain.toml cannot be read")


def test_the_versions_of_two_revisions(trees):
    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments],
            cwd=trees,
            check=True,
            env=ENVIRONMENT,
        )

    git("init", "-q")
    for side, version in (("old", "2.12.0"), ("new", "2.13.0")):
        golden = (trees / side / "test_x" / "a.h100.ksnap").read_text()
        (trees / "goldens" / "test_x").mkdir(parents=True, exist_ok=True)
        (trees / "goldens" / "test_x" / "a.h100.ksnap").write_text(golden)
        (trees / "goldens" / "toolchain.toml").write_text(f'format = 1\ntorch = "{version}"\n')
        git("add", "goldens")
        git("commit", "-qm", side)
    run("HEAD~..HEAD", "--html", "r.html", cwd=trees)
    assert versions(trees / "r.html") == "torch 2.12.0 → torch 2.13.0"
