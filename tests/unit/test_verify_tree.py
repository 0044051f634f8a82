"""`kernelsnap verify-tree`: what is wrong in a tree of goldens is found, and in a tree that is right nothing is."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

import stored_goldens
from kernelsnap.cli.main import main
from kernelsnap.errors import GoldenError
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.verify import TreeCheck

CASE = "test_resources/test_softmax.h100.ksnap"
SHARED = "test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
FLEX = "test_flex_triton/FlexForwardTests.test_forward[plain].h100.ksnap"
FLASH = "test_flex_flash/FlashGoldenTests.test_backward[plain].h100.ksnap"
TEMPLATE = "templates/flex_attention.ktemplate"


def test_the_goldens_of_this_repository():
    check = TreeCheck(stored_goldens.FOLDER)
    assert check.problems == []
    assert check.read["golden"] == len(stored_goldens.names())
    assert check.read["template"] == 5
    assert check.read["resources file"] == len(list(stored_goldens.FOLDER.rglob("*.kres")))


@pytest.fixture
def tree(tmp_path):
    """A tree that is right, with goldens of each kind."""
    goldens = tmp_path / "goldens"
    resources = sorted(path.relative_to(stored_goldens.FOLDER) for path in stored_goldens.FOLDER.rglob("*.kres"))[0]
    names = [SHARED, FLEX, FLASH, resources, resources.with_suffix(SUFFIX), "toolchain.toml"]
    for name in names:
        (goldens / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stored_goldens.FOLDER / name, goldens / name)
    shutil.copytree(stored_goldens.FOLDER / "templates", goldens / "templates")
    assert TreeCheck(goldens).problems == []
    return goldens


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def rename(tree: Path, name: str, new: str) -> None:
    (tree / new).parent.mkdir(exist_ok=True)
    (tree / name).rename(tree / new)


def kres(tree: Path) -> Path:
    return next(tree.rglob("*.kres"))


DAMAGES = {
    "a golden that is cut off": (
        lambda tree: edit(tree / SHARED, "\nend\n", "\n"),
        r"pointwise\.h100\.ksnap:\d+: .* cut off",
    ),
    "another target by its head": (
        lambda tree: edit(tree / SHARED, "target h100 a100", "target a100 h100"),
        r"is called .*\.a100\.",
    ),
    "another case by its head": (lambda tree: edit(tree / SHARED, "::test_", "::test_un"), r"is called FusionTests"),
    "another name": (
        lambda tree: rename(tree, SHARED, "test_fusion/x.h100.ksnap"),
        r"x\.h100\.ksnap: the golden of .* is c",
    ),
    "another folder": (lambda tree: rename(tree, SHARED, f"test_x/{Path(SHARED).name}"), "belongs into the folder of"),
    "no folder": (lambda tree: rename(tree, SHARED, "x.h100.ksnap"), "is called FusionTests"),
    "two of one target": (
        lambda tree: (tree / SHARED.replace(".h100.", ".a100.")).write_text(
            (tree / SHARED).read_text().replace("target h100 a100", "target a100 h100")
        ),
        "is the golden of .* for h100, too; delete one of them",
    ),
    "a line that was edited": (lambda tree: edit(tree / SHARED, "inputs  ", "inputs   "), r"h100\.ksnap:\d+: "),
    "a template that is gone": (
        lambda tree: (tree / TEMPLATE).unlink(),
        r"plain\]\.h100\.ksnap: the template .* missing",
    ),
    "another text of a template": (
        lambda tree: edit(tree / TEMPLATE, "acc", "bcc"),
        r"the template flex_attention is not",
    ),
    "a damaged template": (
        lambda tree: edit(tree / TEMPLATE, "\nend\n", ""),
        r"flex_attention\.ktemplate:\d+: .* cut off",
    ),
    "a template under another name": (
        lambda tree: shutil.copy(tree / TEMPLATE, tree / "templates/x.ktemplate"),
        r"x\.ktemplate:2: this is the text of another template, 'flex_attention'",
    ),
    "a template in another folder": (
        lambda tree: shutil.copy(tree / TEMPLATE, tree / "test_fusion/flex_attention.ktemplate"),
        r"test_fusion/flex_attention\.ktemplate: the template flex_attention is stored in",
    ),
    "resources without a golden": (lambda tree: kres(tree).with_suffix(SUFFIX).unlink(), "there is no golden of"),
    "damaged resources": (lambda tree: edit(kres(tree), "registers", "registres"), r"\.kres:\d+: "),
    "resources of another target": (
        lambda tree: edit(kres(tree), "target h100", "target a100"),
        "is called .*a100.kres",
    ),
    "no toolchain": (lambda tree: (tree / "toolchain.toml").unlink(), r"toolchain\.toml: there is no such file"),
    "half a toolchain": (lambda tree: edit(tree / "toolchain.toml", "# end\n", ""), r"toolchain\.toml: .* is cut off"),
    "no compiler": (lambda tree: edit(tree / "toolchain.toml", 'triton = "', 'tritoff = "'), "does not name triton"),
    "no compiler of resources": (
        lambda tree: (tree / "toolchain.toml").write_text(
            re.sub(r"\[resources\][^#]*", "", (tree / "toolchain.toml").read_text())
        ),
        r"does not name \[resources\]",
    ),
    "no version of a library": (
        lambda tree: edit(tree / "toolchain.toml", '"test_flex_flash/FlashGoldenTests.test_backward[plain].*",', ""),
        r"names no version of flash-attn-4 for test_flex_flash/FlashGoldenTests\.test_backward\[plain\]\.h100",
    ),
    "what a killed process left": (
        lambda tree: (tree / "test_fusion/.0123456789abcdef.tmp").write_text("kernels"),
        r"0123456789abcdef\.tmp: a killed process left it",
    ),
    "a link": (lambda tree: (tree / "test_fusion/l.h100.ksnap").symlink_to(tree / SHARED), "no regular file"),
    "a link to nothing": (lambda tree: (tree / "test_fusion/l.h100.ksnap").symlink_to("/nowhere"), "no regular file"),
    "a pipe": (lambda tree: os.mkfifo(tree / "test_fusion/p.h100.ksnap"), "no regular file"),
    "line ends of Windows": (
        lambda tree: (tree / SHARED).write_bytes((tree / SHARED).read_bytes().replace(b"\n", b"\r\n")),
        "Windows line ends",
    ),
    "no text": (lambda tree: (tree / SHARED).write_bytes(b"\xff\xfe"), "not UTF-8"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_wrong_is_named_with_its_file(tree, capsys, name):
    damage, message = DAMAGES[name]
    damage(tree)
    assert main(["verify-tree", str(tree)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert re.search(message, "\n".join(lines[:-1])), lines
    assert str(tree) in lines[0]
    assert re.search(r"\d+ problems?$", lines[-1])


def test_a_tree_that_is_right(tree, capsys):
    assert main(["verify-tree", str(tree)]) == 0
    assert capsys.readouterr().out == f"{tree}: 4 goldens, 5 templates, 1 resources file: all is right\n"


def test_there_is_no_folder(tmp_path, capsys):
    with pytest.raises(GoldenError, match="no such folder"):
        TreeCheck(tmp_path / "goldens")
    assert main(["verify-tree", str(tmp_path / "goldens")]) == 2
    assert "no such folder" in capsys.readouterr().err
