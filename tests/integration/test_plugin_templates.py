"""Templates of the compiler stand once for all goldens that use them, whatever runs recorded them, in any order."""

from __future__ import annotations

import pytest

from kernelsnap.cli.main import main
from kernelsnap.golden.templates.folding import without_digests

# The file `template` is what the compiler renders both kernels from.
TEST = """
    import pathlib
    from dataclasses import replace

    HERE = pathlib.Path(__file__).parent

    def made(golden, rows):
        source = (HERE / "template").read_text()
        text = source.replace('{{def_kernel("A")}}', "@triton.jit\\ndef k0(in_ptr0):").replace("{{rows}}", str(rows))
        start, end = "    {% if EVEN %}\\n", "    {% endif %}\\n"
        text = text[: text.index(start)] + text[text.index(end) + len(end) :]
        made = golden()
        code = (replace(made.code[0], text=text), made.code[1])
        return replace(made, code=code, templates=(("mm", source),))

    def test_x(kernel_snapshot, golden):
        assert made(golden, 2) == kernel_snapshot

    def test_y(kernel_snapshot, golden):
        assert made(golden, 3) == kernel_snapshot

    def test_z(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
"""
SOURCE = """\
{{def_kernel("A")}}
    ROWS = {{rows}}
    {% if EVEN %}
    mask = None
    {% endif %}
    acc = tl.dot(a, b)
    tl.store(in_ptr0, acc)
"""
TEMPLATE = "templates/mm.ktemplate"
X, Y, Z = (f"test_a/test_{name}.h100.ksnap" for name in "xyz")


@pytest.fixture
def made(project):
    """A project in which two of three goldens were made from a template."""
    project.test(TEST)
    compiler(project, SOURCE)
    project.record()
    return project


def compiler(project, source: str) -> None:
    (project.root / "template").write_text(source)


def content(project) -> dict[str, bytes]:
    return {name: content for name, (content, _) in project.files().items()}


def own(project) -> dict[str, bytes]:
    """The files without the lines that name the templates' texts."""
    return {name: without_digests(text.decode()).encode() for name, text in content(project).items()}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_a_template_stands_once_and_goldens_hold_what_is_their_own(made):
    assert set(made.files()) == {TEMPLATE, X, Y, Z, "toolchain.toml"}
    assert "    acc = tl.dot(a, b)\n" in made.golden(TEMPLATE).read_text()
    for name, rows in ((X, 2), (Y, 3)):
        text = made.golden(name).read_text()
        assert text.startswith("kernelsnap 2\n")
        assert (
            f'k0  template mm\n    def_kernel("A"):\n      @triton.jit\n      def k0(in_ptr0):\n    rows = {rows}\n'
            in text
        )
        assert "tl.dot" not in text
    assert made.golden(Z).read_text().startswith("kernelsnap 1\n")


def test_what_is_recorded_is_compared_and_not_written_again(made):
    before = made.files()
    assert made.run().ret == 0
    made.record()
    assert made.files() == before


def test_a_recorded_template_is_reported(project):
    project.test(TEST)
    compiler(project, SOURCE)
    result = project.run("--snapshot-update")
    result.stdout.fnmatch_lines(["*kernelsnap*", "goldens/templates/mm.ktemplate was written: 2 goldens use it"])


def test_a_template_that_changed_fails_every_test_that_uses_it_and_is_named(made):
    before = made.files()
    compiler(made, SOURCE.replace("tl.dot(a, b)", "tl.dot(a, b, acc)"))
    result = made.run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "E * -*acc = tl.dot(a, b)",
            "E * +*acc = tl.dot(a, b, acc)",
            "E * The template mm is not the one in goldens/templates/mm.ktemplate: *",
        ]
    )
    assert made.files() == before


def test_accepting_it_changes_one_file_and_in_goldens_the_line_that_names_its_text(made):
    before, own_before = content(made), own(made)
    compiler(made, SOURCE.replace("tl.dot(a, b)", "tl.dot(a, b, acc)"))
    result = made.run("--snapshot-update")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["goldens/templates/mm.ktemplate was written: 2 goldens use it"])
    assert changed(before, content(made)) == {TEMPLATE, X, Y}
    assert changed(own_before, own(made)) == {TEMPLATE}
    assert made.run().ret == 0


def test_a_new_value_changes_the_goldens_too(made):
    before = own(made)
    compiler(made, SOURCE.replace("    acc =", "    MORE = {{rows}}\n    COLUMNS = {{columns}}\n    acc ="))
    made.record()
    assert changed(before, own(made)) == {TEMPLATE, X, Y}
    assert own(made)[X].replace(b"    columns = {{columns}}\n", b"") == before[X]


def test_a_branch_that_no_kernel_takes_is_no_change_of_code(made):
    before = own(made)
    compiler(made, SOURCE.replace("mask = None", "mask = 1"))
    assert made.run().ret == 0
    made.record()
    assert changed(before, own(made)) == {TEMPLATE}


def test_a_golden_that_was_not_compared_keeps_what_it_says(made):
    before = own(made)
    compiler(made, SOURCE.replace("tl.dot(a, b)", "tl.dot(a, b, acc)"))
    result = made.run("--snapshot-update", "-k", "test_x")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "goldens/templates/mm.ktemplate was left as it is, though the template has changed: 1 goldens that use it "
            "were not compared in this run (test_a/test_y.h100.ksnap); update all of them*",
        ]
    )
    assert changed(before, own(made)) == {X}
    assert "tl.dot(a, b, acc)" in made.golden(X).read_text()
    made.run().assert_outcomes(passed=2, failed=1)
    # The rest in another run: now nothing keeps the template, and both goldens leave it out.
    made.record("-k", "test_y")
    assert changed(before, own(made)) == {TEMPLATE}
    assert made.run().ret == 0


def test_new_goldens_only_leave_a_template_that_changed(made):
    before = content(made)
    compiler(made, SOURCE.replace("mask = None", "mask = 1"))
    result = made.run("--snapshot-update-new-only")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["goldens/templates/mm.ktemplate was left as it is*--snapshot-update replaces it"])
    assert content(made) == before


@pytest.mark.parametrize("order", [(), ("test_a.py::test_y", "test_a.py::test_x", "test_a.py::test_z"), ("-n", "2")])
def test_the_result_does_not_depend_on_who_records_what_first(project, order):
    if order[:1] == ("-n",):
        pytest.importorskip("xdist")
    project.test(TEST)
    compiler(project, SOURCE)
    project.record()
    first = content(project)
    compiler(project, SOURCE.replace("tl.dot(a, b)", "tl.dot(a, b, acc)"))
    project.record(*order)
    assert changed(first, content(project)) == {TEMPLATE, X, Y}
    compiler(project, SOURCE)
    project.record()
    assert content(project) == first


@pytest.mark.parametrize("update", [(), ("--snapshot-update",)])
def test_a_template_with_another_text_is_an_error_that_names_both(made, update):
    path = made.golden(TEMPLATE)
    path.write_text(path.read_text().replace("tl.dot(a, b)", "tl.dot(b, a)"))
    before = content(made)
    result = made.run(*update)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["E *test_a/test_x.h100.ksnap: the template mm is not the one that this golden*"])
    assert content(made) == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.unlink(),
            "test_x.h100.ksnap: the template that it was made with is missing: templates/mm.ktemp",
        ),
        (lambda path: path.write_text(path.read_text()[:-4]), "mm.ktemplate:*: the file is cut off"),
    ],
)
@pytest.mark.parametrize("update", [(), ("--snapshot-update",)])
def test_a_template_that_is_missing_or_torn_is_an_error(made, damage, message, update):
    damage(made.golden(TEMPLATE))
    before = content(made)
    result = made.run(*update)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines([f"E *{message}*"])
    assert {name: text for name, text in content(made).items() if name != TEMPLATE} == {
        name: text for name, text in before.items() if name != TEMPLATE
    }


def test_what_a_killed_run_left_whole_is_put_right_by_the_next(made):
    from kernelsnap.golden.store import golden_text

    before = content(made)
    made.golden(X).write_text(golden_text(made.golden(X)))
    assert made.run().ret == 0
    made.record("-k", "test_y")
    assert content(made) == before


def test_an_expected_failure_keeps_its_golden(made):
    made.test(TEST.replace("    def test_y", "    import pytest\n\n    @pytest.mark.xfail\n    def test_y"))
    compiler(made, SOURCE.replace("tl.dot(a, b)", "tl.dot(a, b, acc)"))
    result = made.run("--snapshot-update")
    result.assert_outcomes(passed=2, xfailed=1)
    text = made.golden(Y).read_text()
    assert text.startswith("kernelsnap 1\n")
    assert "tl.dot(a, b)\n" in text
    assert made.golden(X).read_text().startswith("kernelsnap 2\n")


def test_targets_share_a_golden_made_from_a_template(made):
    made.record("--kernelsnap-target", "h100,a100")
    assert made.golden(X).read_text().split("\n")[2] == "target h100 a100"
    assert "k0  template mm\n" in made.golden(X).read_text()
    assert made.run("--kernelsnap-target", "a100").ret == 0


def test_a_template_that_no_golden_uses_is_named_and_stays(made):
    (made.goldens / "templates" / "bmm.ktemplate").write_text(
        made.golden(TEMPLATE).read_text().replace("name mm", "name bmm")
    )
    result = made.run("--kernelsnap-orphans")
    result.stdout.fnmatch_lines(["1 templates that no golden uses:", "  templates/bmm.ktemplate"])
    assert (made.goldens / "templates" / "bmm.ktemplate").exists()


def test_orphans_without_templates_say_nothing_of_them(project):
    project.test("def test_z(kernel_snapshot, golden):\n    assert golden() == kernel_snapshot\n")
    project.record()
    result = project.run("--kernelsnap-orphans")
    result.stdout.no_fnmatch_line("*templates that*")


def accepted(made, monkeypatch, *words):
    """Accept something in the project."""
    monkeypatch.chdir(made.root)
    assert main(["accept", *words]) == 0


def failing(made, *arguments):
    made.pytester.runpytest("-p", "no:hypothesispytest", *arguments)


def test_accepting_new_goldens_writes_their_template(project, monkeypatch):
    project.test(TEST)
    compiler(project, SOURCE)
    project.record()
    expected = content(project)
    for name in expected:
        (project.goldens / name).unlink()
    failing(project)
    accepted(project, monkeypatch, "--all")
    assert content(project) == expected


def test_accepting_what_a_changed_template_gave(made, monkeypatch, capsys):
    """Its file is replaced with the last golden that uses it; until then the accepted ones are stored in full."""
    old = content(made)
    compiler(made, SOURCE.replace("acc = tl.dot(a, b)", "acc = tl.dot(b, a)"))
    made.record()
    expected = content(made)
    for name, text in old.items():
        (made.goldens / name).write_bytes(text)
    failing(made)
    accepted(made, monkeypatch, "test_x")
    assert "mm.ktemplate was left as it is, though the template has changed: 1 goldens" in capsys.readouterr().out
    assert changed(old, content(made)) == {X}
    assert "tl.dot(b, a)" in made.golden(X).read_text()
    accepted(made, monkeypatch, "test_y")
    assert content(made) == expected
    made.run().assert_outcomes(passed=3)
