"""Runs git, for all that asks a repository something."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
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
    options = [option for setting in settings for option in ("-c", setting)]
    command = ["git", "-C", str(folder), *options, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, env=env)
    except OSError as error:
        raise GitNotFoundError(error.strerror or str(error)) from error
    if done.returncode:
        raise GitError(done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}")
    return done.stdout
