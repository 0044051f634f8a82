"""Keeps what a bisection has seen in one file, so that a run that is killed goes on where it was.

The file holds what the steps generated, not what was asked of them: another question about the same steps finds its
answers in it too.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe.observe import Observation
from kernelsnap.golden.files import write_text
from kernelsnap.shared.data_files import parsed_json, typed
from kernelsnap.shared.places import cache_folder

_FORMAT = 1


def bisect_folder() -> Path:
    """Where bisections keep what they need again."""
    return cache_folder() / "bisect"


def state_path(identity: Mapping[str, str]) -> Path:
    """The usual file for what is seen; bisections with the same identity share it."""
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    return bisect_folder() / f"{name}.json"


def digest(path: Path) -> str:
    """A hash of a file's content; "" where there is no such file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


class StateFile:
    """The observations of each step, in order: the first run, then its repeats."""

    def __init__(self, path: Path, identity: Mapping[str, str], *, fresh: bool = False) -> None:
        """Read the file, if there is one.

        Args:
            path: the file.
            identity: what decides what is seen: a file of another identity is refused.
            fresh: remove the file instead of reading it.
        """
        if fresh:
            path.unlink(missing_ok=True)
        self._path = path
        self._identity = dict(identity)
        self._seen: defaultdict[str, list[Observation]] = defaultdict(list)
        self._read()

    def observation(self, key: str, attempt: int, make: Callable[[], Observation]) -> Observation:
        """A step's observation in this run (0 for the first): the one in the file, else a new one, kept at once."""
        if self.has(key, attempt):
            return self._seen[key][attempt]
        found = make()
        self.add(key, found)
        return found

    def add(self, key: str, found: Observation) -> None:
        """Keep one more observation of a step."""
        self._seen[key].append(found)
        self._write()

    def known(self, key: str) -> tuple[Observation, ...]:
        """The observations of a step so far."""
        return tuple(self._seen.get(key, ()))

    def has(self, key: str, attempt: int = 0) -> bool:
        """Whether the file holds this run of a step: 0 for the first, 1 for its first repeat, ..."""
        return attempt < len(self._seen.get(key, ()))

    def _read(self) -> None:
        try:
            content = parsed_json(self._path.read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise BisectError(f"{self._path} was written by another kernelsnap; `--fresh` begins anew")
            identity, goldens = content["identity"], content["goldens"]
            for key, entries in content["seen"].items():
                self._seen[key] = [
                    typed(Observation, {**entry, "goldens": goldens[entry["goldens"]]}) for entry in entries
                ]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BisectError(f"{self._path} is no state of a bisection ({error}); `--fresh` begins anew") from None
        if identity != self._identity:
            names = {**identity, **self._identity}
            other = sorted(name for name in names if identity.get(name) != self._identity.get(name))
            raise BisectError(
                f"{self._path} is the state of another bisection: it differs in {', '.join(other)}. Name another file, "
                f"or begin anew with --fresh"
            )

    def _write(self) -> None:
        goldens: dict[str, Any] = {}
        seen: dict[str, list[dict[str, Any]]] = {}
        for key, observations in self._seen.items():
            seen[key] = []
            for observation in observations:
                # Most steps generate what another one did: each text is kept once.
                text = json.dumps(dict(observation.goldens), sort_keys=True)
                name = hashlib.sha256(text.encode()).hexdigest()[:16]
                goldens[name] = dict(observation.goldens)
                seen[key].append({**observation.as_json(), "goldens": name})
        content = {"format": _FORMAT, "identity": self._identity, "seen": seen, "goldens": goldens}
        write_text(self._path, json.dumps(content, indent=1) + "\n")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other bisections away from a state while the block runs.

    Raises:
        BisectError: one is at work on it.
        OSError: its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BisectError(f"another bisection is at work on {path}") from None
        yield
