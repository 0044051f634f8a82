"""Cuts off a file at every byte, and flips a bit in every byte, for each kind of file of a tree of goldens.

    python tools/attack/bytes.py

A reader must find an error of its own kind, or read what is another content: a golden with another digit is another
golden. It must never read the old content from a file that is not as it was written, and raise nothing else. A template
is read through a golden that was recorded with it, and there every change is an error. Files with comments, which a
person writes, may have other comments.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import fuzz
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden import files, toolchain
from kernelsnap.golden.format import parse
from kernelsnap.golden.prune import Orphan, OrphanRecord, read_record, write_record
from kernelsnap.golden.resources import parse_resources
from kernelsnap.golden.store import golden_text
from kernelsnap.pending import ledger
from kernelsnap.pending.entry import check, from_json
from kernelsnap.pending.review.decisions import parse_decisions
from kernelsnap.targets.lookup import read_targets

ROOT = Path(__file__).parents[2] / "goldens"
GOLDEN = "test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
WITH_TEMPLATE = "test_flex_flash/FlashGoldenTests.test_backward[plain].h100.ksnap"
TEMPLATE = "templates/flash_attention_backward_cutedsl.ktemplate"


def golden(path: Path) -> object:
    """What a golden holds, with the reasons, which are not compared."""
    found = parse(golden_text(path), str(path))
    return found, found.why


def targets(path: Path) -> object:
    """The GPUs that a project defines, as every command finds them."""
    return read_targets(path)


def pending(path: Path) -> object:
    """The head of a pending golden."""
    found = from_json(path.read_bytes(), str(path))
    check(found, str(path))
    return found


def decisions(path: Path) -> object:
    """The decisions of a review."""
    return parse_decisions(files.read_text(path), str(path))


#: For each kind of file: the file that is changed, and the one that is read then.
KINDS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "golden": (GOLDEN, GOLDEN, golden),
    "golden with templates": (WITH_TEMPLATE, WITH_TEMPLATE, golden),
    "template": (TEMPLATE, WITH_TEMPLATE, golden),
    "resources file": ("", "", lambda path: parse_resources(files.read_text(path), str(path))),
    "toolchain": (toolchain.FILE, toolchain.FILE, lambda path: toolchain.read(path.parent)),
    "ledger": (ledger.FILE, ledger.FILE, lambda path: ledger.read_ledger(path.parent)),
    "targets": ("pyproject.toml", "pyproject.toml", targets),
    "pending golden": ("pending.json", "pending.json", pending),
    "decisions": ("review.json", "review.json", decisions),
    "orphans": ("orphans.json", "orphans.json", read_record),
}
#: Their comments and blanks may be changed: a person writes them, or nobody else than this machine reads them.
FREE = ("toolchain", "ledger", "targets", "pending golden", "decisions", "orphans")


def make(tree: Path) -> Path:
    """Copy this repository's goldens, and write a file of each other kind there."""
    shutil.copytree(ROOT, tree)
    (tree / ledger.FILE).write_bytes(fuzz.TARGETS["ledger"].seeds()[0])
    (tree / "pyproject.toml").write_bytes(b"# The GPUs here.\n" + fuzz.TARGETS["targets"].seeds()[0])
    (tree / "pending.json").write_bytes(fuzz.TARGETS["pending"].seeds()[0])
    (tree / "review.json").write_bytes(fuzz.TARGETS["decisions"].seeds()[1])
    write_record(tree / "orphans.json", OrphanRecord("/project", "/project/goldens", 1, (Orphan("a.h100.ksnap", "0"),)))
    return tree


def changed(content: bytes, step: int = 1) -> Iterator[tuple[str, bytes]]:
    """Every beginning of a file, and the file with a bit flipped in every byte, or in every `step`th one."""
    for at in range(0, len(content), step):
        yield "cut off", content[:at]
        yield "flipped", content[:at] + bytes([content[at] ^ (1 << at % 7)]) + content[at + 1 :]


def attack(tree: Path, kind: str, step: int = 1) -> Counter[str]:
    """What the reader makes of each change of the file of one kind."""
    name, other, reader = KINDS[kind]
    path = tree / name if name else min(tree.rglob("*.kres"))
    read = tree / other if other else path
    content, before = path.read_bytes(), reader(read)
    seen: Counter[str] = Counter()
    for how, text in changed(content, step):
        path.write_bytes(text)
        try:
            after = reader(read)
        except (KernelsnapError, FileNotFoundError):
            seen[f"{how}: an error"] += 1
        except Exception as error:  # what the attack looks for
            seen[f"{how}: {type(error).__name__}"] += 1
        else:
            seen[f"{how}: {'read as if nothing were' if after == before else 'another content'}"] += 1
    path.write_bytes(content)
    return seen


def is_wrong(kind: str, what: str) -> bool:
    """Whether a reader must not do this with a file that was changed."""
    if what.endswith(": an error"):
        return False
    if what.endswith(": another content"):
        return kind == "template"
    return kind not in FREE or not what.endswith(": read as if nothing were")


def main() -> int:
    """Attack each kind of file; 1 if a reader did what it must not."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = make(Path(folder) / "goldens")
        for kind in KINDS:
            for what, number in sorted(attack(tree, kind).items()):
                sys.stdout.write(f"{kind:22}  {number:6}  {what}\n")
                bad += is_wrong(kind, what)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
