"""`kernelsnap attribute`: the table of versions and commits, and what is said of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kernelsnap.cli.main import main

# What one library decides of the code, and the other of the launch.
TEST = """
    from dataclasses import replace
    import compilerlib, launchlib
    from kernelsnap.model.capture import LaunchConfig
    from kernelsnap.model.golden import KernelConfig

    def test_a(golden, kernel_snapshot):
        made = golden(constant=compilerlib.CONSTANT)
        launch = LaunchConfig((("XBLOCK", 64),), launchlib.WARPS, 1)
        assert replace(made, config=(KernelConfig("inference", "k0", (), (launch,)),)) == kernel_snapshot

    def test_together(golden, kernel_snapshot):
        assert golden(constant="2.0" if compilerlib.CONSTANT == "2.0" and launchlib.WARPS == 4 else "1.0") == kernel_snapshot

    def test_steady(golden, kernel_snapshot):
        with open("runs", "a") as file:
            file.write("run ")
        assert golden(constant="1.0") == kernel_snapshot
"""  # noqa: E501
FACTORS = ("compilerlib=1.0,1.4", "launchlib=2.0,2.1")
QUICK = ("--pytest=-p", "--pytest=no:hypothesispytest", "--repeats", "0")


@pytest.fixture
def libraries(index):
    index.add("compilerlib", "1.0", "CONSTANT = '1.0'\n")
    index.add("compilerlib", "1.4", "CONSTANT = '2.0'\n")
    index.add("compilerlib", "1.5", "CONSTANT = '3.0'\n")
    index.add("launchlib", "2.0", "WARPS = 2\n")
    index.add("launchlib", "2.1", "WARPS = 4\n")
    index.add(
        "launchlib", "2.2", "import compilerlib\nassert compilerlib.CONSTANT != '1.0', 'needs a newer one'\nWARPS = 8\n"
    )
    return index


@pytest.fixture
def attribute(project, libraries, quick_steps, capsys):
    project.test(TEST)

    def attribute(*arguments):
        return main(["attribute", *arguments, *QUICK]), *capsys.readouterr()

    return attribute


def layers(report, number=0):
    """The verdict of each layer of a case, and whose the change is."""
    (golden,) = report["cases"][number]["goldens"]
    return {
        name: (layer["verdict"], [factor for factor, effect in layer["effects"].items() if effect == "yes"])
        for name, layer in golden["layers"].items()
    }


def made(tmp_path):
    folder = tmp_path / "cache" / "bisect" / "environments"
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_each_layer_is_given_to_the_library_that_changed_it(attribute, tmp_path, project):
    before = project.files()
    status, out, err = attribute("test_a.py", *FACTORS, "--yes", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert layers(report) == {
        "plan": ("none", []),
        "metrics": ("none", []),
        "config": ("alone", ["launchlib"]),
        "code": ("alone", ["compilerlib"]),
    }
    assert layers(report, 1)["code"] == ("together", ["compilerlib", "launchlib"])
    together = report["cases"][1]["goldens"][0]["layers"]["code"]["together"]
    assert together == [{"compilerlib": "1.4", "launchlib": "2.1"}]
    assert all(verdict == "none" for verdict, _ in layers(report, 2).values())
    assert project.files() == before
    assert "2 versions of compilerlib, each in a folder of its own" in err
    # A folder for each version, not for each cell.
    assert [name.rpartition("-py")[0] for name in made(tmp_path)] == [
        "compilerlib-1.0", "compilerlib-1.4", "launchlib-2.0", "launchlib-2.1",
    ]  # fmt: skip

    # In words; nothing is run for it again.
    status, out, err = attribute("test_a.py", *FACTORS)
    assert status == 0, err
    assert (project.root / "runs").read_text().split() == ["run"] * 4
    assert "The launch configuration is launchlib's: no other factor changes it." in out
    assert "The code is compilerlib's: no other factor changes it." in out
    assert (
        "The code changes only with compilerlib 1.4 and launchlib 2.1 together: neither of them changes it alone."
        in out
    )
    assert "The plan, metrics, config and code are the same in every cell." in out
    assert "| compilerlib | launchlib | plan | metrics | config | code |" in out
    assert "| 1.4 | 2.1 | A | A | B | B |" in out
    assert "### compilerlib 1.0 -> 1.4, with launchlib 2.0" in out


def test_a_combination_that_does_not_import_is_shown_and_leaves_open_what_depends_on_it(kept_environments, attribute):
    status, out, err = attribute("test_a.py::test_a", "compilerlib=1.0,1.4", "launchlib=2.0,2.2", "--yes")
    assert status == 1, err
    assert "- compilerlib 1.0 with launchlib 2.2: compilerlib, launchlib do not import together: AssertionError" in out
    assert "The code changes with compilerlib; whether also with launchlib, cannot be told: " in out
    assert "nothing is known of compilerlib 1.0 with launchlib 2.2." in out
    assert "| 1.0 | 2.2 | ? | ? | ? | ? |" in out


def test_three_levels_say_between_which_it_changed(kept_environments, attribute):
    status, out, _ = attribute("test_a.py::test_a", "compilerlib=1.0,1.4,1.5", "launchlib=2.0,2.1", "--yes")
    assert status == 0
    assert "| compilerlib 1.0 -> 1.4 |  |  |  | changes |" in out
    assert "| compilerlib 1.4 -> 1.5 |  |  |  | changes |" in out
    assert "| compilerlib x launchlib |  |  |  |  |" in out


def test_commits_are_a_factor(libraries, kept_environments, quick_steps, project, repository, capsys, monkeypatch):
    project.test(TEST)
    test = (project.root / "test_a.py").read_text().replace("compilerlib.CONSTANT", "open('constant').read()")
    files = {name: (project.root / name).read_text() for name in ("conftest.py", "pytest.ini")}
    commits = [("start", files | {"test_a.py": test, "constant": "1.0"}), ("other", {"constant": "2.0"})]
    repository.commit_all([*commits, ("same again", {"constant": "1.0"})])
    (repository.root / "constant").write_text("dirty")
    before = repository.everything()
    revisions = f"git={repository.name(0)},{repository.name(1)},main"
    words = ["attribute", "test_a.py::test_a", revisions, "launchlib=2.0,2.1", "--yes", "--requirement"]
    status = main([*words, "compilerlib==1.0", "--json", *QUICK])
    out, err = capsys.readouterr()
    # The requirements alone have no pytest, but what runs the case brings it along.
    assert status == 0, err
    report = json.loads(out)
    assert "not committed" in err
    assert layers(report)["code"] == ("alone", ["git"])
    assert layers(report)["config"] == ("alone", ["launchlib"])
    assert repository.everything() == before


def test_killed_at_every_cell_it_goes_on_and_makes_nothing_twice(attribute, project, tmp_path, monkeypatch):
    # The second run of the case kills the command that started it, by a signal that it cannot catch.
    log = tmp_path / "log"
    project.test(f"""
        import os, pathlib
        import compilerlib, launchlib

        def test_a(golden, kernel_snapshot):
            if "TEST_KILLS" in os.environ:
                with open({str(log)!r}, "a") as file:
                    file.write(f"{{os.getppid()}}\\n")
                if pathlib.Path({str(log)!r}).read_text().split().count(str(os.getppid())) > 1:
                    os.kill(os.getppid(), 9)
            assert golden(constant=compilerlib.CONSTANT) == kernel_snapshot
    """)
    monkeypatch.setenv("TEST_KILLS", "1")
    command = [
        sys.executable,
        "-m",
        "kernelsnap",
        "attribute",
        "test_a.py::test_a",
        *FACTORS,
        "--yes",
        "--json",
    ]
    kills, stamps = 0, {}
    while (done := subprocess.run([*command, *QUICK], capture_output=True, text=True, check=False)).returncode:
        assert done.returncode == -9, done.stderr
        kills += 1
        for path in (tmp_path / "cache").rglob(".kernelsnap-complete"):
            assert stamps.setdefault(path, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    assert layers(json.loads(done.stdout))["code"] == ("alone", ["compilerlib"])
    assert kills == 3
    assert len(log.read_text().split()) == 4 + kills


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["test_a.py"], "name at least one factor"),
        (["compilerlib=1.0,1.4"], "name at least one case"),
        (["test_a.py", "compilerlib=1.0"], "a factor has at least two levels, and each once"),
        (["test_a.py", "compilerlib=1.0,1.0"], "a factor has at least two levels, and each once"),
        (["test_a.py", "compilerlib=1.0,one"], "'one' is no version"),
        (["test_a.py", "compilerlib=1.0,7.0"], "there is no compilerlib 7.0 to be had; there are 1.0"),
        (["test_a.py", "compilerlib=1.0,1.4", "compilerlib=1.4,1.5"], "a factor is named twice"),
        (["test_a.py", "nosuchlib=1.0,2.0"], "no versions of nosuchlib are known"),
        (["test_a.py", "git=HEAD,HEAD~1"], "not a git repository"),
        (["nowhere.py", "compilerlib=1.0,1.4"], "nowhere.py: there is no such file or folder"),
        (["test_a.py", "compilerlib=1.0,1.4", "--env", "compilerlib=1.0=/bin/python"], "expected torch=VERSION=PYTHON"),
        (["test_a.py", "torch=1.0,1.4", "--env", "torch=1.3=/bin/python"], "1.3 is no level of torch"),
        (["test_a.py", "torch=1.0,1.4", "--env", "torch=1.4=/nowhere"], "/nowhere does not start"),
    ],
)
def test_bad_input_is_one_clear_message(attribute, arguments, says, tmp_path, project):
    before = project.files()
    status, out, err = attribute(*arguments, "--yes")
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert project.files() == before
    assert not (tmp_path / "cache" / "bisect" / "environments").exists()


def test_nothing_is_installed_without_asking(attribute, tmp_path):
    status, _, err = attribute("test_a.py", *FACTORS)
    assert status == 2
    assert "Say --yes to go on" in err
    assert not (tmp_path / "cache" / "bisect" / "environments").exists()


def test_settings_are_a_factor(project, quick_steps, tmp_path, monkeypatch, capsys, torch_of_settings):
    torch_of_settings(prefer_nd_tiling=False, tile_reductions=False)
    project.test("""
        import torch._inductor.config as config

        def test_tiles(golden, kernel_snapshot):
            assert golden(constant=str(config.prefer_nd_tiling and config.tile_reductions)) == kernel_snapshot
    """)
    monkeypatch.setenv("KERNELSNAP_CACHE", str(tmp_path / "cache"))
    words = ["attribute", "test_a.py", "config:prefer_nd_tiling=default,True"]
    status = main([*words, "config:tile_reductions=False,True", *QUICK])
    out, err = capsys.readouterr()
    assert status == 0, err
    both = "only with prefer_nd_tiling True and tile_reductions True together"
    assert f"The code changes {both}: neither of them changes it alone." in out
