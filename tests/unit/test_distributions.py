"""Which installed package a Python file belongs to."""

from __future__ import annotations

import json

import pytest

from kernelsnap.shared import distributions
from kernelsnap.shared.distributions import installed_version, packages_of


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages that is imported from, and nothing else."""
    folder = tmp_path / "project" / ".venv" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.setattr("sys.path", [str(folder)])
    forget()
    yield folder
    forget()


def forget():
    for cached in ("_owners", "_sites", "_names_of", "_installed_in_place"):
        getattr(distributions, cached).cache_clear()


def install(site, name, version, *files, origin=None, top_level=""):
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in (*files, f"{info.name}/METADATA")))
    if top_level:
        (info / "top_level.txt").write_text(top_level)
    if origin:
        (info / "direct_url.json").write_text(json.dumps(origin))
    return [str(site / file) for file in files]


def test_by_the_list_of_files_and_by_the_names_of_its_modules(site, tmp_path):
    (one,) = install(site, "Model_Lib", "1.0+cpu", "modellib/layers.py")
    (two,) = install(site, "single", "2.0", "single.py")
    install(site, "declared", "3.0", top_level="declared_module\n")
    third = str(site / "declared_module" / "a.py")
    project = tmp_path / "project"
    assert packages_of([one, two, third], project) == {"declared": "3.0", "model-lib": "1.0", "single": "2.0"}
    others = [str(site / "unknown.py"), str(project / "test_a.py"), "/usr/lib/python3/functools.py", "<string>"]
    assert packages_of(others, project) == {}
    assert installed_version("model-lib") == "1.0"
    assert installed_version("nothing") == ""


def test_parts_of_one_namespace(site, tmp_path):
    (one,) = install(site, "acme-a", "1.0", "acme/a/layers.py")
    (two,) = install(site, "acme-b", "2.0", "acme/b/layers.py")
    assert packages_of([one], tmp_path) == {"acme-a": "1.0"}
    assert packages_of([two], tmp_path) == {"acme-b": "2.0"}


def test_installed_in_place(site, tmp_path):
    sources = tmp_path / "other"
    origin = {"url": sources.as_uri(), "dir_info": {"editable": True}}
    install(site, "neighbour", "1.0", "__editable__neighbour.py", origin=origin)
    assert packages_of([str(sources / "src" / "neighbour" / "a.py")], tmp_path / "project") == {"neighbour": "1.0"}


@pytest.mark.parametrize("editable", [True, False])
def test_the_project_itself_is_no_package(site, tmp_path, editable):
    project = tmp_path / "project"
    origin = {"url": project.as_uri(), "dir_info": {"editable": editable}}
    (own,) = install(site, "own", "1.0", "own/a.py", origin=origin)
    (other,) = install(site, "other", "1.0", "other/a.py")
    assert packages_of([own, str(project / "own" / "a.py"), other], project) == {"other": "1.0"}


def test_the_project_installed_from_an_archive_is_known_by_its_name(site, tmp_path):
    (own,) = install(site, "my-project", "1.0", "own/a.py")
    assert packages_of([own], tmp_path) == {"my-project": "1.0"}
    (tmp_path / "project" / "pyproject.toml").write_text('[project]\nname = "My.Project"\n')
    assert packages_of([own], tmp_path / "project") == {}
