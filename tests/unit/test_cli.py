"""The command line: what it prints, its exit status, and that bad input is one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kernelsnap.cli import main as cli_main
from kernelsnap.cli.main import main
from kernelsnap.golden.format import parse
from kernelsnap.targets.lookup import TARGETS

GOLDENS = Path(__file__).parents[2] / "goldens"


@pytest.fixture
def golden() -> Path:
    return next(GOLDENS.rglob("FusionTests.test_softmax_inner.h100.ksnap"))


def test_show_prints_the_file(golden, capsys):
    assert main(["show", str(golden)]) == 0
    assert capsys.readouterr().out == golden.read_text()


def test_show_prints_the_layers_asked_for(golden, capsys):
    assert main(["show", str(golden), "--layer", "metrics", "--layer", "plan"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^\w+$", text, re.MULTILINE) == ["metrics", "plan"]
    assert f"kernels  {sum(m.value for m in parse(golden.read_text()).metrics if m.name == 'kernels')}" in text


NORM = "tests/corpus/test_fusion.py::FusionTests::test_softmax_inner"


@pytest.mark.parametrize("where", [".", "tests/corpus"])
@pytest.mark.parametrize("part", ["k0", "inference k0"])
def test_show_takes_node_ids_and_parts(capsys, monkeypatch, where, part):
    monkeypatch.chdir(GOLDENS.parent / where)
    case = NORM if where == "." else Path(NORM).name
    assert main(["show", f"{case}:{part}", "--target", "h100"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[:1] != " "] == ["plan", "config", "code"]
    assert "    k0  persistent reduction  x 10  r0 10" in lines
    assert "    def k0(in_ptr0, out_ptr0, xnumel, r0_numel, XBLOCK : tl.constexpr):" in lines
    assert not any("host" in line for line in lines)
    assert main(["show", case, "--target", "h100"]) == 0
    golden = GOLDENS / "test_fusion/FusionTests.test_softmax_inner.h100.ksnap"
    assert capsys.readouterr().out == golden.read_text()


def test_show_of_a_part_and_a_layer_of_a_file(golden, capsys):
    assert main(["show", f"{golden}:host", "--layer", "code"]) == 0
    assert capsys.readouterr().out.startswith("code\n  inference  host\n")


def test_show_names_what_there_is(golden, capsys, monkeypatch):
    monkeypatch.chdir(GOLDENS.parent)
    assert main(["show", f"{golden}:k7"]) == 2
    assert capsys.readouterr().err.endswith("has no part k7; there is inference k0, inference host\n")
    for name in ("tests/test_nothing.py::test_x", "", "::", ":", "x" * 5000, "test_x:k0"):
        assert main(["show", name]) == 2
        assert "no such file, and no test of this name has a golden in goldens" in capsys.readouterr().err
    assert main(["show", NORM, "--target", "tpu"]) == 2
    assert "has a golden for tpu in goldens" in capsys.readouterr().err


def test_show_is_in_colours_where_they_are_asked_for(golden, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["show", str(golden)]) == 0
    painted = capsys.readouterr().out
    assert "\x1b[1mplan\x1b[0m\n" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == golden.read_text()
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["show", str(golden)]) == 0
    assert capsys.readouterr().out == golden.read_text()


def test_targets_lists_every_target(capsys):
    assert main(["targets", "--sources"]) == 0
    text = capsys.readouterr().out
    for target in TARGETS.values():
        assert f"\n{target.name} " in f"\n{text}"
        assert all(source.citation in text for source in target.sources)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file or directory"),
        ("kernelsnap 99\n", "written in format 99 by a newer kernelsnap"),
        ("import torch\n", "not a golden"),
        ("kernelsnap 1\ncase a\n", "cut off"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, capsys, content, says):
    path = tmp_path / "x.ksnap"
    if content is not None:
        path.write_text(content)
    assert main(["show", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kernelsnap: ")
    assert captured.err.count("\n") == 1
    assert str(path) in captured.err
    assert says in captured.err


def test_each_command_is_found_by_its_name_alone(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = set(re.findall(r"^    ([a-z-]+)(?: |$)", capsys.readouterr().out, re.M))
    assert listed == {name for names in cli_main._COMMANDS.values() for name in names}
    for adder, names in cli_main._COMMANDS.items():
        parser = cli_main._parser([names[0]])
        assert {*parser._subparsers._group_actions[0].choices} == {*names}, adder


def test_a_command_imports_no_other():
    code = (
        "import sys; from kernelsnap.cli.main import main\n"
        "try: main(['pending', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*(name for name in sys.modules if name.startswith('kernelsnap.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.splitlines()[-1].split()) == {"kernelsnap.cli.main", "kernelsnap.cli.pending"}
