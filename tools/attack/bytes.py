"""Cuts off a file at every byte, and flips a bit in every byte, for each kind of file of a tree of goldens.

    python tools/attack/bytes.py

A reader must find an error of its own kind, or read what is another content: a golden with another digit is another
golden. It must never read the old content from a file that is not as it was written, and raise nothing else. A template
is read through a golden that was recorded with it, and there every change is an error.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from kernelsnap.errors import GoldenError
from kernelsnap.golden import files, toolchain
from kernelsnap.golden.format import parse
from kernelsnap.golden.resources import parse_resources
from kernelsnap.golden.store import golden_text

ROOT = Path(__file__).parents[2] / "goldens"
GOLDEN = "test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
WITH_TEMPLATE = "test_flex_flash/FlashGoldenTests.test_backward[plain].h100.ksnap"
TEMPLATE = "templates/flash_attention_backward_cutedsl.ktemplate"


def golden(path: Path) -> object:
    """What a golden holds."""
    return parse(golden_text(path), str(path))


#: For each kind of file: the file that is changed, and the one that is read then.
KINDS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "golden": (GOLDEN, GOLDEN, golden),
    "golden with templates": (WITH_TEMPLATE, WITH_TEMPLATE, golden),
    "template": (TEMPLATE, WITH_TEMPLATE, golden),
    "resources file": ("", "", lambda path: parse_resources(files.read_text(path), str(path))),
    "toolchain": (toolchain.FILE, toolchain.FILE, lambda path: toolchain.read(path.parent)),
}


def changed(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Every beginning of a file, and the file with a bit flipped in every byte."""
    for at in range(len(content)):
        yield "cut off", content[:at]
        yield "flipped", content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def attack(tree: Path, name: str, read: Path, reader: Callable[[Path], object]) -> Counter[str]:
    """What the reader makes of each change of one file."""
    path = tree / name
    content, before = path.read_bytes(), reader(read)
    seen: Counter[str] = Counter()
    for how, text in changed(content):
        path.write_bytes(text)
        try:
            after = reader(read)
        except (GoldenError, FileNotFoundError):
            seen[f"{how}: an error"] += 1
        except Exception as error:  # what the attack looks for
            seen[f"{how}: {type(error).__name__}"] += 1
        else:
            seen[f"{how}: {'read as if nothing were' if after == before else 'another content'}"] += 1
    path.write_bytes(content)
    return seen


def main() -> int:
    """Attack each kind of file; 1 if a reader did what it must not."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "goldens"
        shutil.copytree(ROOT, tree)
        for kind, (name, other, reader) in KINDS.items():
            name = name or min(tree.rglob("*.kres")).relative_to(tree).as_posix()
            for what, number in sorted(attack(tree, name, tree / (other or name), reader).items()):
                sys.stdout.write(f"{kind:22}  {number:6}  {what}\n")
                bad += not what.endswith((": an error", ": another content")) or (
                    kind == "template" and "another" in what
                )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
