"""From failing tests to accepted goldens, with nothing compiled again."""

from __future__ import annotations

import json
import shlex
import shutil
import zipfile

import pytest

from kernelsnap.golden import toolchain, transaction

TEST = """
    import pytest

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_x(kernel_snapshot, golden, size):
        assert golden(lines=size) == kernel_snapshot

    def test_y(kernel_snapshot, golden):
        assert golden(lines=9) == kernel_snapshot(name="why not")
"""


def run(project, *arguments):
    """Pytest as a user starts it: with its cache."""
    return project.pytester.runpytest("-p", "no:hypothesispytest", *arguments)


@pytest.fixture
def failed(project):
    """A project whose four tests have just failed; what pytest said."""
    project.test(TEST)
    run(project, "--snapshot-update").assert_outcomes(passed=4)
    project.compiler("tl_math.sin(tmp0)")
    result = run(project)
    result.assert_outcomes(failed=4)
    return result


def commands(result, before):
    lines = [line.removeprefix("E").strip() for line in result.outlines if before in line]
    return [line.removeprefix(before).strip() for line in lines]


def texts(project):
    return {path.relative_to(project.goldens).as_posix(): path.read_text() for path in project.goldens.rglob("*.*")}


def recorded(project):
    """What `--snapshot-update` makes of the tree as it is now; the tree stays as it is."""
    kept = project.root / "kept"
    shutil.copytree(project.goldens, kept)
    run(project, "-p", "no:cacheprovider", "--snapshot-update")
    found = texts(project)
    shutil.rmtree(project.goldens)
    kept.rename(project.goldens)
    return found


def test_each_failure_ends_with_the_command_that_accepts_it(project, failed, ask):
    found = commands(failed, "To accept:")
    assert found[0] == "kernelsnap accept 'test_a.py::test_x[1]' --target h100"
    assert found[3] == "kernelsnap accept 'test_a.py::test_y@why not' --target h100"
    before = texts(project)
    out, err, status = ask(*shlex.split(found[1])[1:])
    assert (err, status) == ("", 0)
    assert out.endswith("\n1 golden accepted, 3 still pending\n")
    assert [name for name, text in texts(project).items() if before[name] != text] == ["test_a/test_x[2].h100.ksnap"]
    run(project, "-k", "2").assert_outcomes(passed=1, deselected=3)


def test_accepting_all_gives_what_an_update_gives(project, failed, ask):
    expected = recorded(project)
    out, err, status = ask("accept", "--all")
    assert (err, status) == ("", 0)
    assert out.count("kernels and bytes as before") == 4
    assert out.endswith("4 goldens accepted\n")
    assert texts(project) == expected
    assert ask("pending")[::2] == ("nothing is pending: what a failing test generates is kept until it passes\n", 0)
    run(project).assert_outcomes(passed=4)


def test_what_is_missing_is_accepted_too(project, ask):
    project.test(TEST)
    result = run(project)
    result.assert_outcomes(failed=4)
    assert commands(result, "To record it:")[0] == "kernelsnap accept 'test_a.py::test_x[1]' --target h100"
    expected = recorded(project) if project.goldens.mkdir() is None else {}
    assert ask("accept", "--cause", "new", "--except", "test_y*")[2] == 0
    assert ask("accept", "--all")[2] == 0
    assert texts(project) == expected


def test_targets_that_share_a_golden_are_accepted_as_an_update_records_them(project, ask):
    targets = ("--kernelsnap-target", "h100,a100,l4")
    project.test(TEST)
    run(project, "--snapshot-update", *targets).assert_outcomes(passed=12)
    assert len(project.names()) == 4
    project.compiler("2.0")
    run(project, *targets).assert_outcomes(failed=12)
    out, _, status = ask("accept", "--target", "a100")
    assert out.endswith("4 goldens accepted, 4 still pending\n")
    assert len(project.names()) == 8
    run(project, "--kernelsnap-target", "a100").assert_outcomes(passed=4)
    out, err, status = ask("accept", "--all")
    assert (err, status) == ("", 0)
    assert len(project.names()) == 4
    run(project, *targets).assert_outcomes(passed=12)


def test_pending_as_text_and_json(project, failed, ask):
    out, err, status = ask("pending")
    assert (err, status) == ("", 1)
    assert "  test_a.py::test_x[1] (h100): time, kernels and bytes as before\n" in out
    assert out.endswith("4 goldens pending. To decide: kernelsnap review, or kernelsnap accept CASE\n")
    found = json.loads(ask("pending", "--json")[0])
    assert len(found) == 4
    assert {entry["state"] for entry in found} == {"pending"}
    assert {entry["target"] for entry in found} == {"h100"}
    assert len({entry["digest"] for entry in found}) == 4
    assert found[0]["versions"] == toolchain.read(project.goldens).versions
    group = found[0]["group"]
    assert len(json.loads(ask("pending", "--json", "--group", group[:5])[0])) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "case nothing: nothing that is pending matches. There is: test_a.py::test_x[1] (h100), "),
        (["--target", "a100"], "--target a100: nothing that is pending matches. There is: h100 (4)"),
        (["--group", "0000"], "--group 0000: nothing that is pending matches. There is: "),
        (["--layer", "plan"], "--layer plan: nothing that is pending matches. There is: code (4)"),
        (["--cause", "tiling"], "--cause tiling: nothing that is pending matches. There is: "),
        (["--all", "--except", "x"], "--except x: nothing that is pending matches. There is: "),
        (["--all", "--except", "test_a.py"], "nothing that is pending matches all of this"),
        (["--all", "test_x"], "--all names everything"),
        ([], "say which: a case, a pattern, --target, --cause, --group, --layer, or --all"),
    ],
)
@pytest.mark.parametrize("command", ["accept", "reject"])
def test_a_filter_that_matches_nothing_is_an_error(project, failed, ask, words, said, command):
    before = texts(project)
    out, err, status = ask(command, *words)
    assert (out, status) == ("", 2)
    assert err.startswith(f"kernelsnap: {said}")
    assert texts(project) == before


def test_what_is_rejected_stays_as_it_was(project, failed, ask):
    before = texts(project)
    assert ask("reject", "test_x[3]", "test_y*")[0].startswith("2 goldens rejected: ")
    assert ask("accept", "--all")[0].endswith("2 goldens accepted\n")
    changed = [name for name, text in texts(project).items() if before[name] != text]
    assert sorted(changed) == ["test_a/test_x[1].h100.ksnap", "test_a/test_x[2].h100.ksnap"]


def test_a_golden_that_is_no_longer_the_compared_one_is_refused_with_all_others(project, failed, ask):
    path = project.golden("test_a/test_x[2].h100.ksnap")
    path.write_text(path.read_text().replace("1.0)", "0.5)"))
    before = texts(project)
    assert "its golden has changed since: run the test again" in ask("pending")[0]
    _, err, status = ask("accept", "--all")
    assert status == 2
    assert err.startswith(
        "kernelsnap: nothing was accepted: 1 goldens are no longer those that were compared "
        "(test_a.py::test_x[2] (h100)); run their tests again, or leave them out with --except"
    )
    assert texts(project) == before
    assert ask("accept", "--all", "--except", "test_x[2]")[2] == 0


def test_the_versions_move_with_the_last_golden(project, ask):
    project.test(TEST)
    run(project, "--snapshot-update").assert_outcomes(passed=4)
    file = project.goldens / toolchain.FILE
    new = file.read_text()
    old = new.replace('torch = "', 'torch = "1.')
    file.write_text(old)
    for size in (1, 2):
        path = project.golden(f"test_a/test_x[{size}].h100.ksnap")
        path.write_text(path.read_text().replace("1.0)", "0.5)"))
    run(project).assert_outcomes(passed=2, failed=2)
    out = ask("accept", "test_x[1]")[0]
    assert "toolchain.toml was left as it is, because this run did not compare 1 golden (test_a/test_x[2]" in out
    assert file.read_text() == old
    out = ask("accept", "test_x[2]")[0]
    assert out.endswith("\n1 golden accepted\n")
    assert file.read_text() == new


def test_what_agreed_and_was_changed_since_keeps_the_versions(project, ask):
    project.test(TEST)
    run(project, "--snapshot-update").assert_outcomes(passed=4)
    file = project.goldens / toolchain.FILE
    file.write_text(file.read_text().replace('torch = "', 'torch = "1.'))
    old = file.read_text()
    path = project.golden("test_a/test_x[1].h100.ksnap")
    path.write_text(path.read_text().replace("1.0)", "0.5)"))
    run(project).assert_outcomes(passed=3, failed=1)
    other = project.golden("test_a/test_x[2].h100.ksnap")
    other.write_text(other.read_text().replace("1.0)", "0.5)"))
    assert "did not compare 1 golden (test_a/test_x[2].h100.ksnap)" in ask("accept", "--all")[0]
    assert file.read_text() == old


def test_ci_keeps_nothing_unless_asked(project, ask, monkeypatch):
    project.test(TEST)
    monkeypatch.setenv("CI", "true")
    result = run(project)
    result.assert_outcomes(failed=4)
    assert commands(result, "To record it:")[0] == "pytest 'test_a.py::test_x[1]' --snapshot-update"
    assert not list((project.root / ".pytest_cache").rglob("*.ksnap"))
    run(project, "--kernelsnap-pending").assert_outcomes(failed=4)
    assert len(list((project.root / ".pytest_cache").rglob("*.ksnap"))) == 4


@pytest.mark.parametrize("zipped", [False, True])
def test_what_another_machine_left(project, failed, ask, tmp_path, zipped):
    expected = recorded(project)
    left = tmp_path / "artifact"
    shutil.move(project.root / ".pytest_cache", left / "deep" / "cache")
    if zipped:
        left = shutil.make_archive(str(tmp_path / "zipped"), "zip", left)
    assert "4 goldens pending" in ask("pending", "--from", str(left))[0]
    assert ask("accept", "--from", str(left), "test_x")[0].endswith("3 goldens accepted\n")
    assert ask("accept", "--from", str(left), "test_y*")[2] == 0
    assert texts(project) == expected


def test_a_zip_file_that_unpacks_to_too_much_is_an_error(project, failed, ask, tmp_path):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("pending/x.json", "{}")
        archive.filelist[0].file_size = 1 << 32
    _, err, status = ask("accept", "--from", str(bomb), "--all")
    assert status == 2
    assert "unpacked, it has more than" in err


def test_what_another_machine_left_may_not_leave_the_goldens(project, failed, ask, tmp_path):
    heads = sorted((project.root / ".pytest_cache").rglob("pending/**/*.json"))
    text = heads[0].read_text()
    for old, new in (
        ('"golden": "test_a/', '"golden": "../test_a/'),
        ('"golden": "test_a/', '"golden": "/test_a/'),
        ('"goldens": "goldens"', '"goldens": ".."'),
        ("test_x[1].h100.ksnap", "x.py"),
    ):
        heads[0].write_text(text.replace(old, new))
        out, err, status = ask("accept", "--from", str(project.root / ".pytest_cache"), "--all")
        assert (out, status) == ("", 2)
        assert err.startswith("kernelsnap: ")


def test_a_project_of_another_folder_is_an_error(project, failed, ask, tmp_path):
    _, err, status = ask("accept", "--all", "--from", str(project.root / ".pytest_cache"), cwd=tmp_path.parent)
    assert status == 2
    assert "no folder goldens here or above" in err


def test_what_a_newer_run_has_overwritten_is_refused(project, failed, ask, monkeypatch):
    from kernelsnap.cli import pending

    def show(folder, entries):
        project.compiler("3.0")
        run(project)

    monkeypatch.setattr(pending, "show_what_is_written", show)
    before = texts(project)
    _, err, status = ask("accept", "--all")
    assert status == 2
    assert "is no longer what you were shown" in err
    assert texts(project) == before


def test_a_golden_of_several_targets_is_found_by_the_path_of_each(project, ask):
    targets = ("--kernelsnap-target", "h100,a100,l4")
    project.test(TEST)
    run(project, *targets, "--snapshot-update").assert_outcomes(passed=12)
    project.compiler("tl_math.sin(tmp0)")
    run(project, *targets).assert_outcomes(failed=12)
    for target in ("h100", "a100", "l4"):
        for place in ("test_a", "goldens/test_a", project.goldens / "test_a"):
            path = f"{place}/test_x[1].{target}.ksnap"
            out, err, _ = ask("diff", "--failed", "--format", "json", "--", path)
            assert err == ""
            found = json.loads(out)
            (change,) = found["changes"]
            assert (change["name"], change["status"]) == (f"test_a/test_x[1].{target}.ksnap", "changed")
        explained = ask("diff", "--failed", "--explain", "test_x[1]", "--", path)[0].splitlines()[-1].split()
        assert {word for word in explained if word in ("h100", "a100", "l4")} == {"h100", "a100", "l4"}
    one, other = (f"test_a/test_x[1].{target}.ksnap" for target in ("h100", "l4"))
    assert len(json.loads(ask("diff", "--failed", "--format", "json", "--", one, other)[0])["changes"]) == 1
    assert len(json.loads(ask("diff", "--failed", "--format", "json", "--", "test_a")[0])["changes"]) == 4
    assert ask("diff", "--failed", "--", "test_b")[1:] == (
        "kernelsnap: test_b: neither side has a golden (*.ksnap) there\n",
        2,
    )


def test_a_damaged_head_is_named(project, failed, ask):
    head = sorted((project.root / ".pytest_cache").rglob("pending/**/*.json"))[0]
    head.write_text("{")
    _, err, status = ask("accept", "--all")
    assert status == 2
    assert f"{head.name}: not the head of a pending golden" in err


def test_reasons_are_kept_beside_the_goldens_and_in_every_report(project, failed, ask):
    assert ask("accept", "test_x[1]", "--reason", "less fusion")[2] == 0
    assert ask("accept", "test_x[2]", "--for-now", "--reason", "until #12 is mended")[2] == 0
    lines = (project.goldens / "ledger.toml").read_text().splitlines()[2:]
    group = json.loads(ask("pending", "--json")[0])[0]["group"]
    assert lines == [f'{group}.unknown = {{ decision = "accepted", for-now = true, reason = "until #12 is mended" }}']
    out = ask("pending")[0]
    assert "  before: accepted for now: until #12 is mended\n" in out
    now = f"accepted for now: until #12 is mended: unknown [{group}]"
    assert f"\n{now}\n" in out
    out = ask("diff", "--failed")[0]
    assert f"\n  before, about group {group}: accepted for now: until #12 is mended\n  {now}\n" in out
    found = json.loads(ask("diff", "--failed", "--format", "json")[0])
    assert found["decided"] == {group: "accepted for now: until #12 is mended"}
    assert found["for_now"] == [now.removeprefix("accepted for now: ")]
    text = ask("diff", "--failed", "--format", "markdown")[0]
    assert f"- accepted for now: `{now.removeprefix('accepted for now: ')}`" in text
    assert text.endswith("To accept it:\n\n```sh\nkernelsnap accept --all\n```\n")
    (project.root / "other").mkdir()
    shutil.copytree(project.goldens / "test_a", project.root / "other" / "test_a")
    assert now in ask("diff", "other", "goldens")[0]
    result = run(project, "-k", "test_x and 1")
    result.assert_outcomes(passed=1, deselected=3)
    result.stdout.fnmatch_lines(["2 pending: kernelsnap review, or kernelsnap accept CASE", now.replace("[", "[[]")])
    assert ask("reject", "test_y*", "--reason", "a bug")[2] == 0
    assert 'decision = "rejected", reason = "a bug"' in (project.goldens / "ledger.toml").read_text()
    (project.goldens / "ledger.toml").write_text("<<<<<<< HEAD\n")
    assert "ledger.toml: not TOML" in ask("pending")[1]
    result = run(project, "-k", "test_x and 1")
    result.assert_outcomes(passed=1, deselected=3)
    result.stdout.fnmatch_lines(["*ledger.toml: not TOML*"])


def test_a_kill_while_goldens_are_moved_is_completed_by_the_next_command(project, failed, ask, monkeypatch):
    expected = recorded(project)
    finish = transaction._finish

    def killed(goldens, room, moves):
        assert len(moves) == 4
        finish(goldens, room, moves[:2])
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_finish", killed)
        with pytest.raises(SystemExit):
            ask("accept", "--all")
    assert texts(project) != expected
    out, err, status = ask("pending")
    assert err == "kernelsnap: an interrupted command was completed: 4 files of goldens/ were written\n"
    assert (out, status) == ("nothing is pending: what a failing test generates is kept until it passes\n", 0)
    assert texts(project) == expected


def test_what_others_have_recorded_is_no_longer_pending(project, failed, ask):
    expected = recorded(project)
    for name, text in expected.items():
        (project.goldens / name).write_text(text)
    assert ask("pending")[::2] == ("nothing is pending: what a failing test generates is kept until it passes\n", 0)
