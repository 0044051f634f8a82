"""`kernelsnap bisect --axis passes`, from the command line to the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from kernelsnap.cli.main import main

# A compiler that imports no torch: its program makes six fusions, and `CODE` says what comes of them.
_COMPILER = """
import contextlib, sys, types

current = []

@contextlib.contextmanager
def deciding(decide):
    current.append(decide)
    yield
    current.pop()

def subsystems():
    names = [("cse", "functorch.cse", False), ("patterns", "", None), ("empty", "", None), ("fusions", "", None)]
    return [types.SimpleNamespace(name=name, setting=setting, value=value) for name, setting, value in names]

module = types.ModuleType("kernelsnap.capture.decisions")
module.deciding, module.subsystems = deciding, subsystems
sys.modules["kernelsnap.capture.decisions"] = module
config = types.ModuleType("torch._functorch.config")
config.get_config_copy = lambda: {"cse": True}
config.patch = lambda values: contextlib.nullcontext()
sys.modules["torch._functorch.config"] = config

def decides(subsystem, name):
    return not current or current[-1](subsystem, f"graph 1: {name}", f"do {name}")

def fuse(*names):
    # A pattern that matters to nothing here.
    decides("patterns", "p1")
    return {name for name in names if decides("fusions", name)}
"""

_TEST = """
    from compiler import decides, fuse

    def test_a(kernel_snapshot, golden):
        done = fuse("a", "b", "c", "d", "e", "f")
        {rule}
        assert golden(lines=1 if holds else 3) == kernel_snapshot
"""
# In words of the golden: with one line, nothing is loaded from `in_ptr0 + 2`.
_SPLIT = "contains('in_ptr0 + 2')"


@pytest.fixture
def case(project, monkeypatch):
    """Write the case, whose answer is yes unless what `rule` calls `holds` is true."""
    (project.root / "compiler.py").write_text(_COMPILER)
    # Imports of `torch._functorch.config` find what stands in for it.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(project.root), os.environ.get("PYTHONPATH", "")]))

    def write(rule):
        project.test(_TEST.replace("{rule}", rule))

    return write


@pytest.fixture
def words(tmp_path):
    def words(*arguments, predicate=_SPLIT, repeats="0"):
        state = ("--state", str(tmp_path / "cache" / "state.json"), "--pytest=-p", "--pytest=no:hypothesispytest")
        asked = ("--predicate", predicate, "--repeats", repeats, "--json")
        return ["bisect", "test_a.py::test_a", "--axis", "passes", *state, *asked, *arguments]

    return words


@pytest.fixture
def bisect(words, quick_steps, capsys):
    def bisect(*arguments, **options):
        status = main(words(*arguments, **options))
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err

    return bisect


def names(report):
    return [entry["name"] for entry in report["asked"]]


def test_a_fusion_that_decides_alone(case, bisect):
    case("holds = 'd' in done")
    status, report, err = bisect(repeats="1")
    assert status == 0, err
    (change,) = report["changes"]
    assert change["candidates"] == [{"name": "fusion 4", "title": "do d"}]
    assert (change["before"]["name"], change["answer"], change["repeats"]) == ("fusion 3", "no", 1)
    assert change["notes"] == ["It decides alone: without it, and with every other fusion free, the answer is yes."]
    assert change["diffs"][0]["says"].startswith("code differs in k0")
    # Each subsystem that does anything was refused as a whole, and the one that does nothing was not asked.
    assert names(report)[:4] == [
        "the whole compile",
        "functorch.cse=False",
        "no pattern",
        "no fusion",
    ]
    assert names(report)[-1] == "all but fusion 4"


def test_many_cases_keep_what_they_saw_in_one_folder(case, project, quick_steps, tmp_path, capsys):
    case("holds = 'd' in done")
    module = project.root / "test_a.py"
    module.write_text(module.read_text() + module.read_text().replace("test_a", "test_b").replace("'d'", "'b'"))
    kept = tmp_path / "cache" / "states"
    words = ["bisect", "test_a.py", "--axis", "passes", "--state", str(kept), "--predicate", _SPLIT, "--repeats", "0"]
    status = main([*words, "--pytest=-p", "--pytest=no:hypothesispytest", "--json"])
    out, err = capsys.readouterr()
    assert status == 0, err
    for name in ("fusion 4", "fusion 2"):
        assert f'"name": "{name}"' in out
    assert len([path for path in kept.iterdir() if path.name.endswith(".decisions.json")]) == 2


def test_among_many_cases_one_that_no_decision_changes_has_nothing_to_find(
    case, project, quick_steps, tmp_path, capsys
):
    case("holds = True")
    words = ["bisect", "test_a.py", "--axis", "passes", "--state", str(tmp_path / "states"), "--predicate", _SPLIT]
    status = main([*words, "--repeats", "0", "--pytest=-p", "--pytest=no:hypothesispytest", "--json"])
    out, err = capsys.readouterr()
    assert status == 0, err
    (told,) = json.loads(out)["cases"]
    assert told["unchanged"].endswith("stays so without any of cse, patterns, fusions")
    assert told["unknown"] == ""


def test_another_takes_its_place(case, bisect):
    # Without `d`, and unless it is refused too, `g` does the same as `d`.
    case("holds = bool({'a', 'd'} <= done or {'a'} <= done and decides('fusions', 'g'))")
    status, report, err = bisect("--subsystem", "fusions")
    assert status == 0, err
    (change,) = report["changes"]
    assert change["after"] == {"name": "fusion 4", "title": "do d"}
    alone, together = change["notes"]
    assert "the answer stays no: others take its place (do g)." in alone
    assert together.splitlines() == [
        "A minimal set with which the answer is no when every other is refused:",
        "",
        "- fusion 1: do a",
        "- fusion 4: do d",
    ]


def test_every_transition_is_told(case, bisect):
    case("holds = 'b' in done and 'd' not in done or 'f' in done")
    status, report, err = bisect("--subsystem", "fusions", "--sweep", "9")
    assert status == 0, err
    assert [(change["after"]["name"], change["answer"]) for change in report["changes"]] == [
        ("fusion 2", "no"), ("fusion 4", "yes"), ("fusion 6", "no"),
    ]  # fmt: skip
    # Whether it decides alone is asked of those whose answer is that of the whole compile.
    assert [len(change["notes"]) for change in report["changes"]] == [2, 0, 1]


def test_a_subsystem_without_which_the_case_fails_is_searched_from_its_end(case, bisect):
    case("assert done, 'nothing works'; holds = 'e' in done")
    status, report, err = bisect("--subsystem", "fusions")
    assert status == 0, err
    (change,) = report["changes"]
    assert change["candidates"] == [{"name": "fusion 5", "title": "do e"}]
    assert report["asked"][1]["answer"] == "unknown"
    assert "nothing works" in report["asked"][1]["reason"]


def test_a_subsystem_that_cannot_be_searched_is_said(case, bisect):
    case("assert 'f' in done, 'nothing works'; holds = True")
    status, report, err = bisect()
    assert (status, report) == (2, None)
    assert "the answer is no, and stays so without any of cse, patterns, fusions" in err
    assert "fusions was not searched: without it the case gives no answer (AssertionError: nothing works" in err


def test_a_case_that_decides_otherwise_on_every_run_has_no_culprit(case, bisect, project):
    counter = project.root / "counter"
    case("holds = 'd' in done")
    project.test(f"""
        from compiler import fuse

        def test_a(kernel_snapshot, golden):
            with open({str(counter)!r}, "a+") as file:
                file.write("x")
                file.seek(0)
                runs = len(file.read())
            done = fuse(*("abcdef" if runs <= 2 else "fedcba"))
            assert golden(lines=1 if "d" in done else 3) == kernel_snapshot
    """)
    status, report, err = bisect("--subsystem", "fusions")
    assert status == 1, err
    assert len(report["changes"][0]["candidates"]) == 6
    reasons = [entry["reason"] for entry in report["asked"][2:]]
    assert reasons
    assert all("the case does not compile the same on every run" in reason for reason in reasons)


def test_killed_at_every_step_it_goes_on(case, words, project, tmp_path):
    log = tmp_path / "log"
    # Every second run of the case kills the search, by a signal that it cannot catch.
    killer = f"log = {str(log)!r}; open(log, 'a').write('x'); len(open(log).read()) % 2 or os.kill(os.getppid(), 9)"
    case(f"import os; {killer}; holds = 'd' in done")
    command = [sys.executable, "-m", "kernelsnap", *words("--subsystem", "fusions")]
    kills = 0
    while True:
        done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        kills += 1
        assert kills < 20
    report = json.loads(done.stdout)
    assert report["changes"][0]["after"] == {"name": "fusion 4", "title": "do d"}
    assert kills >= 2
    # Each kill cost the run that it hit, and no other.
    assert len(log.read_text()) == len(report["asked"]) + kills
    again = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout) == report
    assert len(log.read_text()) == len(report["asked"]) + kills


def test_decisions_that_were_lost_are_asked_for(case, bisect, tmp_path):
    case("holds = 'd' in done")
    assert bisect("--subsystem", "fusions")[0] == 0
    log = tmp_path / "cache" / "state.decisions.json"
    log.unlink()
    status, _, err = bisect("--subsystem", "fusions")
    assert (status, "`--fresh` begins anew" in err) == (2, True)
    assert bisect("--subsystem", "fusions", "--fresh")[0] == 0
    log.write_text("[]")
    status, _, err = bisect("--subsystem", "fusions")
    assert (status, "holds no decisions" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--subsystem", "fusion"], "--subsystem fusion: this torch has cse, patterns, empty, fusions"),
        (["--subsystem", "empty"], "empty does nothing for this case"),
        (["--reference", "first"], "name one with --subsystem"),
        (["--subsystem", "patterns"], "the answer is no, and stays so without any of patterns"),
    ],
)
def test_bad_input_is_one_clear_message(case, bisect, arguments, says):
    case("holds = True")
    status, report, err = bisect(*arguments)
    assert (status, report) == (2, None)
    assert says in err


def test_a_torch_that_lacks_an_internal_is_told_which(case, bisect, project):
    case("holds = True")
    with (project.root / "compiler.py").open("a") as file:
        file.write("""
def subsystems():
    from kernelsnap.errors import UnsupportedTorchError
    raise UnsupportedTorchError("torch 9.9.0 has no torch._inductor.scheduler.Scheduler.fuse_two_nodes")

module.subsystems = subsystems
del sys.modules["kernelsnap.virtual"]
""")
    status, report, err = bisect()
    assert (status, report) == (2, None)
    assert "the whole compile gives no answer" in err
    assert "torch 9.9.0 has no torch._inductor.scheduler.Scheduler.fuse_two_nodes" in err
    assert "Traceback" not in err


def test_a_limit_leaves_candidates(case, bisect):
    case("holds = 'd' in done")
    status, report, _ = bisect("--subsystem", "fusions", "--limit", "3")
    assert status == 1
    assert report["complete"] is False
    (change,) = report["changes"]
    assert len(change["candidates"]) > 1
    assert change["notes"] == []


def test_nothing_of_the_users_is_changed(case, bisect, project):
    case("holds = 'd' in done")

    def files():
        return sorted(path for path in project.root.rglob("*") if not {".cache", "cache"} & set(path.parts))

    before = files()
    assert bisect("--subsystem", "fusions")[0] == 0
    assert files() == before


REAL = """
    import torch
    from kernelsnap import capture

    def soft(x):
        return (x.softmax(-1) * 2).sum(0), x.cumsum(0)

    def test_a(kernel_device, kernel_snapshot):
        assert capture(soft, torch.randn(64, 1024, device=kernel_device)) == kernel_snapshot
"""


@pytest.mark.starts_processes
def test_a_real_compile_from_the_default_question_to_the_pattern_and_the_pass(project, bisect, quick_torch_steps):
    pytest.importorskip("triton")
    (project.root / "conftest.py").unlink()
    project.test(REAL)
    status, report, err = bisect(
        "--subsystem", "patterns", "--subsystem", "post_grad_passes", predicate="contains('prepare_softmax_online')"
    )
    assert status == 0, err
    assert [change["after"]["title"] for change in report["changes"]] == [
        "pass_pattern_1", "prepare_softmax_pattern on amax, sub, exp, sum_1",
    ]  # fmt: skip
    assert all("It decides alone" in change["notes"][0] for change in report["changes"])
    assert "plan differs" in report["changes"][1]["diffs"][0]["says"]

    status, report, err = bisect("--subsystem", "fusions", predicate="kernels > 2")
    assert status == 0, err
    (change,) = report["changes"]
    assert change["after"]["name"] == "fusion 2"
    assert change["after"]["title"].startswith("fuse buf3 (cumsum) into buf2 (")
    assert change["diffs"][0]["says"].startswith("plan differs: fusion changed")
