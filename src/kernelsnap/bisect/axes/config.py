"""The config axis: which of the differences between two settings of torch matter, alone or together."""

from __future__ import annotations

import ast
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsnap.bisect.axis import Step
from kernelsnap.bisect.ddmin import minimize
from kernelsnap.bisect.errors import BisectError, NoChangeError
from kernelsnap.bisect.observe.observe import Job, Place
from kernelsnap.bisect.observe.process import error_line, run_command
from kernelsnap.bisect.observe.recorder import CONFIG_MODULES, INDUCTOR
from kernelsnap.bisect.observe.state import State
from kernelsnap.bisect.outcome import Change, Outcome, diffs
from kernelsnap.bisect.question import Question
from kernelsnap.bisect.search import Answer
from kernelsnap.bisect.session import Settings
from kernelsnap.bisect.witness import Witness, no_answer

#: What `--from` and `--to` are called where nothing is set.
DEFAULTS = "defaults"
# What another interpreter's torch has where nothing is set: `defaults@/path/to/python`.
_DEFAULTS_OF = "defaults@"
_DUMP = """
import ast, importlib
found = {{}}
for prefix, module in {modules!r}:
    for name, value in importlib.import_module(module).get_config_copy().items():
        try:
            # Paths belong to the machine; what starts with an underscore belongs to torch itself.
            machine = isinstance(value, str) and value.startswith("/") or name.startswith("_")
            if not machine and ast.literal_eval(repr(value)) == value:
                found[prefix + name] = value
        except (ValueError, SyntaxError):
            pass
print("kernelsnap", repr(found))
"""


@dataclass(frozen=True)
class Difference:
    """A setting that two sides give another value; a side that leaves it at torch's default has an empty one."""

    name: str
    old: tuple[Any, ...]
    new: tuple[Any, ...]

    def __str__(self) -> str:
        """The form that reports show: `max_fusion_size=1`."""
        return f"{self.name}={self.new[0]!r}" if self.new else f"{self.name} at its default"


def read_settings(given: Sequence[str]) -> dict[str, Any]:
    """The settings that `--from` or `--to` asks for, by name.

    Each is `defaults`, `defaults@PYTHON` (those of that interpreter's torch), a TOML file, or NAME=VALUE, where a value
    is a Python literal or else a string. Later ones win.

    Raises:
        BisectError: one is none of these.
    """
    settings: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if text == DEFAULTS:
            continue
        if text.startswith(_DEFAULTS_OF):
            settings |= defaults_of(text.removeprefix(_DEFAULTS_OF))
            continue
        if separator and name:
            settings[name] = literal(value)
        elif text.endswith(".toml"):
            settings |= _flat(_toml(Path(text)))
        else:
            raise BisectError(f"{text}: expected `{DEFAULTS}`, a TOML file, or NAME=VALUE, such as max_fusion_size=1")
    return settings


def defaults_of(python: str) -> dict[str, Any]:
    """What every setting of an interpreter's torch is where nothing is set; only values that can be written down.

    Raises:
        BisectError: it does not start, or has no torch.
    """
    code = _DUMP.format(modules=[("", INDUCTOR), *CONFIG_MODULES.items()])
    # Variables that set a default would make both sides the same.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCH")}
    try:
        status, output = run_command([python, "-c", code], Path.cwd(), environment, 300)
    except OSError as error:
        raise BisectError(f"{python} does not start: {error.strerror or error}") from None
    line = next((line for line in output.splitlines() if line.startswith("kernelsnap ")), None)
    if status or line is None:
        raise BisectError(f"{python} does not tell torch's settings: {error_line(output)}")
    found: dict[str, Any] = ast.literal_eval(line.removeprefix("kernelsnap "))
    return found


def both_known(
    old: Mapping[str, Any], new: Mapping[str, Any], given: Sequence[str], python: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides; where another torch's defaults are asked for, without what this interpreter's torch does not know.

    Also without what only one side sets: a setting that came or went with a release is no difference to apply.

    Raises:
        BisectError: the interpreter does not start, or has no torch.
    """
    if not any(text.startswith(_DEFAULTS_OF) for text in given):
        return dict(old), dict(new)
    known = defaults_of(python)
    kept = [found.name for found in differences(old, new) if found.old and found.new and found.name in known]
    return {name: old[name] for name in kept}, {name: new[name] for name in kept}


def literal(text: str) -> Any:
    """The value of a setting as it is written on the command line: a Python literal, or else a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BisectError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BisectError(f"{path}: not TOML ({error})") from None


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`[triton] cudagraphs = true` as `triton.cudagraphs`."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The settings that differ, in the order in which they were given."""
    sides = {name: tuple((side[name],) if name in side else () for side in (old, new)) for name in {**new, **old}}
    return tuple(Difference(name, a, b) for name, (a, b) in sides.items() if a != b or _types(a) != _types(b))


def _types(values: tuple[Any, ...]) -> list[type]:
    # 1 and True are equal, and not the same setting.
    return [type(value) for value in values]


@dataclass(frozen=True)
class _Combinations:
    """The steps of a search among differences: the old settings with some of the new ones."""

    old: Mapping[str, Any]
    differences: tuple[Difference, ...]
    folder: Path
    python: str

    def step(self, members: frozenset[int]) -> Step:
        """The step with these differences applied."""
        settings = dict(self.old)
        for number in members:
            difference = self.differences[number]
            settings.pop(difference.name, None)
            if difference.new:
                settings[difference.name] = difference.new[0]
        names = [str(self.differences[number]) for number in sorted(members)]
        if not names:
            name = "none of the differences"
        elif len(names) == len(self.differences):
            name = f"all {len(names)} differences"
        else:
            name = ", ".join(names)
        return Step(name, repr(sorted(settings.items())))

    @contextmanager
    def place(self, step: Step) -> Iterator[Place]:
        """The user's own tree, with the step's settings."""
        yield Place(self.folder, self.python, (), dict(ast.literal_eval(step.key)))


def bisect_config(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    folder: Path,
    python: str,
    job: Job,
    question: Question,
    state: State,
    settings: Settings,
) -> Outcome:
    """Find a minimal set of differences that changes the answer when applied to the old settings (see `minimize`).

    Raises:
        BisectError: the settings are equal, an end says nothing, or the answer is the same at both.
    """
    found = differences(old, new)
    if not found:
        raise BisectError("--from and --to are the same settings: there is nothing to search")
    combinations = _Combinations(old, found, folder, python)
    witness = Witness(combinations.place, job, question, state, settings.say)
    first, last = combinations.step(frozenset()), combinations.step(frozenset(range(len(found))))
    reference = witness.compare_with(settings.reference, first, last, settings.stored)
    ends = {step.key: witness.ask(step) for step in (last, first)}
    for step in (last, first):
        if ends[step.key] is Answer.UNKNOWN:
            raise BisectError(no_answer(step, witness.reason(step)))
    if ends[first.key] is ends[last.key]:
        raise NoChangeError(
            f"`{question.text}`: the answer is {ends[first.key]} with all {len(found)} differences applied and with "
            f"none, so that there is no change to find"
        )

    def changed(members: frozenset[int]) -> Answer:
        answer = witness.ask(combinations.step(members))
        if answer is Answer.UNKNOWN:
            return answer
        return Answer.YES if answer is ends[last.key] else Answer.NO

    minimal = minimize(len(found), changed, settings.options.limit)
    culprit = combinations.step(frozenset(minimal.members))
    agreed = all(
        witness.ask(step) is ends[end.key]
        for _ in range(settings.options.repeats)
        for step, end in ((first, first), (culprit, last))
    )
    named = Step(" with ".join(str(found[number]) for number in minimal.members), culprit.key)
    alone = tuple(Step(str(found[number]), "") for number in minimal.members)
    change = Change(
        before=first,
        after=named,
        candidates=(named,) if minimal.complete and not minimal.unsure else alone,
        answer=ends[last.key],
        repeats=settings.options.repeats,
        diffs=tuple(diffs(witness.see(first), witness.see(culprit))),
    )
    return Outcome(
        axis="config",
        case=job.case,
        question=question.text,
        reference=reference,
        first=first,
        last=last,
        steps=len(found),
        nodes=len(found),
        changes=(change,),
        asked=tuple(witness.asked),
        others=(),
        untested=0,
        flaky=() if agreed else (named,),
        complete=minimal.complete,
        toolchain=dict(witness.see(first).toolchain),
    )
