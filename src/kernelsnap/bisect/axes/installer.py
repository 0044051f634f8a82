"""Runs uv or pip to make environments: their commands, the index that they use, and what their errors mean.

Checked with pip 23.2 and uv 0.13. uv reads none of pip's configuration: its settings of the index are passed on.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.observe.process import error_line, kill, run_command

# Messages of an installer after which another version would fail as well.
_FATAL = (
    ("No space left on device", "the disk is full"),
    ("Disk quota exceeded", "the disk quota is used up"),
    ("File too large", "a file may not grow that large here"),
    ("NewConnectionError", "the index cannot be reached"),
    ("Temporary failure in name resolution", "the index cannot be reached"),
    ("Max retries exceeded", "the index cannot be reached"),
    ("connection error:", "the index cannot be reached"),
    ("error sending request", "the index cannot be reached"),
    ("Connection refused", "the index cannot be reached"),
)
# Available versions: 2.14.1, 2.14.0, 2.13.0
_AVAILABLE = re.compile(r"^Available versions: (.*)$", re.MULTILINE)
# Downloading triton-3.7.1-cp311-cp311-manylinux_2_28_x86_64.whl (188.3 MB)
_DOWNLOADING = re.compile(r"Downloading (\S+) \(([\d.]+)\s?([kKMG]?)i?B\)")
_UNITS = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
# global.extra-index-url='https://example.org/simple'
_SETTING = re.compile(r"^[\w:]+\.(index-url|extra-index-url|find-links|no-index|constraint)=(.*)$", re.MULTILINE)
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_OFTEN = 0.5  # seconds between two looks at how much was downloaded


@dataclass(frozen=True)
class Installer:
    """The program that makes environments."""

    uv: str = ""  # its path; "" where pip does it
    index: tuple[str, ...] = ()  # arguments in addition to its own configuration

    def make(self, python: str, folder: Path) -> list[str]:
        """The command that makes an empty environment of an interpreter."""
        if self.uv:
            return [self.uv, "venv", "--quiet", "--python", python, str(folder)]
        return [python, "-m", "venv", "--without-pip", str(folder)]

    def install(self, python: str, *wanted: str) -> list[str]:
        """The command that installs packages for an interpreter."""
        if self.uv:
            return [self.uv, "pip", "install", "--python", python, *self.index, *wanted]
        # This process's pip: to install one into each environment takes longer than most wheels.
        return [*_PIP, "--python", python, "install", "--progress-bar", "off", *wanted]

    def layer(self, python: str, folder: Path, wanted: str) -> list[str]:
        """The command that puts one package, and none that it depends on, into a folder, for an interpreter."""
        return self.install(python, "--no-deps", "--target", str(folder), wanted)


def find_installer() -> Installer:
    """uv where it is installed, else pip.

    Raises:
        BisectError: neither is there.
    """
    if uv := shutil.which("uv"):
        return Installer(uv, tuple(_index_settings()))
    status, _ = run_command([*_PIP, "--version"], Path.cwd(), environment(), None)
    if status:
        raise BisectError(f"{sys.executable} has no pip, and uv is not installed: one of them makes environments")
    return Installer()


def _index_settings() -> Iterator[str]:
    """What pip is configured with, as uv's arguments."""
    status, output = run_command([*_PIP, "config", "list"], Path.cwd(), environment(), None)
    for name, text in [] if status else _SETTING.findall(output):
        try:
            value = str(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            continue
        if name == "no-index":
            yield from ["--no-index"] if value.lower() in ("1", "true", "yes", "on") else []
            continue
        option = "--constraints" if name == "constraint" else f"--{name}"
        for word in value.split():
            yield from (option, word)
        if name == "extra-index-url":
            # As pip does: uv by itself takes the first index that has the package, whatever versions it has.
            yield from ("--index-strategy", "unsafe-best-match")


def available(package: str) -> list[str]:
    """The versions that the configured index has, in its order.

    Raises:
        BisectError: the index cannot be reached, or does not know the package.
    """
    # uv has no command for this.
    command = [*_PIP, "index", "versions", package, "--pre"]
    status, output = run_command(command, Path.cwd(), environment(), None)
    found = _AVAILABLE.search(output)
    if status or not found:
        # pip does not mention a connection that failed, unless it is asked for everything.
        _, everything = run_command([*command, "-vv"], Path.cwd(), environment(), None)
        raise BisectError(f"no versions of {package} are known: {_fatal(everything) or why(output)}")
    return found.group(1).split(", ")


def run_installer(command: Sequence[str], what: str, scratch: Path) -> None:
    """Run an installer's command, with a progress bar where standard error is a terminal.

    Args:
        command: see `Installer`.
        what: what it installs, in words.
        scratch: a folder for its temporary files, removed by the caller.

    Raises:
        SkipStepError: it failed for a reason of its own.
        BisectError: the disk is full, or the index cannot be reached.
    """
    lines = []
    with (
        _shown(what, scratch) as shown,
        subprocess.Popen(
            command, env=environment() | {"TMPDIR": str(scratch)}, text=True, errors="replace", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process,
    ):  # fmt: skip
        try:
            for line in process.stdout or ():
                lines.append(line)
                shown.line(line)
        except BaseException:
            kill(process)
            raise
    output = "".join(lines)
    if process.returncode:
        if reason := _fatal(output):
            raise BisectError(f"{what} cannot be installed: {reason}. What was made before is kept")
        raise SkipStepError(f"{what} cannot be installed: {why(output)}")


class _Shown:
    """A progress bar: how much was downloaded of what the installer announced."""

    def __init__(self, progress: Progress, task: TaskID, scratch: Path) -> None:
        self._progress, self._task, self._scratch = progress, task, scratch
        self._total = 0.0

    def line(self, line: str) -> None:
        """Take a line of the installer's output."""
        if found := _DOWNLOADING.search(line):
            self._total += float(found[2]) * _UNITS[found[3]]
            self._progress.update(self._task, total=self._total)
        elif line.startswith("Installing collected packages"):
            self._progress.update(self._task, total=None, description="[dim]unpacking[/]")

    def look(self, stop: threading.Event) -> None:
        """Show now and then how much was downloaded, until stopped."""
        while not stop.wait(_OFTEN):
            self._progress.update(self._task, completed=size_of(self._scratch))


@contextmanager
def _shown(what: str, scratch: Path) -> Iterator[_Shown]:
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        shown = _Shown(progress, progress.add_task("", total=None), scratch)
        stop = threading.Event()
        watcher = threading.Thread(target=shown.look, args=(stop,), daemon=True)
        watcher.start()
        try:
            yield shown
        finally:
            stop.set()
            watcher.join()


def size_of(folder: Path) -> int:
    """The bytes in the files below a folder, which may change meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def environment(path: Sequence[Path] = ()) -> dict[str, str]:
    """This process's variables for another interpreter: without those that add packages, and with an import path."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    # Five tries, with longer and longer waits, do not reach an index that is not there.
    own = {"PIP_RETRIES": "2", **own}
    return own | {"PYTHONPATH": os.pathsep.join(map(str, path))} if path else own


def why(output: str) -> str:
    """The reason for a failure in an installer's output, in one line."""
    # uv gives it below its error.
    _, because, rest = " ".join(output.split()).partition("Because ")
    return f"{because}{rest}"[:300] if because else error_line(output)


def _fatal(output: str) -> str:
    return next((reason for text, reason in _FATAL if text in output), "")
