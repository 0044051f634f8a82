"""The axis "git": commits, each checked out in a clone of its own that shares the repository's objects.

The user's working tree, index, references and hooks are never touched, and uncommitted changes are no part of any step.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from kernelsnap.bisect.axes.laid_over import installed_folder, lay_over
from kernelsnap.bisect.dialog import say
from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.line import LineAxis
from kernelsnap.bisect.observe.observe import Workspace
from kernelsnap.bisect.observe.process import NO_OUTPUT, run_command
from kernelsnap.bisect.outcome import AxisStep
from kernelsnap.bisect.request import BisectRequest, Request
from kernelsnap.shared.git import GitError, GitNotFoundError, run_git

_MOST_PROBES = 8
# Variables by which a git that started us (`git bisect run`, a hook) names its own repository.
_OTHER_REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
)
# This reverts commit 3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a.
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{7,40})")


@dataclass(frozen=True, kw_only=True)
class GitAxis(LineAxis):
    """The commits of a range."""

    kind: ClassVar[str] = "git"

    repository: Path  # its top folder
    clone: Path
    start: str  # a folder of the repository, relative to its top, in which the case runs; see `outside`
    build: str = ""
    python: str = sys.executable
    outside: Path | None = None  # the folder in which the case runs, where that is not in the repository
    overlay: tuple[str, ...] = ()  # files of the user's tree that every step gets, relative to the top
    over: tuple[str, ...] = ()  # packages of the checkout that are laid over the installed ones

    @classmethod
    def identity(cls, request: BisectRequest, test: Path) -> dict[str, str]:
        """The repository, and how a commit is built and run; the test is part of the commit."""
        return {
            "axis": "git",
            "repository": str(request.repository.resolve()),
            "build": request.build,
            "python": request.python,
            "overlay": request.overlay_identity(),
            "over": " ".join(request.over),
        }

    @classmethod
    @contextmanager
    def opened(cls, request: BisectRequest, state: Path) -> Iterator[GitAxis]:
        """The commits of `--range`; without a build, the clone is removed at the end."""
        start, _, end = request.range.rpartition("..")
        work = state.with_suffix(".work")
        axis = git_axis(request, work, start=start or None, end=end or "HEAD", all_parents=request.all_parents)
        if is_dirty(axis.repository):
            say("the working tree has changes that are not committed: they are no part of any step")
        try:
            yield axis
        finally:
            # What was built took time, and is kept.
            if not request.build:
                shutil.rmtree(work, ignore_errors=True)

    def is_cheap(self, step: AxisStep) -> bool:
        """Never: only one commit is checked out at a time."""
        return False

    @contextmanager
    def prepare(self, step: AxisStep) -> Iterator[Workspace]:
        """Check the commit out, and build it.

        Raises:
            SkipStepError: the build fails, or a folder of the checkout that is needed is not there.
            BisectError: git fails, or a package to lay the checkout over is not installed.
        """
        if not self.clone.exists():
            # Under another name until it is whole: a run may be killed here.
            unfinished = self.clone.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            self.clone.parent.mkdir(parents=True, exist_ok=True)
            names = (str(self.repository), str(unfinished))
            git(self.clone.parent, "clone", "--quiet", "--shared", "--no-checkout", *names, ours=True)
            unfinished.rename(self.clone)
        # Left by a git that was killed; nobody else works here.
        (self.clone / ".git" / "index.lock").unlink(missing_ok=True)
        # Ignored files stay: a build may go on from the one before.
        git(self.clone, "checkout", "--quiet", "--force", "--detach", step.name, ours=True)
        git(self.clone, "clean", "--quiet", "--force", "-d")
        for name in self.overlay:
            target = self.clone / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.repository / name, target)
        if self.build:
            self._build()
        folder = self.clone / self.start if self.outside is None else self.outside
        if not folder.is_dir():
            raise SkipStepError(f"there is no folder {self.start}")
        # `python -m pytest` would import from the working directory before all others, which may be the checkout.
        variables = {"PYTHONSAFEPATH": "1"} if self.over and self.outside is None else {}
        # A build may change what is installed, and a process that has imported a package has it of one commit.
        anew = bool(self.build or self.over)
        yield Workspace(folder, self.python, tuple(self._import_path()), environment=variables, anew=anew)

    def _import_path(self) -> list[Path]:
        """The folders from which a step imports first."""
        if not self.over:
            # An editable install of the project would be imported from the user's tree, whatever is checked out.
            return [self.clone / name for name in ("src", "") if (self.clone / name).is_dir()]
        merged = self.clone.parent / "over"
        for package in self.over:
            installed = installed_folder(package, self.python, os.environ)
            lay_over(self.clone / package, installed, merged / package)
        return [merged]

    def _build(self) -> None:
        environment = dict(os.environ) | {"KERNELSNAP_CHECKOUT": str(self.clone)}
        status, output = run_command(["/bin/sh", "-c", self.build], self.clone, environment, None)
        if status:
            last = next((line for line in reversed(output.splitlines()) if line.strip()), NO_OUTPUT)
            raise SkipStepError(f"the build failed with exit status {status}: {last}")


def git_axis(request: Request, work: Path, *, start: str | None, end: str, all_parents: bool = False) -> GitAxis:
    """The commits from `start` (or the oldest) to `end`.

    Args:
        request: the repository, and how a commit is built and run.
        work: a folder for the clone.
        start, end: commits, in any form that git reads.
        all_parents: also the commits that a merge brought in; else those of the first parent.

    Raises:
        BisectError: there is no such repository, commit or file, or `start` is no ancestor of `end`.
    """
    here = Path.cwd()
    top = Path(git(request.repository, "rev-parse", "--show-toplevel").strip())
    last = _commit(top, end)
    first = _commit(top, start) if start is not None else None
    lines = ["--first-parent"] if not all_parents else []
    if first is not None and not _is_ancestor(top, first, last):
        raise BisectError(f"{start} is no ancestor of {end}: give a range of one line of development")
    limits = [last, f"^{first}"] if first else [last]
    log = git(top, "log", "--reverse", "--topo-order", "--format=%H%x1f%T%x1f%s%x1f%b%x1e", *lines, *limits)
    if first is not None:
        log = git(top, "log", "-1", "--format=%H%x1f%T%x1f%s%x1f%b%x1e", first) + log
    entries = [entry.strip("\n").split("\x1f") for entry in log.split("\x1e") if entry.strip()]
    inside = here.resolve().is_relative_to(top.resolve())
    count = int(git(top, "rev-list", "--count", *lines, last))
    return GitAxis(
        repository=top,
        clone=work / "clone",
        start=here.resolve().relative_to(top.resolve()).as_posix() if inside else "",
        steps=tuple(_steps(top, [(commit, tree, subject) for commit, tree, subject, _ in entries], request.over)),
        offset=max(count - len(entries), 0),
        start_known=first is not None,
        probes=_probes([(commit, body) for commit, _, _, body in entries]),
        build=request.build,
        python=request.python,
        outside=None if inside else here,
        overlay=tuple(_below(top, here / name) for name in request.overlay),
        over=request.over,
    )


def git_commits(axis: GitAxis, names: Sequence[str]) -> GitAxis:
    """The same with these commits for its steps, in this order, whatever lies between them.

    Raises:
        BisectError: there is no such commit.
    """
    found = []
    for name in names:
        commit = _commit(axis.repository, name)
        tree, _, subject = git(axis.repository, "log", "-1", "--format=%T%x1f%s", commit).strip().partition("\x1f")
        found.append((commit, tree, subject))
    return replace(axis, steps=tuple(_steps(axis.repository, found, axis.over)), offset=0, probes=())


def _steps(repository: Path, commits: Sequence[tuple[str, str, str]], over: Sequence[str]) -> Iterator[AxisStep]:
    """The steps of commits, each with its tree and subject; with `over`, only these packages of a tree count."""
    for (commit, tree, subject), parts in zip(commits, _trees_of(repository, commits, over), strict=True):
        yield AxisStep(commit[:12], parts or tree, subject)


def _trees_of(repository: Path, commits: Sequence[tuple[str, str, str]], packages: Sequence[str]) -> list[str]:
    """What git calls the content of these folders in each commit."""
    asked = [f"{commit}:{package}" for commit, *_ in commits for package in packages]
    if not asked:
        return [""] * len(commits)
    lines = git(repository, "cat-file", "--batch-check=%(objectname)", given="\n".join(asked)).splitlines()
    return [" ".join(lines[n : n + len(packages)]) for n in range(0, len(lines), len(packages))]


def _below(top: Path, path: Path) -> str:
    if not path.is_file() or not path.resolve().is_relative_to(top.resolve()):
        raise BisectError(f"--overlay {path}: there is no such file below {top}")
    return path.resolve().relative_to(top.resolve()).as_posix()


def is_dirty(repository: Path) -> bool:
    """Whether the user's tree has changes that are no part of any commit."""
    return bool(git(repository, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all").strip())


def _probes(commits: Sequence[tuple[str, str]]) -> tuple[int, ...]:
    """Reverts of a commit in the range, and that commit: the two steps at which something came and went."""
    numbers = {commit: number for number, (commit, _) in enumerate(commits)}
    found: list[int] = []
    for number, (_, body) in reversed(list(enumerate(commits))):
        for abbreviated in _REVERTS.findall(body):
            reverted = [numbers[commit] for commit in numbers if commit.startswith(abbreviated)]
            found += [*reverted, number] if reverted else []
    return tuple(dict.fromkeys(found))[:_MOST_PROBES]


def _commit(repository: Path, name: str) -> str:
    try:
        return git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    except BisectError:
        raise BisectError(f"{repository} has no commit {name!r}") from None


def _is_ancestor(repository: Path, first: str, last: str) -> bool:
    try:
        git(repository, "merge-base", "--is-ancestor", first, last)
    except BisectError:
        return False
    return True


def git(folder: Path, *arguments: str, given: str = "", ours: bool = False) -> str:
    """Run git in a folder, with an input, and nothing that the repository's configuration names; its output.

    `ours`: this is the clone that is built and tested, or makes it (see `run_git`).

    Raises:
        BisectError: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY}
    try:
        found = run_git(
            folder,
            *arguments,
            settings=("advice.detachedHead=false",),
            env=environment | {"GIT_OPTIONAL_LOCKS": "0"},
            given=given.encode(),
            ours=ours,
        )
    except (GitError, GitNotFoundError) as error:
        raise BisectError(f"git {arguments[0]} in {folder}: {str(error).splitlines()[-1]}") from None
    return found.decode(errors="replace")
