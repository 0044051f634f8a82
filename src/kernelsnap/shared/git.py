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


def run_git(
    folder: Path,
    *arguments: str,
    settings: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    given: bytes | None = None,
    ours: bool = False,
) -> bytes:
    """What git prints when it is run in a folder.

    Args:
        folder: where to run it.
        arguments: the command and its options.
        settings: settings of git for this call: `advice.detachedHead=false`.
        env: the environment; None for that of this process.
        given: what it reads from its standard input.
        ours: this is a clone of ours, or makes one: it may come from a folder, and the filters that the configuration
            names are run, for nobody but the user has written that.

    Raises:
        GitError: it refused.
        GitNotFoundError: it cannot be started.
    """
    off = () if ours else _filters(folder.absolute())
    command = [*_before(folder, off), *(option for setting in settings for option in ("-c", setting)), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, env=_environment(env, ours=ours), input=given)
    except OSError as error:
        raise GitNotFoundError(error.strerror or str(error)) from error
    if done.returncode:
        raise GitError(done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}")
    return done.stdout


#: What git would run by itself where a repository's configuration names it.
_OFF = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false")
#: Of a filter of files, what is not run.
_FILTER = ("clean=", "smudge=", "process=", "required=false")


def git_environment() -> dict[str, str]:
    """The environment of each call of git: what a clone lacks is not fetched, for the configuration says how.

    A variable, because a repository may allow each protocol for itself, whatever a setting of ours has for all of them.
    """
    return _environment(os.environ, ours=False)


def _environment(env: Mapping[str, str] | None, *, ours: bool) -> dict[str, str]:
    allowed = "file" if ours else "none"
    return {**(os.environ if env is None else env), "GIT_ALLOW_PROTOCOL": allowed, "GIT_NO_LAZY_FETCH": "1"}


def git_command(folder: Path) -> list[str]:
    """The beginning of each command line of git, for a folder: with all that it would run turned off.

    To be run in `git_environment`.

    Raises:
        GitNotFoundError: git cannot be started.
    """
    return _before(folder, _filters(folder.absolute()))


def _before(folder: Path, off: Sequence[str]) -> list[str]:
    settings = [*_OFF, *(f"{name}.{setting}" for name in off for setting in _FILTER)]
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
