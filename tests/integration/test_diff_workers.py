"""Many goldens compared by several processes: the same as by one, and what goes wrong in a worker is said."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kernelsnap.diff.sides.folders import folder
from kernelsnap.diff.sides.revisions import revision
from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.sides.trees import in_memory
from kernelsnap.diff.tree import many
from kernelsnap.diff.tree.change import change_of
from kernelsnap.diff.tree.many import compared

ROOT = Path(__file__).parents[2]
TEXTS = [path.read_text() for path in sorted((ROOT / "goldens" / "test_fusion").glob("*.ksnap"))]
EDITS = (
    ("tl_math", "libdevice"),
    ("xmask", "None"),
    ("float32", "float16"),
    ("kernelsnap 1", "<<<<<<< ours"),
    ("", ""),
)


@pytest.fixture
def trees(tmp_path):
    """Two folders of 150 goldens: most changed, some the same, some new or gone, some in a merge conflict."""
    for number in range(150):
        text = TEXTS[number % len(TEXTS)]
        for side in ("old", "new"):
            path = tmp_path / side / f"m{number % 7}" / f"case{number}.h100.ksnap"
            path.parent.mkdir(parents=True, exist_ok=True)
            if number % 11 != ("old", "new").index(side):
                path.write_text(text.replace(*EDITS[number % len(EDITS)]) if side == "new" else text)
    return tmp_path


def sides(trees):
    return Sides(folder(trees / "old"), folder(trees / "new"))


def test_workers_find_what_one_process_finds(trees):
    alone = compared(sides(trees), processes=1).changes
    assert {change.status for change in alone} == {"changed", "new", "gone", "unreadable"}
    assert compared(sides(trees), processes=2).changes == alone
    assert compared(sides(trees), processes=5).changes == alone
    assert [change.fingerprint for change in compared(sides(trees), 2).changes] == [
        change.fingerprint for change in alone
    ]


def test_workers_read_revisions_and_patches_too(trees):
    git = ("git", "-C", str(trees), "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git[:3], "init", "-q"], check=True)
    (trees / "goldens").mkdir()
    for side in ("old", "new"):
        subprocess.run(["cp", "-r", f"{trees}/{side}/.", f"{trees}/goldens"], check=True)
        subprocess.run([*git, "add", "goldens"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", side], check=True)
    found = Sides(revision(trees, "HEAD~1"), revision(trees, "HEAD"))
    alone = compared(found, processes=1).changes
    assert compared(found, processes=2).changes == alone
    assert len(alone) > 100
    contents = {name: found[name] for name in found}
    kept = Sides(*(in_memory("", {n: c[i] for n, c in contents.items() if c[i] is not None}) for i in (1, 2)))
    assert compared(kept, processes=2).changes == alone


def test_few_goldens_start_no_process(trees, monkeypatch):
    monkeypatch.setattr(many, "_in_workers", None)
    assert compared(sides(trees).only(list(sides(trees))[:20]), processes=8).changes


def test_an_exception_of_a_worker_names_the_golden(trees, monkeypatch):
    name = list(sides(trees))[-1]

    def broken(*contents):
        return change_of(*contents) if contents[0] != name else {}["nothing"]

    monkeypatch.setattr(many, "change_of", broken)
    for processes in (1, 2):
        with pytest.raises(KeyError, match="nothing") as raised:
            compared(sides(trees), processes)
        assert raised.value.__notes__ == [f"while comparing {name}"]


# The command, in which one golden is read from a pipe that stays empty. Workers are forked from this process.
STUCK = """
import sys
from pathlib import Path
from kernelsnap.cli.main import main
from kernelsnap.diff.sides import folders

read_bytes = folders.read_bytes
folders.read_bytes = lambda path: Path("pipe").read_bytes() if path.name == "z.h100.ksnap" else read_bytes(path)
sys.exit(main(["diff", "old", "new", "--jobs", "2"]))
"""


@contextlib.contextmanager
def stuck(trees):
    """`kernelsnap diff` on a golden that one of its workers waits for."""
    (trees / "new" / "z.h100.ksnap").write_text("")
    os.mkfifo(trees / "pipe")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        cwd=trees,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        with (trees / "pipe").open("wb"):  # opens when the worker does
            yield process
        process.wait()


def test_ctrl_c_ends_all_processes_with_one_line(trees):
    with stuck(trees) as process:
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"kernelsnap: interrupted\n")


def test_a_worker_that_is_killed_is_reported(trees):
    with stuck(trees) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        out, err = process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"kernelsnap: a worker process was killed, most likely for want of memory")
    assert b"Traceback" not in err
