"""Runs commands where something of the machine is missing: a home, an output, git, memory for files, a language.

    python tools/attack/surroundings.py [COMMAND ...]

Every command (or those that are named) runs in each of the surroundings, over a project with goldens, a template and a
pending golden. It must do its work or end with an error of one line, without a trace, nothing raw on the terminal and
within three minutes, and leave every golden whole.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attack.recorded_tree import RecordedTree
from kernelsnap.errors import KernelsnapError

SOURCES = Path(__file__).parents[2] / "src"
KEYS = (("test_x", "h100"), ("test_y", "a100"))
#: How long a command may take, in seconds.
LONGEST = 180
#: A folder in which not even root can make a file.
NOWHERE = "/proc/nowhere"
GOLDEN = "goldens/test_a/test_x.h100.ksnap"

COMMANDS = {
    "show": ("show", GOLDEN),
    "why": ("why", GOLDEN),
    "cost": ("cost",),
    "diff": ("diff", "HEAD"),
    "diff of folders": ("diff", "goldens", "other", "--cost"),
    "page": ("diff", "goldens", "other", "--html", "page.html"),
    "json": ("diff", "goldens", "other", "--format", "json"),
    "pending": ("pending",),
    "accept": ("accept", "--all", "--reason", "as meant"),
    "reject": ("reject", "--all"),
    "review": ("review", "--json"),
    "review of a terminal": ("review",),
    "prune": ("prune", "--remove"),
    "verify-tree": ("verify-tree",),
    "targets": ("targets",),
    "gitattributes": ("gitattributes", "--install"),
    "doctor": ("doctor", "--quick"),
    "upgrade": ("upgrade", "--to", "torch==0.0.1", "--yes"),
    "bisect": ("bisect", "test_a.py::test_x", "--axis", "passes"),
    "patch": ("diff", "--patch", "-"),
    "help": ("--help",),
    "no such golden": ("show", "goldens/größe.h100.ksnap"),
}


@dataclass(frozen=True)
class Surroundings:
    """What differs from an ordinary shell: variables (None: not set), and a line of bash that runs `"$@"`."""

    environment: Mapping[str, str | None] = field(default_factory=dict)
    script: str = '"$@"'


def _variables(**environment: str | None) -> Surroundings:
    return Surroundings(environment)


SURROUNDINGS = {
    "an ordinary shell": Surroundings(),
    "a home that cannot be written": _variables(HOME=NOWHERE),
    "a home that is no folder": _variables(HOME="/dev/null"),
    "no home": _variables(HOME=None, XDG_CACHE_HOME=None),
    "a cache that cannot be written": _variables(KERNELSNAP_CACHE=NOWHERE, XDG_CACHE_HOME=NOWHERE),
    "no temporary folder": _variables(TMPDIR=NOWHERE),
    "the language C": _variables(LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
    "a language that is not installed": _variables(LC_ALL="xx_XX.UTF-8", LANG="xx_XX"),
    "output in ASCII": _variables(PYTHONIOENCODING="ascii"),
    "output in UTF-16": _variables(PYTHONIOENCODING="utf-16"),
    "no input": Surroundings(script='"$@" <&-'),
    "no output": Surroundings(script='"$@" >&-'),
    "no errors": Surroundings(script='"$@" 2>&-'),
    "nothing open": Surroundings(script='"$@" <&- >&- 2>&-'),
    "a full output": Surroundings(script='"$@" >/dev/full'),
    "a full place for errors": Surroundings(script='"$@" 2>/dev/full'),
    "a reader that has seen enough": Surroundings(script='set -o pipefail; "$@" | true'),
    "no terminal type": _variables(TERM=None),
    "a dumb terminal": _variables(TERM="dumb"),
    "a terminal of no columns": _variables(COLUMNS="0", LINES="0"),
    "a terminal of one column": _variables(COLUMNS="1", LINES="1"),
    "columns that are no number": _variables(COLUMNS="many"),
    "very many columns": _variables(COLUMNS="1000000"),
    "few open files": Surroundings(script='ulimit -n 16; "$@"'),
    "no room for any file": Surroundings(script='ulimit -f 0; "$@"'),
    "a small stack": Surroundings(script='ulimit -s 512; "$@"'),
    "files that nobody else may read": Surroundings(script='umask 777; "$@"'),
    "a folder that was deleted": Surroundings(script='mkdir gone; cd gone; rmdir ../gone; "$@"'),
    "a folder that cannot be written": Surroundings(script='cd /proc; "$@"'),
    "no git": _variables(PATH="/nowhere"),
    "a git folder that is not there": _variables(GIT_DIR=NOWHERE),
    "a git index that is not there": _variables(GIT_INDEX_FILE=NOWHERE),
    "a git that speaks another language": _variables(LC_ALL="de_DE.UTF-8", LANGUAGE="de"),
    "a pager and an editor that fail": _variables(PAGER="false", EDITOR="false", GIT_PAGER="false"),
    "no docstrings": _variables(PYTHONOPTIMIZE="2"),
    "warnings that are errors": _variables(PYTHONWARNINGS="error"),
    "a Python for developers": _variables(PYTHONDEVMODE="1", PYTHONSAFEPATH="1"),
    "a clock of another place": _variables(TZ="Nowhere/Nothing", SOURCE_DATE_EPOCH="x"),
    "a run of CI": _variables(CI="true"),
}


def project(root: Path) -> RecordedTree:
    """A repository with goldens, another tree of them, and one golden that is pending."""
    tree = RecordedTree(root)
    tree.record(dict.fromkeys(KEYS, 0))
    shutil.copytree(tree.goldens, root / "other")
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(root))
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "goldens")):
        subprocess.run([*git, *words], check=True)
    tree.record({KEYS[0]: 1})
    tree.pend(KEYS[1], 1)
    tree.note_orphans(["test_y"])
    tree.folder.write_compared({"versions": {}, "goldens": {}, "resources": {}, "tools": {}})
    return tree


def problem(root: Path, name: str, words: tuple[str, ...]) -> str:
    """Run a command in the project, in the surroundings of this name; what is wrong with how it ended, or nothing."""
    surroundings = SURROUNDINGS[name]
    changed = {"PYTHONPATH": str(SOURCES), **surroundings.environment}
    environment = {key: value for key, value in {**os.environ, **changed}.items() if value is not None}
    command = ["/bin/bash", "-c", surroundings.script, "bash", sys.executable, "-m", "kernelsnap", *words]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=environment,
            timeout=LONGEST,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"takes more than {LONGEST} s"
    for output in (done.stdout, done.stderr):
        if b"Traceback" in output or b"internal error: " in output or b"\x1b" in output:
            return f"status {done.returncode}: ...{output[-600:].decode('utf-8', 'replace')}"
    if done.returncode not in (0, 1, 2):
        return f"status {done.returncode}: {done.stderr[-300:]!r}"
    try:
        RecordedTree(root).found([test for test, _ in KEYS])
    except KernelsnapError as error:
        return f"a golden is not whole: {error}"
    return ""


def main() -> int:
    """Run them all, and print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)}")
    named = parser.parse_args().commands or list(COMMANDS)
    if unknown := [name for name in named if name not in COMMANDS]:
        parser.error(f"there is no command {unknown[0]!r}")
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        original = project(Path(folder) / "project").root
        for command in named:
            for name in SURROUNDINGS:
                root = Path(folder) / "copy"
                shutil.copytree(original, root, symlinks=True)
                wrong = problem(root, name, COMMANDS[command])
                shutil.rmtree(root)
                if wrong:
                    failures += 1
                    sys.stdout.write(f"{command}, {name}: {wrong}\n")
                    sys.stdout.flush()
    sys.stdout.write(f"{len(named) * len(SURROUNDINGS)} commands, {failures} of them end in a way that they must not\n")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
