"""Writes requirements.lock: the exact version of everything that `make` installs, so that a clone stays green.

`make lock` runs it where uv is installed. It locks what pyproject.toml asks for (dependencies, extras, build backend)
and pip. torch is named without hashes, because one version of it is served as several builds. The CUDA libraries that
some of those builds need are left to torch's own metadata, which names each of them exactly.

    python tools/lock.py            renew: the newest of everything that pyproject.toml admits
    python tools/lock.py --keep     change only what has to change: a dependency came or went
    python tools/lock.py --moved    print what is installed here in another version than the lock names
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
UNHASHED = "# without hashes: "
HEADER = """\
# What `make` installs, exactly; nothing else is installed. Written by `make lock`: do not edit.
# torch is served as several builds of one version, each with a hash of its own, so it is named without one.
"""
# Installed as they are, without what they depend on: only flash-attn's text is used, and never run.
WITHOUT_DEPENDENCIES = "flash"
# What uv writes behind each requirement, from [tool.uv] in pyproject.toml.
EVERYWHERE = " ; python_full_version < '3.14' and sys_platform == 'linux'"
# These libraries come with some builds of torch, which pins them.
OF_TORCH = re.compile(r"(nvidia|cuda)-")


def read_lock(text: str) -> dict[str, str]:
    """The version of each package that a lock names for this Python, by canonical name; torch among them."""
    lines = re.findall(rf"^(?:{UNHASHED})?([a-zA-Z0-9][^\n\\]*)", text, re.MULTILINE)
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def compile_lock(requirements: list[str], preferred: str, *options: str) -> list[str]:
    """What uv resolves requirements to, one block per package; versions of the lock `preferred` are kept."""
    with TemporaryDirectory() as folder:
        lock = Path(folder) / LOCK.name
        lock.write_text(preferred)
        command = (
            "uv pip compile - --universal --python-version 3.11 --generate-hashes --quiet --no-header --no-annotate"
        )
        command = [*command.split(), "--output-file", str(lock), *options]
        done = subprocess.run(
            command, input="\n".join(requirements), cwd=ROOT, stdout=subprocess.DEVNULL, text=True, check=False
        )
        if done.returncode:
            raise SystemExit("uv could not resolve it: see above")
        text = lock.read_text().replace(EVERYWHERE, "")
    return re.findall(r"^[a-zA-Z0-9].*\n(?:[ ].*\n)*", text, re.MULTILINE)


def write_lock(keep: bool) -> None:
    """Resolve pyproject.toml and write the lock; with `keep`, the versions of today's lock are preferred."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = dict(settings["project"]["optional-dependencies"])
    alone = extras.pop(WITHOUT_DEPENDENCIES)
    asked = [*settings["project"]["dependencies"], *settings["build-system"]["requires"], "pip"]
    asked += [requirement for extra in extras.values() for requirement in extra]
    torch = next(requirement for requirement in asked if requirement.startswith("torch=="))
    preferred = LOCK.read_text() if keep else ""
    found = compile_lock(asked, preferred, "--no-emit-package", "torch")
    found = [block for block in found if not OF_TORCH.match(block)]
    found += compile_lock(alone, preferred, "--no-deps")
    LOCK.write_text(f"{HEADER}{UNHASHED}{torch}\n{''.join(sorted(found))}")


def moved() -> list[str]:
    """One line for each package that is installed in another version than the lock names, or is not in it."""
    locked = read_lock(LOCK.read_text())
    lines = []
    for distribution in distributions():
        name, version = canonicalize_name(distribution.metadata["Name"]), distribution.version.partition("+")[0]
        if name != "kernelsnap" and locked.get(name) != version:
            lines.append(f"{name}: {locked.get(name, 'not in the lock')} -> {version}")
    return sorted(lines)


def main() -> None:
    """Write the lock, or compare it with what is installed."""
    parser = argparse.ArgumentParser(description="Write requirements.lock, or compare it with what is installed.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--keep", action="store_true", help="keep each version that pyproject.toml still admits")
    what.add_argument("--moved", action="store_true", help="print what is installed here in another version")
    options = parser.parse_args()
    if options.moved:
        sys.stdout.writelines(f"{line}\n" for line in moved() or ["Everything is as the lock names it."])
    else:
        write_lock(options.keep)


if __name__ == "__main__":
    main()
