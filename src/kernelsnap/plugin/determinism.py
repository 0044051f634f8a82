"""`--kernelsnap-check-determinism`: whether two processes with other hash seeds generate the same code.

A golden that depends on the order of a set, or on an id, fails now and then, on somebody else's machine. This runs the
same tests twice, in fresh processes, records what each generates in a folder of its own, and compares the two.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

import pytest

from kernelsnap.golden import store
from kernelsnap.golden.allowed import others
from kernelsnap.golden.variants import split_name
from kernelsnap.golden.why_section import without_why
from kernelsnap.plugin.allowed import MOST
from kernelsnap.plugin.run import GOLDENS_INI
from kernelsnap.shared.wording import counted

OPTION = "--kernelsnap-check-determinism"
#: Of PYTHONHASHSEED: the order of sets of strings differs between them.
_SEEDS = ("1", "2")


def add_option(group: pytest.OptionGroup) -> None:
    """Add the option."""
    group.addoption(
        OPTION,
        action="store_true",
        help="run the tests twice, with other hash seeds, and compare what is generated; no golden is touched",
    )


def check(config: pytest.Config) -> int:
    """Run pytest twice as it was asked for, and print which goldens differ; the exit status.

    0: none differs. 1: some do. 2: a run failed, so there is nothing to compare.
    """
    arguments = [str(argument) for argument in config.invocation_params.args if argument != OPTION]
    with tempfile.TemporaryDirectory(prefix="kernelsnap-") as folder:
        trees = [Path(folder) / seed for seed in _SEEDS]
        for seed, tree in zip(_SEEDS, trees, strict=True):
            sys.stdout.write(f"with PYTHONHASHSEED={seed}, recorded in a folder of its own:\n")
            sys.stdout.flush()
            asked = ["--snapshot-update", "-p", "no:cacheprovider", "-o", f"{GOLDENS_INI}={tree}"]
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *arguments, *asked],
                cwd=config.invocation_params.dir,
                env={**os.environ, "PYTHONHASHSEED": seed},
                check=False,
            )
            if done.returncode:
                sys.stdout.write(f"the run with PYTHONHASHSEED={seed} failed: nothing was compared\n")
                return 2
        first, second = (_files(tree) for tree in trees)
    differing = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    goldens = config.rootpath / str(config.getini(GOLDENS_INI))
    allowed = [name for name in differing if _is_allowed(goldens, name, (first.get(name), second.get(name)))]
    for name in differing:
        how = "two of its allowed goldens" if name in allowed else _first_difference(first.get(name), second.get(name))
        sys.stdout.write(f"{name}: {how}\n")
    differing = [name for name in differing if name not in allowed]
    what = f"{len(differing)} of them are not the same twice" if differing else "the same twice"
    sys.stdout.write(f"{counted(len(first), 'golden')} generated with the hash seeds {', '.join(_SEEDS)}: {what}\n")
    return 1 if differing else 0


def _files(tree: Path) -> dict[str, str]:
    """What is compared of each file: a golden without the compiler's reasons."""
    return {
        path.relative_to(tree).as_posix(): without_why(path.read_text(encoding="utf-8"))
        for path in tree.rglob("*.k*")
        if path.is_file()
    }


def _is_allowed(goldens: Path, name: str, texts: Collection[str | None]) -> bool:
    """Whether each of these texts is that of one of the goldens that a case may have, of which there are several."""
    from kernelsnap.diff.sides.trees import digest_without_case

    path = goldens / name
    stem, label = split_name(path.name.removesuffix(store.SUFFIX))
    files = [path.with_name(f"{other}.{label}{store.SUFFIX}") for other in (stem, *others(stem, MOST))]
    there = {digest_without_case(store.golden_text(file).encode()) for file in files if file.is_file()}
    return len(there) > 1 and all(text is not None and digest_without_case(text.encode()) in there for text in texts)


def _first_difference(first: str | None, second: str | None) -> str:
    if first is None or second is None:
        return "generated only once"
    pairs = zip(first.splitlines(), second.splitlines(), strict=False)
    number, (one, other) = next(
        ((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]), (0, ("", ""))
    )
    return f"line {number}: {one.strip()!r} and {other.strip()!r}" if number else "one is longer"
