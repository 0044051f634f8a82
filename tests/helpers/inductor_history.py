"""A repository like PyTorch's, whose commits edit a real TorchInductor: the installed one, without what is compiled.

    python tests/helpers/inductor_history.py FOLDER

makes one with 30 commits after the first, each of which touches `torch/_inductor`. Two of them matter: one adds a key
to `inductor_meta`, which changes no kernel, and one changes when Inductor fuses.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from git_repository import Repository

Commit = tuple[str, dict[str, str | None]]

#: One line of Inductor each: the file, what stands there, and what takes its place.
EDITS = {
    "a key of inductor_meta": (
        "codegen/triton.py",
        '            "mutated_arg_names": mutated_args,\n',
        '            "mutated_arg_names": mutated_args,\n            "written_args": len(mutated_args),\n',
    ),
    "a heuristic": (
        "runtime/triton_heuristics.py",
        "x_block = min(1024 // rnumel, 8)\n",
        "x_block = min(2048 // rnumel, 8)\n",
    ),
    "a fusion rule": ("choices.py", "> config.max_fusion_size\n", ">= min(config.max_fusion_size, 3)\n"),
}


def installed_inductor() -> Path:
    """The folder of the installed TorchInductor; torch is not imported."""
    spec = importlib.util.find_spec("torch")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / "_inductor"


def sources() -> dict[str, str | None]:
    """The text of every file of it that git would have, by its path in the repository."""
    folder = installed_inductor()
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".jinja"))
    return {f"torch/_inductor/{path.relative_to(folder).as_posix()}": path.read_text() for path in files}


def edited(files: dict[str, str | None], edit: str) -> dict[str, str | None]:
    """The file that an edit changes, with the edit made."""
    name, old, new = EDITS[edit]
    text = files[f"torch/_inductor/{name}"]
    assert text is not None
    assert old in text, f"this torch has no line {old.strip()!r} in {name}"
    return {f"torch/_inductor/{name}": text.replace(old, new, 1)}


def history(count: int = 30, key_at: int = 11, rule_at: int = 23) -> list[Commit]:
    """The first commit, and so many more that edit Inductor."""
    files = sources()
    commits: list[Commit] = [("TorchInductor of the installed torch", dict(files))]
    quiet = [name for name in files if name.endswith(".py") and not name.endswith("__init__.py")]
    for number in range(1, count + 1):
        name = quiet[number * 7 % len(quiet)]
        message, change = f"Clean up {Path(name).stem}", {name: f"{files[name]}\n# Cleaned up in change {number}.\n"}
        if number == key_at:
            message, change = "Note how many arguments a kernel writes", edited(files, "a key of inductor_meta")
        elif number == rule_at:
            message, change = "Fuse fewer nodes into one kernel", edited(files, "a fusion rule")
        files |= change
        commits.append((message, change))
    return commits


if __name__ == "__main__":
    root = Path(sys.argv[1])
    root.mkdir(parents=True)
    Repository(root).commit_all(history())
