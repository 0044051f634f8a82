"""The axis "config": which of the differences between two settings of torch change the answer, alone or together."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from kernelsnap.bisect.axes.ddmin import minimize
from kernelsnap.bisect.axis import Axis
from kernelsnap.bisect.errors import BisectError, NoChangeError
from kernelsnap.bisect.observe.observe import Workspace
from kernelsnap.bisect.observe.process import ask_python
from kernelsnap.bisect.observe.recorder import CONFIG_MODULES, INDUCTOR
from kernelsnap.bisect.observe.state import digest
from kernelsnap.bisect.outcome import AxisStep, Findings
from kernelsnap.bisect.request import BisectRequest
from kernelsnap.bisect.search import Answer
from kernelsnap.bisect.session import CaseSession
from kernelsnap.shared.data_files import parsed_toml

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
class SettingDifference:
    """A setting that has different values on two sides; empty where a side leaves torch's default."""

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
    """The default of every setting of an interpreter's torch; only values that can be written as a literal.

    Raises:
        BisectError: it does not start, or has no torch.
    """
    code = _DUMP.format(modules=[("", INDUCTOR), *CONFIG_MODULES.items()])
    # Variables that set a default would make both sides the same.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCH")}
    line = ask_python(python, code, environment, BisectError, f"{python} does not tell torch's settings")
    found: dict[str, Any] = ast.literal_eval(line)
    return found


def both_known(
    old: Mapping[str, Any], new: Mapping[str, Any], given: Sequence[str], python: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides; where one is the defaults of another torch, only with settings that the interpreter's torch knows.

    Then also without what only one side sets: a setting that came or went with a release is no difference to apply.

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
        return parsed_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BisectError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise BisectError(f"{path}: not TOML ({error})") from None


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`[triton] cudagraphs = true` as `triton.cudagraphs`."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[SettingDifference, ...]:
    """The settings that differ, in the order in which they were given."""
    sides = {name: tuple((side[name],) if name in side else () for side in (old, new)) for name in {**new, **old}}
    return tuple(SettingDifference(name, a, b) for name, (a, b) in sides.items() if a != b or _types(a) != _types(b))


def _types(values: tuple[Any, ...]) -> list[type]:
    # 1 and True are equal, and not the same setting.
    return [type(value) for value in values]


@dataclass(frozen=True, kw_only=True)
class ConfigAxis(Axis):
    """Combinations of the differences between two settings: the old settings with some of the new ones."""

    kind: ClassVar[str] = "config"

    old: Mapping[str, Any]
    differences: tuple[SettingDifference, ...]
    folder: Path
    python: str

    @classmethod
    def identity(cls, request: BisectRequest, test: Path) -> dict[str, str]:
        """The interpreter and the test."""
        return {"axis": "config", "python": request.python, "test": digest(test)}

    @classmethod
    @contextmanager
    def opened(cls, request: BisectRequest, state: Path) -> Iterator[Self]:
        """The differences between `--from` and `--to`."""
        old, new = read_settings(request.old), read_settings(request.new)
        old, new = both_known(old, new, [*request.old, *request.new], request.python)
        found = differences(old, new)
        yield cls(start_known=True, old=old, differences=found, folder=Path.cwd(), python=request.python)

    def step(self, members: Collection[int]) -> AxisStep:
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
        return AxisStep(name, repr(sorted(settings.items())))

    @contextmanager
    def prepare(self, step: AxisStep) -> Iterator[Workspace]:
        """The user's own tree, with the step's settings."""
        yield Workspace(self.folder, self.python, settings=dict(ast.literal_eval(step.key)))

    def search(self, session: CaseSession) -> Findings:
        """Find a minimal set of differences that changes the answer when applied to the old settings (`minimize`)."""
        count = len(self.differences)
        if not count:
            raise BisectError("--from and --to are the same settings: there is nothing to search")
        first, last = self.step(()), self.step(range(count))
        old, new = self._ends(session, first, last)

        options = session.settings.options
        minimal = minimize(count, lambda members: session.ask(self.step(members)), options.limit, new=new)
        culprit = self.step(minimal.members)
        agreed = all(
            session.ask(step) is answer
            for _ in range(options.repeats)
            for step, answer in ((first, old), (culprit, new))
        )
        members = [str(self.differences[number]) for number in minimal.members]
        named = AxisStep(" with ".join(members), culprit.key)
        sure = minimal.complete and not minimal.unsure
        candidates = (named,) if sure else tuple(AxisStep(member, "") for member in members)
        return Findings(
            first=first,
            last=last,
            steps=count,
            nodes=count,
            changes=(session.change(first, named, candidates, new, options.repeats),),
            flaky=() if agreed else (named,),
            complete=minimal.complete,
        )

    def _ends(self, session: CaseSession, first: AxisStep, last: AxisStep) -> tuple[Answer, Answer]:
        """The answers without any difference, and with all of them.

        Raises:
            BisectError: one is unknown, or both are the same.
        """
        session.compare_with(first, last)
        new, old = session.ask(last), session.ask(first)
        for step, answer in ((last, new), (first, old)):
            if answer is Answer.UNKNOWN:
                raise session.no_answer(step)
        if old is new:
            raise NoChangeError(
                f"`{session.predicate.text}`: the answer is {old} with all {len(self.differences)} differences applied "
                f"and with none, so that there is no change to find"
            )
        return old, new
