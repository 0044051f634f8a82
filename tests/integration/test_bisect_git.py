"""`kernelsnap bisect --axis git`: planted commits are found, and the user's tree stays as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import inductor_history
from kernelsnap.bisect import session
from kernelsnap.cli.main import main

TEST = """
def test_a(golden, kernel_snapshot):
    assert golden() == kernel_snapshot
"""


@pytest.fixture
def base(project):
    """The files of a small project."""
    files = {name: (project.root / name).read_text() for name in ("conftest.py", "pytest.ini")}
    return files | {"test_a.py": TEST, "constant": "1.0"}


@pytest.fixture
def bisect(quick_steps, tmp_path, capsys):
    def bisect(*arguments, case="test_a.py::test_a", axis=("--axis", "git")):
        state = () if "--state" in arguments else ("--state", str(tmp_path / "state.json"))
        # Hypothesis takes longer to load than a run takes.
        status = main(["bisect", case, *axis, *state, "--pytest=-p", "--pytest=no:hypothesispytest", *arguments])
        return status, *capsys.readouterr()

    return bisect


def history(base, constants):
    """Commits with one constant each; every tree is different."""
    first = [("start", base | {"constant": constants[0]})]
    rest = [(f"change {n}", {"constant": text, "count": str(n)}) for n, text in enumerate(constants) if n]
    return first + rest


def test_a_commit_of_128_is_found_and_nothing_of_the_user_s_changes(repository, base, bisect):
    repository.commit_all(history(base, ["1.0"] * 77 + ["2.0"] * 51))
    (repository.root / "constant").write_text("dirty")
    (repository.root / "untracked").write_text("untracked")
    hook = repository.root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {repository.root}/hooked\n")
    hook.chmod(0o755)
    before = repository.everything()
    status, out, err = bisect("--range", f"{repository.name(0)}..main", "--json")
    assert status == 0
    report = json.loads(out)
    (change,) = report["changes"]
    assert change["candidates"] == [{"name": repository.name(77), "title": "change 77"}]
    assert change["diffs"][0]["says"] == "code differs in k0"
    assert change["repeats"] == 1
    assert len(report["asked"]) <= 2 + 7 + 2
    assert "not committed" in err
    assert repository.everything() == before


def test_landed_reverted_and_landed_again_are_three_transitions(repository, base, bisect):
    commits = history(base, ["1.0"] * 40 + ["2.0"] * 20 + ["1.0"] * 30 + ["2.0"] * 15)
    repository.commit_all(commits)
    landed = repository.commits[40]
    commits[60] = (f'Revert "change 40"\n\nThis reverts commit {landed}.\n', commits[60][1])
    repository.commit_all(commits)
    status, out, _ = bisect("--range", f"{repository.name(0)}..main", "--repeats", "0")
    assert status == 0
    for index in (40, 60, 90):
        assert f"\n## {repository.name(index)}  " in out
    assert out.count("\n## ") == 3 + 2


def test_equal_trees_are_asked_once(repository, base, bisect):
    repository.commit_all(
        [("start", base)]
        + [(f"empty {n}", {}) for n in range(50)]
        + [("break", {"constant": "2.0"})]
        + [(f"empty {n}", {}) for n in range(50)]
        + [("Revert break", {"constant": "1.0"}), ("break again", {"constant": "2.0"})]
    )
    status, out, _ = bisect("--range", f"{repository.name(0)}..main", "--json", "--repeats", "0")
    report = json.loads(out)
    assert status == 0
    assert [change["after"]["title"] for change in report["changes"]] == ["break", "Revert break", "break again"]
    assert len(report["asked"]) == 2


def test_it_finds_its_own_start(repository, base, bisect):
    repository.commit_all(history(base, ["1.0"] * 20 + ["2.0"] * 13))
    status, out, _ = bisect("--reference", "last", "--json")
    assert status == 0
    assert json.loads(out)["changes"][0]["after"]["name"] == repository.name(20)


def test_without_a_start_it_compares_with_the_stored_golden(repository, base, bisect, project, monkeypatch):
    project.test(TEST)
    with monkeypatch.context() as patch:
        patch.chdir(project.root)
        project.record()
    stored = {
        f"goldens/{path.relative_to(project.goldens)}": path.read_text() for path in project.goldens.rglob("*.ksnap")
    }
    repository.commit_all(history(base | stored, ["1.0"] * 12 + ["2.0"] * 9))
    before = repository.everything()
    status, out, _ = bisect()
    assert status == 0
    assert f"## {repository.name(12)}  change 12" in out
    assert "being the golden in the goldens folder" in out
    assert repository.everything() == before


def test_commits_that_do_not_build_leave_all_candidates(repository, base, bisect):
    constants = ["1.0"] * 5 + ["broken"] * 3 + ["2.0"] * 4
    repository.commit_all(history(base, constants))
    status, out, _ = bisect("--range", f"{repository.name(0)}..main", "--build", "! grep broken constant")
    assert status == 1
    assert f"## One of 4 steps, {repository.name(5)} to {repository.name(8)}" in out
    assert "the build failed with exit status 1: broken" in out


def test_a_test_that_older_commits_lack_is_laid_over_them(repository, base, bisect):
    files = {name: text for name, text in base.items() if name != "test_a.py"}
    commits = history(files, ["1.0"] * 6 + ["2.0"] * 6)
    commits[-1][1]["test_a.py"] = TEST
    repository.commit_all(commits)
    wanted = ("--range", f"{repository.name(0)}..main")
    status, _, err = bisect(*wanted)
    assert status == 2
    assert f"{repository.name(0)} gives no answer, and the other steps are compared with it" in err
    assert "does not collect" in err
    status, out, _ = bisect(*wanted, "--overlay", "test_a.py", "--fresh")
    assert status == 0
    assert f"## {repository.name(6)}  change 6" in out


def test_a_script_of_the_user_s_answers(repository, base, bisect):
    repository.commit_all(history(base, ["1.0"] * 6 + ["2.0"] * 6))
    script = "grep -rq 'tl.store(in_ptr0, 2.0)' $KERNELSNAP_GOLDENS && exit 1 || exit 0"
    status, out, _ = bisect("--range", f"{repository.name(0)}..main", "--script", script)
    assert status == 0
    assert f"## {repository.name(6)}  change 6" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--range", "nowhere..main"], "has no commit 'nowhere'"),
        (["--range", "main..main"], "there is nothing to search"),
        (["--range", "main~3..main", "--predicate", "kernels > 0"], "the answer is yes at both ends"),
        (["--range", "main~3..main", "--predicate", "kernls > 0"], "did you mean 'kernels'?"),
        (["--range", "main~3..main", "--overlay", "nothing"], "there is no such file"),
        (["--range", "main~3..main", "--script", "exit 200"], "asked to stop, with exit status 200"),
        (["--repository", "/"], "not a git repository"),
        (["--range", "main"], "the goldens folder has none of this case"),
    ],
)
def test_bad_input_is_one_clear_message_and_changes_nothing(repository, base, bisect, arguments, says):
    repository.commit_all(history(base, ["1.0"] * 5))
    before = repository.everything()
    status, out, err = bisect(*arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert repository.everything() == before


@pytest.mark.parametrize(("constant", "status"), [("1.0", 0), ("2.0", 1), ("import error", 125)])
def test_exec_is_a_step_of_git_bisect_run(repository, base, bisect, constant, status):
    files = base | {"conftest.py": "import nothing"} if status == 125 else base
    repository.commit_all([("start", files | {"constant": constant})])
    assert bisect("--exec", "--predicate", "contains('in_ptr0, 2.0')", axis=())[0] == status


def test_exec_with_a_typo_stops_git_bisect_run(repository, base, bisect):
    repository.commit_all([("start", base)])
    status, _, err = bisect("--exec", "--predicate", "kernls > 1", axis=())
    assert status == 128
    assert "did you mean" in err
    with pytest.raises(SystemExit) as stop:
        main(["bisect", "test_a.py::test_a", "--exec", "--no-such-option"])
    assert stop.value.code == 128


def test_git_bisect_run_takes_it(repository, base):
    repository.commit_all(history(base, ["1.0"] * 3 + ["2.0"] * 3))
    repository.git("bisect", "start", "main", repository.commits[0])
    run = [sys.executable, "-m", "kernelsnap", "bisect", "test_a.py::test_a", "--exec"]
    out = repository.git("bisect", "run", *run, "--predicate", "contains('in_ptr0, 2.0')")
    assert f"{repository.commits[3]} is the first bad commit" in out or "change 3" in out


def test_killed_at_every_step_it_goes_on_and_builds_nothing_twice(repository, base, tmp_path):
    repository.commit_all(history(base, ["1.0"] * 4 + ["2.0"] * 3))
    log, state = tmp_path / "log", tmp_path / "state.json"
    # The second build of each run kills it, by a signal that it cannot catch.
    build = (
        f"git rev-parse HEAD >> {log}; echo >> {tmp_path}/$PPID; [ $(wc -l < {tmp_path}/$PPID) -lt 2 ] || kill -9 $PPID"
    )
    words = ["bisect", "test_a.py::test_a", "--axis", "git", "--range", f"{repository.name(0)}..main", "--json"]
    words += ["--state", str(state), "--build", build, "--pytest=-p", "--pytest=no:hypothesispytest"]
    kills = 0
    while True:
        command = [sys.executable, "-m", "kernelsnap", *words]
        done = subprocess.run(command, cwd=repository.root, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        kills += 1
    report = json.loads(done.stdout)
    assert report["changes"][0]["after"]["name"] == repository.name(4)
    assert kills == len(report["asked"]) - 1
    # Each kill cost the build that it hit, and no other.
    assert len(log.read_text().split()) == len(report["asked"]) + kills

    again = subprocess.run(command, cwd=repository.root, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout) == report
    assert len(log.read_text().split()) == len(report["asked"]) + kills


REAL = {
    "test_model.py": """
import torch
from kernelsnap import capture
from model import block

def test_block(kernel_device, kernel_snapshot):
    x = torch.randn(64, 64, device=kernel_device)
    assert capture(block, x) == kernel_snapshot
""",
    "model.py": "def block(x):\n    return (x.relu() * 2).softmax(-1)\n",
    "pytest.ini": "[pytest]\n",
}


NORM = """
import torch
from kernelsnap import capture

def norm(x, w):
    y = x.float()
    y = y * torch.rsqrt((y * y).mean(-1, keepdim=True) + 1e-6)
    return (y * w).to(x.dtype), y.sigmoid().sum(-1)

def test_norm(kernel_snapshot, kernel_device):
    x = torch.randn(2048, 512, device=kernel_device, dtype=torch.bfloat16)
    assert capture(norm, x, torch.randn(512, device=kernel_device)) == kernel_snapshot
"""


@pytest.mark.starts_processes
def test_a_commit_that_breaks_a_fusion_in_a_real_model(repository, bisect, quick_torch_steps):
    pytest.importorskip("triton")
    broken = (
        "import torch\n\n\n@torch.library.custom_op('kb::id', mutates_args=())\n"
        "def same(x: torch.Tensor) -> torch.Tensor:\n    return x.clone()\n\n\n"
        "@same.register_fake\ndef _(x):\n    return torch.empty_like(x)\n\n\n"
        "def block(x):\n    return same(x.relu() * 2).softmax(-1)\n"
    )
    repository.commit_all(
        [("a model", REAL)]
        + [(f"unrelated {number}", {}) for number in range(70)]
        + [("look into the block", {"model.py": broken})]
        + [(f"unrelated {number}", {}) for number in range(70, 100)]
    )
    status, out, _ = bisect(
        "--range", f"{repository.name(0)}..main", "--predicate", "kernels > 1", "--repeats", "0",
        case="test_model.py::test_block",
    )  # fmt: skip
    assert status == 0
    assert f"## {repository.name(71)}  look into the block" in out
    assert "plan differs: " in out
    assert "102 steps" in out
    assert "100 of them equal to the one before; 2 asked" in out


def test_without_an_axis_one_is_proposed(repository, base, bisect, project, monkeypatch):
    project.test(TEST)
    with monkeypatch.context() as patch:
        patch.chdir(project.root)
        project.record()
    stored = {f"goldens/{name}": (project.goldens / name).read_text() for name in project.files()}
    repository.commit_all(history(base | stored, ["1.0"] * 3 + ["2.0"] * 2))
    before = repository.everything()
    status, out, _ = bisect(axis=())
    assert status == 0
    assert "\ncode differs in k0\n" in f"\n{out}"
    assert "Because 4 commits came after" in out
    assert f"--axis git --range {repository.commits[0][:7]}.." in out
    repository.git("checkout", "--quiet", repository.commits[1])
    status, _, err = bisect(axis=())
    assert (status, "generates what its golden holds" in err) == (2, True)
    repository.git("checkout", "--quiet", "main")
    assert repository.everything() == before


def test_commits_of_a_library_are_searched_with_a_case_of_another_project(repository, bisect, project, monkeypatch):
    commits = [("start", {"src/compilerlib.py": "CONSTANT = '1.0'\n"})]
    commits += [(f"change {n}", {"count": str(n)}) for n in range(1, 9)]
    commits[5][1]["src/compilerlib.py"] = "CONSTANT = '2.0'\n"
    repository.commit_all(commits)
    project.test("""
        import compilerlib

        def test_a(golden, kernel_snapshot):
            assert golden(constant=compilerlib.CONSTANT) == kernel_snapshot
    """)
    monkeypatch.chdir(project.root)
    before = repository.everything(), project.files()
    status, out, _ = bisect("--repository", str(repository.root), "--range", f"{repository.name(0)}..main")
    assert status == 0
    assert f"## {repository.name(5)}  change 5" in out
    assert (repository.everything(), project.files()) == before


INIT = "from compilerlib.heuristics import CONSTANT\n"
INSTALLED = {"__init__.py": INIT, "heuristics.py": "", "_C.py": "WHEEL = '.5'\n"}
OF_A_COMMIT = "from compilerlib._C import WHEEL\nCONSTANT = '{}' + WHEEL\n"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """An installed library, whose module `_C` no checkout has: what is compiled."""
    folder = tmp_path / "site" / "compilerlib"
    folder.mkdir(parents=True)
    for name, text in INSTALLED.items():
        (folder / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(folder.parent), prepend=os.pathsep)
    return folder


def test_commits_of_a_library_lie_over_the_installed_one(repository, wheel, bisect, project, monkeypatch):
    files = {"compilerlib/__init__.py": INIT, "compilerlib/heuristics.py": OF_A_COMMIT.format(1)}
    commits = [("start", files)] + [(f"change {n}", {f"csrc/{n}.cpp": "compiled"}) for n in range(1, 31)]
    commits[17][1]["compilerlib/heuristics.py"] = OF_A_COMMIT.format(2)
    repository.commit_all(commits)
    project.test("""
        import compilerlib

        def test_a(golden, kernel_snapshot):
            assert golden(constant=compilerlib.CONSTANT) == kernel_snapshot
    """)
    monkeypatch.chdir(project.root)
    before = repository.everything(), project.files(), sorted(wheel.iterdir())
    searched = ("--repository", str(repository.root), "--range", f"{repository.name(0)}..main", "--repeats", "0")
    status, out, _ = bisect(*searched, "--over", "compilerlib")
    assert status == 0
    assert f"## {repository.name(17)}  change 17" in out
    assert "tl.store(in_ptr0, 1.5)" in out
    assert "tl.store(in_ptr0, 2.5)" in out
    # What else a commit changes is not imported: all commits with the same library are one step.
    assert "31 steps" in out
    assert "29 of them equal to the one before; 2 asked" in out
    assert (repository.everything(), project.files(), sorted(wheel.iterdir())) == before

    status, _, err = bisect(*searched, "--over", "nothing_of_this_name", "--fresh")
    assert status == 2
    assert "--over nothing_of_this_name: " in err


def test_a_case_of_the_repository_itself_imports_the_library_with_its_compiled_part(
    repository, wheel, base, tmp_path, capsys
):
    tests = {f"test/{name}": text for name, text in base.items()}
    tests["test/test_a.py"] = TEST.replace("golden()", "golden(constant=__import__('compilerlib').CONSTANT)")
    files = {"compilerlib/__init__.py": INIT, "compilerlib/heuristics.py": OF_A_COMMIT.format(1)}
    new = {"compilerlib/heuristics.py": OF_A_COMMIT.format(2)}
    repository.commit_all([("start", tests | files), ("change 1", new)])
    words = ["bisect", "test/test_a.py::test_a", "--axis", "git", "--range", f"{repository.name(0)}..main"]
    # In processes that start anew: from where they import is what this is about.
    status = main([*words, "--over", "compilerlib", "--repeats", "0", "--state", str(tmp_path / "state.json")])
    out, err = capsys.readouterr()
    assert status == 0, err
    assert f"## {repository.name(1)}  change 1" in out
    assert "tl.store(in_ptr0, 2.5)" in out


@pytest.mark.starts_processes
def test_a_commit_of_a_real_inductor_over_the_installed_wheel(repository, bisect, tmp_path, monkeypatch):
    pytest.importorskip("triton")
    files = inductor_history.sources()
    repository.commit_all(
        [("TorchInductor", files)]
        + [(f"unrelated {number}", {f"aten/{number}.cpp": "compiled"}) for number in range(1, 21)]
        + [("Fuse less", inductor_history.edited(files, "a fusion rule"))]
        + [(f"unrelated {number}", {f"aten/{number}.cpp": "compiled"}) for number in range(22, 31)]
    )
    project = tmp_path / "case"
    project.mkdir()
    (project / "test_norm.py").write_text(NORM)
    monkeypatch.chdir(project)
    status, out, _ = bisect(
        "--repository", str(repository.root), "--range", f"{repository.name(0)}..main", "--over", "torch",
        "--predicate", "kernels > 1", "--repeats", "0", case="test_norm.py::test_norm",
    )  # fmt: skip
    assert status == 0
    assert f"## {repository.name(21)}  Fuse less" in out
    assert "fusion split" in out
    assert "2 asked" in out


def test_a_case_in_a_folder_of_the_repository(repository, base, bisect, monkeypatch):
    commits = history({f"model/{name}": text for name, text in base.items()}, ["1.0"] * 6)
    commits[4][1]["model/constant"] = "2.0"
    repository.commit_all(commits)
    monkeypatch.chdir(repository.root / "model")
    status, out, _ = bisect("--range", f"{repository.name(0)}..main", "--overlay", "test_a.py", "--repeats", "0")
    assert status == 0
    assert f"## {repository.name(4)}  change 4" in out


def test_stopped_by_the_keyboard_it_says_how_to_go_on(repository, base, bisect, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    repository.commit_all(history(base, ["1.0"] * 3))
    monkeypatch.setattr(session, "observe", stop)
    status, out, err = bisect("--range", f"{repository.name(0)}..main")
    assert (status, out) == (130, "")
    assert "the same command goes on from there" in err
