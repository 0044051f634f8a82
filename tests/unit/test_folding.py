"""Format 2: a golden without what its templates give becomes the whole golden again, or it is an error."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stored_goldens
from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import store
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.store import golden_text, write_golden
from kernelsnap.golden.templates.folding import folded, is_folded, templates_named, unfolded
from kernelsnap.golden.templates.settle import changed_templates, settle, templates_used
from kernelsnap.golden.templates.template import read_template
from kernelsnap.golden.templates.template_store import (
    can_be_stored,
    lookup_near,
    parse_template,
    render_template,
    stored_templates,
    template_path,
    templates_above,
    write_template,
)
from kernelsnap.model.golden import Code, Golden, Plan

SOURCE = """\
{{def_kernel("A")}}
    # rows
    M = {{size("A", 0)}}
    {% if EVEN %}
    x = 1
    {% endif %}
    return M
"""
MM = read_template("mm", SOURCE)
OTHER = read_template("mm", SOURCE.replace("return M", "return M + 0"))
BODY = "@triton.jit\ndef k0(A):\n    M = 64\n    return M\n"
GOLDEN = Golden(
    "tests/test_a.py::test_x",
    "h100",
    (Plan("inference", (), (), ()),),
    (),
    (),
    (
        Code("inference", "k0", f"arg A  *fp16 align 16\n{BODY}"),
        Code("inference", "k1", "def k1():\n    text = '''\n\n    template mm\n'''\n"),
        Code("inference", "host", "k0.run(arg0)\n"),
    ),
    templates=(("mm", SOURCE),),
)
TEXT = render(GOLDEN)
# Of an older kernelsnap, which named no digests.
WITHOUT_DIGEST = """\
kernelsnap 2
case tests/test_a.py::test_x
target h100

plan
  inference  0 kernels  0 extern

metrics

config

code
  inference  k0  template mm
    arg A  *fp16 align 16
    def_kernel("A"):
      @triton.jit
      def k0(A):
    size("A", 0) = 64
    if EVEN = no
  inference  k1
    def k1():
        text = '''

        template mm
    '''
  inference  host
    k0.run(arg0)

end
"""
FOLDED = WITHOUT_DIGEST.replace("target h100\n", f"target h100\ntemplate mm {MM.digest}\n")


def lookup(name):
    return {"mm": MM}[name]


@pytest.fixture
def tree(tmp_path):
    """A tree of goldens with one golden and its template."""
    write_template(tmp_path, MM)
    write_golden(tmp_path / "test_a" / "test_x.h100.ksnap", GOLDEN, [MM])
    return tmp_path


@pytest.fixture
def path(tree):
    return tree / "test_a" / "test_x.h100.ksnap"


def test_what_a_file_holds():
    assert folded(TEXT, [MM]) == FOLDED
    assert unfolded(FOLDED, lookup, "x") == TEXT
    assert templates_named(FOLDED) == {"mm"}


def test_a_golden_that_no_template_fits_stays_in_format_1():
    for templates in ([], [OTHER]):
        assert folded(TEXT, templates) == TEXT
    assert templates_named(TEXT) == frozenset()
    assert unfolded(TEXT, lookup, "x") == TEXT


def test_of_two_templates_the_one_that_gives_most():
    loose = read_template("a_loose_one", '{{def_kernel("A")}}\n    return M\n')
    assert templates_named(folded(TEXT, [loose, MM])) == {"mm"}


def test_reading_and_writing(path):
    assert path.read_text() == FOLDED
    assert golden_text(path) == TEXT
    assert store.read_golden(path, GOLDEN.case) == GOLDEN
    assert not write_golden(path, GOLDEN, [MM])


def test_format_1_is_still_read(path):
    path.write_text(TEXT)
    assert store.read_golden(path, GOLDEN.case) == GOLDEN


def test_a_folded_text_is_not_parsed_by_itself():
    with pytest.raises(
        GoldenFormatError, match=r"^file:1: the templates that it was recorded with could not be put in: mm"
    ):
        parse(FOLDED, "file")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"test_x\.h100\.ksnap: the template .* is missing: templates/mm\.ktemplate"),
        (lambda path: path.write_text(path.read_text()[:-4]), r"mm\.ktemplate:\d+: the file is cut off"),
        (lambda path: path.write_text(""), r"mm\.ktemplate:\d+: not a template: the first line must be"),
        (lambda path: path.write_text("<<<<<<< ours\n" + path.read_text()), r"mm\.ktemplate:1: .* merge conflict"),
        (lambda path: path.write_text(TEXT), r"mm\.ktemplate:1: not a template"),
        (
            lambda path: path.write_text(path.read_text().replace("kernelsnap template 1", "kernelsnap template 2")),
            r"mm\.ktemplate:1: written in format 2 by a newer kernelsnap",
        ),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")), r"add `\*\.ktemplate text eol=lf`"),
        (
            lambda path: path.write_text(path.read_text().replace("  {% endif %}\n", "")),
            r"mm\.ktemplate: a block does not end: if",
        ),
        (lambda path: path.write_text(path.read_text().replace("M = ", "M =  # ")), r"mm\.ktemplate:\d+: expected"),
        (
            lambda path: path.write_text(path.read_text().replace("return M", "return N")),
            rf"test_x\.h100\.ksnap: the template mm is not the one .* names {MM.digest}; restore both",
        ),
        (lambda path: path.write_text(path.read_text().replace("x = 1", "x = 2")), r"the template mm is not the one"),
        (lambda path: path.write_text(path.read_text().replace("name mm", "name ../mm")), r"can be called '\.\./mm'"),
    ],
)
def test_a_damaged_template_is_an_error_that_names_it(tree, path, damage, message):
    damage(template_path(tree, "mm"))
    with pytest.raises(GoldenFormatError, match=message):
        golden_text(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace('    size("A", 0) = 64\n', ""), r"k0 does not say what `size\(\"A\", 0\)` is"),
        (lambda text: text[:-4], r"test_x\.h100\.ksnap:\d+: the file is cut off"),
        (lambda text: text.replace("    size", "<<<<<<< ours\n    size"), r"merge conflict"),
        (lambda text: text.replace("template mm", "template nn"), r"templates/nn\.ktemplate"),
        (lambda text: text.replace("template mm\n", "template nn\n"), r":4: its head does not name each template"),
        (lambda text: text.replace("  template mm\n", "\n"), r":4: its head does not name each template"),
        (
            lambda text: text.replace("template mm", "template ../../secret"),
            r"'\.\./\.\./secret', which no template can",
        ),
        (lambda text: text.replace("template mm", "template /etc/passwd"), r"'/etc/passwd', which no template can"),
        (lambda text: text.replace(MM.digest, MM.digest[::-1]), r"the template mm is not the one"),
        (lambda text: text.replace(MM.digest, ""), r"the template mm is not the one"),
    ],
)
def test_a_damaged_golden_is_an_error_that_names_it(path, damage, message):
    path.write_text(damage(path.read_text()))
    with pytest.raises(GoldenFormatError, match=message):
        golden_text(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda text: text.replace('size("A", 0) = 64\n', 'size("A", 1) = 64\n'),
            r"says what the template does not ask",
        ),
        (lambda text: text.replace("    if EVEN = no\n", ""), r"does not say what `if EVEN`"),
    ],
)
def test_values_that_the_template_does_not_have_are_an_error(path, damage, message):
    path.write_text(damage(path.read_text()))
    with pytest.raises(GoldenFormatError, match=message):
        golden_text(path)


def test_a_template_stands_beside_the_golden_or_above(tree, path):
    deep = tree / "a" / "b" / "test_x.h100.ksnap"
    deep.parent.mkdir(parents=True)
    deep.write_text(WITHOUT_DIGEST)
    assert golden_text(deep) == TEXT
    write_template(tree / "a", OTHER)
    assert "return M + 0" in golden_text(deep)
    assert lookup_near(path)("mm") == MM


@pytest.mark.parametrize("top", ["toolchain.toml", ".git"])
def test_templates_above_the_tree_of_goldens_are_none_of_its(tmp_path, top):
    write_template(tmp_path, MM)
    path = tmp_path / "goldens" / "test_a" / "test_x.h100.ksnap"
    path.parent.mkdir(parents=True)
    path.write_text(FOLDED)
    assert golden_text(path) == TEXT
    (tmp_path / "goldens" / top).write_text("")
    with pytest.raises(GoldenFormatError, match=r"templates/mm\.ktemplate, in the folder of the goldens"):
        golden_text(path)
    assert templates_above(path.parent) == {}


def test_a_golden_without_digests_is_read_and_gets_them_when_it_is_recorded(tree, path):
    path.write_text(WITHOUT_DIGEST)
    assert golden_text(path) == TEXT
    assert settled(tree, MM) == ([], [])
    # Whether this is the template that it was recorded with, nobody knows.
    assert path.read_text() == WITHOUT_DIGEST
    assert write_golden(path, GOLDEN, [MM])
    assert path.read_text() == FOLDED


def test_a_golden_and_its_template_that_another_process_replaces_meanwhile_are_read_again(tree, path, monkeypatch):
    stored, other = store.read_text, FOLDED.replace(MM.digest, OTHER.digest)

    def replaced_after_reading(path):
        text = stored(path)
        if text != other:
            write_template(tree, OTHER)
            path.write_text(other)
        return text

    monkeypatch.setattr(store, "read_text", replaced_after_reading)
    assert "return M + 0" in golden_text(path)


def test_a_templates_file_is_the_same_template():
    text = render_template(MM)
    assert text.split("\n")[:5] == ["kernelsnap template 1", "name mm", "", "text", '  {{def_kernel("A")}}']
    assert parse_template(text, "x") == MM


@pytest.mark.parametrize("name", ["../mm", "", "a b", ".mm", "a/b"])
def test_a_name_that_is_no_file_name_is_not_stored(name):
    assert not can_be_stored(read_template(name, SOURCE))


def test_the_templates_that_a_golden_used():
    unknown = ("macro", "{% macro a() %}\n{% endmacro %}\n")
    used = templates_used(replace(GOLDEN, templates=(unknown, ("mm", SOURCE), ("nn", SOURCE + "more\n"))))
    assert used == {"mm": MM}


def test_a_golden_names_the_templates_that_changed(tree):
    assert changed_templates(tree, GOLDEN) == []
    new = replace(GOLDEN, templates=(("mm", SOURCE.replace("    x = 1\n", "    x = 2\n")),))
    assert changed_templates(tree, new) == ["mm"]


def settled(tree, *templates, seen=True, replaces=True):
    written, left = settle(tree, templates, lambda path: seen, replaces)
    return written, [template.name for template in left]


def test_a_template_is_written_and_goldens_leave_out_what_it_gives(tree, path):
    template_path(tree, "mm").unlink()
    path.write_text(TEXT)
    assert settled(tree, MM) == (["mm"], [])
    assert path.read_text() == FOLDED
    assert settled(tree, MM) == ([], [])


def test_a_template_that_changed_is_replaced_when_all_that_use_it_were_compared(tree, path):
    for kept in ({"seen": False}, {"replaces": False}):
        assert settled(tree, OTHER, **kept) == ([], ["mm"])
        assert stored_templates(tree) == [MM]
    # The golden still says what it said, so it is not made of the new template.
    assert settled(tree, OTHER) == (["mm"], [])
    assert path.read_text() == TEXT
    write_golden(
        path, replace(GOLDEN, code=(Code("inference", "k0", BODY.replace("return M", "return M + 0")),)), [OTHER]
    )
    assert is_folded(path.read_text())


def test_a_branch_that_no_golden_takes_changes_the_template_and_its_digest_only(tree, path):
    other = read_template("mm", SOURCE.replace("x = 1", "x = 2"))
    assert settled(tree, other) == (["mm"], [])
    assert path.read_text() == FOLDED.replace(MM.digest, other.digest)
    assert golden_text(path) == TEXT
    assert stored_templates(tree) == [other]


def test_a_damaged_golden_is_left_alone(tree, path):
    path.write_text(TEXT.replace("end\n", ""))
    assert settled(tree, MM) == ([], [])
    assert path.read_text() == TEXT.replace("end\n", "")


def test_all_goldens_of_the_repository_are_folded_as_they_are_stored():
    templates = stored_templates(stored_goldens.FOLDER)
    used = {name for template in stored_goldens.names() for name in templates_named(stored(template))}
    assert used == {template.name for template in templates}
    assert not [name for name in stored_goldens.names() if folded(stored_goldens.text(name), templates) != stored(name)]
    files = {template.name: template_path(stored_goldens.FOLDER, template.name) for template in templates}
    assert not [t.name for t in templates if render_template(t) != files[t.name].read_text()]


def stored(name):
    return (stored_goldens.FOLDER / name).read_text()


# What a kernel may hold, and what looks like the file around it.
LINES = st.one_of(
    st.sampled_from(
        [*FOLDED.split("\n"), *BODY.split("\n"), *SOURCE.split("\n"), "code", "  inference  k9  template mm"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=8),
)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1), LINES), max_size=3), st.booleans())
@settings(max_examples=300, deadline=None)
def test_nothing_is_lost_in_a_file(edits, arguments):
    lines = BODY.split("\n")[:-1]
    for place, removed, line in edits:
        lines[place : place + removed] = [line]
    text = ("arg A  *fp16\n" if arguments else "") + "".join(f"{line}\n" for line in lines)
    whole = render(replace(GOLDEN, code=(Code("inference", "k0", text), *GOLDEN.code[1:])))
    assert unfolded(folded(whole, [MM]), lookup, "x") == whole


@given(LINES, st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_an_edited_file_is_an_error_or_another_golden(line, place):
    lines = FOLDED.split("\n")
    place %= len(lines) - 1
    if lines[place] == line:
        return
    text = "\n".join([*lines[:place], line, *lines[place + 1 :]])
    told = ""
    try:
        golden = parse(unfolded(text, lookup, "file.ksnap"), "file.ksnap")
    except GoldenFormatError as error:
        told = str(error)
    assert re.match(r"file\.ksnap", told) if told else render(golden) != TEXT
