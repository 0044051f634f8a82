"""Gives readers of files texts that nobody wrote, to find one that is read wrongly or ends in an error of another kind.

    python tools/fuzz.py                                 every target in turn, ten minutes in all
    python tools/fuzz.py golden patch --seconds 3600     some of them, for longer

Each target is a reader of one kind of file, which comes from a repository or a pull request and is hostile input. A
text is made of the seeds: real files of this repository. The reader may return, or raise a `KernelsnapError`; anything
else, and a text for which it takes more than `SLOW` seconds of processor time, is written to build/fuzz and ends the
run with status 1. With atheris (`pip install atheris`) texts are made by libFuzzer, which keeps those that reach code
that no text has reached before; without it they are made by chance alone, as in `tests/unit/test_fuzz.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any


def _instrumented() -> AbstractContextManager[Any]:
    """Where atheris is installed, it is told by all code that is imported here which lines a text reaches."""
    if "--alone" not in sys.argv or not find_spec("atheris"):
        return nullcontext()
    import atheris  # type: ignore[import-not-found,unused-ignore]  # it is not in the lock

    return atheris.instrument_imports(include=["kernelsnap"])  # type: ignore[no-any-return,unused-ignore]


with _instrumented():
    from kernelsnap.cost.estimate import FAULT, estimate
    from kernelsnap.diff.compare import compare
    from kernelsnap.diff.sides.patches import patched
    from kernelsnap.errors import GoldenError, KernelsnapError
    from kernelsnap.golden import files, toolchain
    from kernelsnap.golden.format import parse, render
    from kernelsnap.golden.resources import parse_resources, render_resources
    from kernelsnap.golden.store import golden_text
    from kernelsnap.golden.templates.folding import unfolded
    from kernelsnap.golden.templates.template_store import lookup_near, parse_template
    from kernelsnap.pending.entry import Pending, check, from_json
    from kernelsnap.pending.ledger import Ledger, Line, parse_ledger, render_ledger
    from kernelsnap.pending.review.decisions import parse_decisions
    from kernelsnap.report.visible import visible
    from kernelsnap.targets.lookup import read_targets

ROOT = Path(__file__).parents[1]
GOLDENS = ROOT / "goldens"
CRASHES = ROOT / "build" / "fuzz"
#: Seconds of processor time that no text of at most `LONGEST` bytes may take.
SLOW = 10.0
LONGEST = 1 << 15
#: What lines and numbers of a hostile text are replaced with.
ODD = (
    "",
    "\0",
    "\x1b[2J",
    "\u202e",
    "-1",
    "9" * 400,
    "1e999",
    "nan",
    "[" * 2000,
    "{}",
    "../../x",
    "%s",
    "\ud7ff",
    "'",
    "#",
)


class WrongReadingError(Exception):
    """A text was read as something else than what it says."""


@dataclass(frozen=True)
class Target:
    """A reader of one kind of file, and real files of that kind."""

    read: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]


def golden(content: bytes) -> None:
    """A golden in format 1: what was read is what is read again when it is written."""
    found = parse(files.decoded(content, "fuzzed", ".ksnap"))
    if parse(render(found)) != found:
        raise WrongReadingError("a golden is another one after it was written and read")


def folded(content: bytes) -> None:
    """A golden in format 2, with the templates of this repository."""
    near = GOLDENS / "test_flex_attention" / "any.h100.ksnap"
    parse(unfolded(files.decoded(content, "fuzzed", ".ksnap"), lookup_near(near), "fuzzed"))


def difference(content: bytes) -> None:
    """Two goldens in one text are compared, with causes."""
    old, _, new = files.decoded(content, "fuzzed", ".ksnap").partition("\f")
    found = compare(parse(old), parse(new))
    for cause in found.causes:
        for finding in cause.findings:
            visible(finding.evidence)


def cost(content: bytes) -> None:
    """A golden's time is estimated: what cannot be told is not for a fault of the estimate."""
    found = estimate(parse(files.decoded(content, "fuzzed", ".ksnap")))
    if faults := [step.unknown for step in found.steps if step.unknown.startswith(FAULT)]:
        raise WrongReadingError(faults[0])


def template(content: bytes) -> None:
    """The text of a template."""
    parse_template.__wrapped__(files.decoded(content, "fuzzed", ".ktemplate"), "fuzzed")


def resources(content: bytes) -> None:
    """A file of registers and shared memory: what was read is written as it was."""
    text = files.decoded(content, "fuzzed", ".kres")
    if render_resources(parse_resources(text)) != text:
        raise WrongReadingError("resources are written in another way than they were read")


def patch(content: bytes) -> None:
    """A patch to this repository's goldens: as `kernelsnap diff PATCH` reads it."""
    patched(files.decoded(content, "fuzzed", ".patch"), ROOT)


def targets(content: bytes) -> None:
    """A file of GPUs that a project has."""
    with tempfile.NamedTemporaryFile(suffix=".toml", dir=_memory()) as file:
        file.write(content)
        file.flush()
        read_targets(Path(file.name))


def pending(content: bytes) -> None:
    """The head of a pending golden, and what a list of them shows of it."""
    found = from_json(content, "fuzzed")
    check(found, "fuzzed")
    shown = found.cost, found.digest, found.change, found.identity
    assert all(shown)


def by_text(read: Callable[[str, str], object], suffix: str, content: bytes) -> None:
    """Any reader of a text and its name."""
    read(files.decoded(content, "fuzzed", suffix), "fuzzed")


def _memory() -> str | None:
    """A folder in memory, where there is one: a file a text would take most of the time."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@cache
def _goldens() -> Sequence[bytes]:
    """Small goldens of all kinds, templates unfolded."""
    found = (golden_text(path).encode() for path in sorted(GOLDENS.rglob("*.h100.ksnap")))
    return [*islice((text for text in found if len(text) < LONGEST // 3), 60)]


def _files(pattern: str) -> Sequence[bytes]:
    found = (path.read_bytes() for path in sorted(GOLDENS.rglob(pattern)))
    return [*islice((content for content in found if len(content) < LONGEST), 60)]


def _pairs() -> Sequence[bytes]:
    return [old + b"\f" + new for old, new in zip(_goldens(), _goldens()[1:], strict=False)]


def _patches() -> Sequence[bytes]:
    """What git writes of goldens that changed, and what diff does."""
    header = "diff --git a/{0} b/{0}\nindex 1111111..2222222 100644\n--- a/{0}\n+++ b/{0}\n"
    found = []
    for path in sorted(GOLDENS.rglob("*.h100.ksnap"))[:30]:
        name, lines = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8").split("\n")
        at = len(lines) // 2
        hunk = f"@@ -{at},3 +{at},3 @@\n {lines[at - 1]}\n-{lines[at]}\n+{lines[at]}x\n {lines[at + 1]}\n"
        found.append((header.format(name) + hunk).encode())
    renamed = f"diff --git a/{name} b/{name}.new\nsimilarity index 100%\nrename from {name}\nrename to {name}.new\n"
    return [*found, renamed.encode(), b"--- a/goldens/x.ksnap\n+++ /dev/null\n@@ -1 +0,0 @@\n-kernelsnap 1\n"]


def _json(*contents: object) -> Sequence[bytes]:
    return [json.dumps(content, indent=1).encode() for content in contents]


_DECISION = {"golden": "a.h100.ksnap", "digest": "0" * 64, "decision": "accepted", "reason": "as meant"}
_ENTRY = Pending(
    module="test_a.py",
    test="test_b[x]",
    assertion="",
    target="h100",
    goldens="goldens",
    golden="test_a/test_b[x].h100.ksnap",
    text="0" * 64,
    versions={"torch": "2.13"},
    causes=("dtype",),
    metrics=(("kernels", 1, 2), ("bytes", None, 10)),
    line="7: assert capture(f, x) == golden",
)
_TARGET = b'[tool.kernelsnap.targets.mine]\nbase = "h100"\ndevice_name = "Mine"\nmulti_processor_count = 10\n'
_LEDGER = Ledger({("0123456789abcdef", "dtype"): Line("accepted", "as meant", False)})

TARGETS: dict[str, Target] = {
    "golden": Target(golden, _goldens),
    "folded": Target(folded, partial(_files, "*.ksnap")),
    "diff": Target(difference, _pairs),
    "cost": Target(cost, _goldens),
    "template": Target(template, partial(_files, "*.ktemplate")),
    "resources": Target(resources, partial(_files, "*.kres")),
    "patch": Target(patch, _patches),
    "toolchain": Target(partial(by_text, toolchain.parse, ".toml"), partial(_files, "toolchain.toml")),
    "targets": Target(targets, lambda: [_TARGET]),
    "ledger": Target(partial(by_text, parse_ledger, ".toml"), lambda: [render_ledger(_LEDGER).encode()]),
    "pending": Target(pending, lambda: [_ENTRY.to_json().encode()]),
    "decisions": Target(
        partial(by_text, parse_decisions, ".json"), partial(_json, {"decisions": [_DECISION]}, {"steps": [[_DECISION]]})
    ),
}


def run_one(target: Target, content: bytes) -> None:
    """Read one text.

    Raises:
        WrongReadingError: it is read wrongly, or too slowly. Whatever else is no `KernelsnapError` is raised, too.
    """
    start = time.process_time()
    try:
        target.read(content)
    except KernelsnapError as error:
        if isinstance(error, GoldenError) and "\n" in str(error).rstrip("\n"):
            raise WrongReadingError("an error has several lines") from error
    if (taken := time.process_time() - start) > SLOW:
        raise WrongReadingError(f"{len(content)} bytes took {taken:.0f} s")


def mutated(content: bytes, seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """A text with some lines lost, repeated, exchanged, taken from another seed, or changed in a word or byte."""
    lines = content.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(lines))
        match rng.randrange(8):
            case 0:
                del lines[at : at + rng.choice((1, 1, 5, 50))]
                lines = lines or [b""]
            case 1:
                lines[at:at] = lines[at : at + rng.choice((1, 3))] * rng.choice((1, 2, 20))
            case 2:
                lines[at] = rng.choice(rng.choice(seeds).split(b"\n"))
            case 3:
                lines.insert(at, rng.choice(rng.choice(seeds).split(b"\n")))
            case 4:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
            case 5:
                cut = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:cut] + rng.randbytes(1) + lines[at][cut + rng.randrange(2) :]
            case 6:
                lines[at] = rng.choice((b" " * rng.randrange(9) + lines[at].lstrip(), lines[at].swapcase()))
            case _:
                words = re.split(rb"(\W+)", lines[at])
                words[rng.randrange(len(words))] = rng.choice((*words, *(odd.encode() for odd in ODD)))
                lines[at] = b"".join(words)
    return b"\n".join(lines)[:LONGEST]


def by_chance(name: str, seed: int, runs: int, seconds: float = float("inf")) -> int:
    """Read texts that were made by chance, and return how many; the first one that is read wrongly is kept."""
    target, rng, end = TARGETS[name], random.Random(seed), time.monotonic() + seconds
    seeds = target.seeds()
    kept = [*seeds]
    for run in range(runs):
        if time.monotonic() > end:
            return run
        content = mutated(rng.choice(kept), seeds, rng)
        try:
            run_one(target, content)
        except BaseException:
            CRASHES.mkdir(parents=True, exist_ok=True)
            (CRASHES / f"{name}-{seed}-{run}").write_bytes(content)
            raise
        kept[rng.randrange(len(kept))] = content if rng.random() < 0.1 else rng.choice(seeds)
    return runs


def by_coverage(name: str, seed: int, seconds: int) -> None:
    """Read texts that libFuzzer makes, until it ends the process; the first one that is read wrongly is kept."""
    import atheris

    target = TARGETS[name]
    seeds = target.seeds()
    corpus = CRASHES / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(content)

    def mutate(content: bytes, largest: int, of: int) -> bytes:
        rng = random.Random(of)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(content, largest))
        return mutated(content, seeds, rng)[:largest]

    options = (f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST}", f"-timeout={int(SLOW) * 6}")
    words = [sys.argv[0], *options, f"-artifact_prefix={CRASHES}/{name}-", "-print_final_stats=1", str(corpus)]
    atheris.Setup(words, partial(run_one, target), custom_mutator=mutate)
    atheris.Fuzz()


def main() -> int:
    """Fuzz the targets that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together (600)")
    parser.add_argument(
        "--seed", type=int, default=None, help="of the texts; another one in each run unless it is given"
    )
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"there is no target {unknown[0]}")
    seed = random.randrange(1 << 30) if options.seed is None else options.seed
    names = options.targets or list(TARGETS)
    seconds = max(1, options.seconds // len(names))
    if options.alone and find_spec("atheris"):
        by_coverage(names[0], seed, seconds)
    elif options.alone:
        print("stat::number_of_executed_units:", by_chance(names[0], seed, sys.maxsize, seconds))
    else:
        found = [_fuzzed(name, seed, seconds) for name in names]
        print(f"{sum(number for number, _ in found):,} texts in all")
        return max(failed for _, failed in found)
    return 0


def _fuzzed(name: str, seed: int, seconds: int) -> tuple[int, int]:
    """Fuzz one target in a process of its own: how many texts it read, and 1 if one was read wrongly."""
    command = [sys.executable, __file__, "--alone", name, "--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    found = re.search(r"stat::number_of_executed_units:\s+(\d+)", done.stdout + done.stderr)
    print(
        f"{name}: {found.group(1) if found else 'no'} texts, seed {seed}, {'read' if not done.returncode else 'FAILED'}"
    )
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-4000:], f"the text is in {CRASHES}", sep="\n")
    return int(found.group(1)) if found else 0, int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
