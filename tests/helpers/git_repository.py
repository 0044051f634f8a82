"""A git repository for tests of what reads history."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Repository:
    """A repository whose commits are written in one go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")
        self.commits: list[str] = []

    def git(self, *arguments: str, **options: str) -> str:
        """Run git there; its output."""
        environment = {"GIT_CONFIG_GLOBAL": "/dev/null", "PATH": "/usr/bin:/bin"}
        command = ["git", *arguments]
        done = subprocess.run(
            command, cwd=self.root, env=environment, check=True, capture_output=True, text=True, **options
        )
        return done.stdout

    def commit_all(self, commits: list[tuple[str, dict[str, str | None]]]) -> None:
        """Commit a list of (message, files); a file of None is deleted, and what is not named stays."""
        stream = []
        for number, (message, files) in enumerate(commits):
            stream.append(
                f"commit refs/heads/main\nmark :{number + 1}\ncommitter T <t@t> {1_700_000_000 + number} +0000"
            )
            stream.append(f"data {len(message.encode())}\n{message}")
            for name, text in files.items():
                if text is None:
                    stream.append(f"D {name}")
                else:
                    stream.append(f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}")
        self.git("fast-import", "--quiet", "--force", input="\n".join(stream) + "\n")
        self.git("reset", "--quiet", "--hard", "main")
        self.commits = self.git("rev-list", "--reverse", "main").split()

    def name(self, index: int) -> str:
        """The abbreviated hash of a commit, by its number."""
        return self.commits[index][:12]

    def everything(self) -> tuple[object, ...]:
        """All that belongs to the user: the tree, what git says of it, and git's own files."""
        tree = {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".git" not in path.parts
        }
        state = [self.git("status", "--porcelain"), self.git("for-each-ref"), self.git("worktree", "list")]
        return tree, state, sorted(path.name for path in (self.root / ".git").iterdir())
