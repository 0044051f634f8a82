"""Runs git, for all that asks a repository something. Nothing that a repository's configuration names is run by it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path


class GitError(Exception):
    """git refused; the message is what it printed, or its exit status if it printed nothing."""


class GitNotFoundError(Exception):
    """git cannot be started: it is not installed."""


def run_git(folder: Path, *arguments: str, settings: Sequence[str] = (), env: Mapping[str, str] | None = None) -> bytes:
    """What git prints when it is run in a folder.

    Args:
        folder: where to run it.
        arguments: the command and its options.
        settings: settings of git for this call: `core.hooksPath=/dev/null`.
        env: the environment; None for that of this process.

    Raises:
        GitError: it refused.
        GitNotFoundError: it cannot be started.
    """
    command = [*git_command(folder), *(option for setting in settings for option in ("-c", setting)), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, env=env)
    except OSError as error:
        raise GitNotFoundError(error.strerror or str(error)) from error
    if done.returncode:
        raise GitError(done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}")
    return done.stdout


#: What git would run by itself where a repository's configuration names it. The last one: what a partial clone lacks is
#: not fetched, because the configuration says by which program.
_OFF = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false", "protocol.allow=never")
#: Of a filter of files, what is not run.
_FILTER = ("clean=", "smudge=", "process=", "required=false")


def git_command(folder: Path) -> list[str]:
    """The beginning of each command line of git, for a folder: with all that it would run turned off.

    Raises:
        GitNotFoundError: git cannot be started.
    """
    settings = [*_OFF, *(f"{name}.{setting}" for name in _filters(folder.absolute()) for setting in _FILTER)]
    return ["git", "-C", str(folder), *(option for setting in settings for option in ("-c", setting))]


@cache
def _filters(folder: Path) -> tuple[str, ...]:
    """The filters that the configuration for a folder defines: `filter.lfs`."""
    command = ["git", "-C", str(folder), "config", "--null", "--name-only", "--get-regexp", r"^filter\."]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise GitNotFoundError(error.strerror or str(error)) from error
    names = os.fsdecode(done.stdout).split("\0")
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in names if name.count(".") > 1))
