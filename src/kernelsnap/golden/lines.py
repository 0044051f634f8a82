"""What the formats of golden, resources and template files share: a cursor over lines, and the line of a launch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from kernelsnap.errors import GoldenConflictError, GoldenFormatError
from kernelsnap.model.capture import LaunchConfig

#: What an error shows of a line.
_LONGEST = 1000
_DIGITS = 18
_NUMBER = re.compile(rf"-?[0-9]{{1,{_DIGITS}}}")
_CONFLICT = ("<<<<<<< ", "||||||| ", "=======", ">>>>>>> ")


class Lines:
    """The lines of one file, read from top to bottom."""

    def __init__(self, text: str, where: str, format_: int, kind: str = "golden") -> None:
        """Check the file as a whole: its format, its end, conflict markers."""
        self._where = where
        self._lines = text.split("\n")
        self._position = 0
        for number, line in enumerate(self._lines):
            if line.startswith(_CONFLICT):
                first = "" if kind == "golden" else "take either side, then "
                raise GoldenConflictError(
                    f"{where}:{number + 1}: the file is in a merge conflict; {first}run pytest --snapshot-update"
                )
        name, _, version = self._lines[0].rpartition(" ")
        expected = "kernelsnap" if kind == "golden" else f"kernelsnap {kind.partition(' ')[0]}"
        if name != expected or not _NUMBER.fullmatch(version) or self.number(version) < 1:
            self.fail(f"not a {kind}: the first line must be `{expected} 1`")
        if int(version) > format_:
            self.fail(f"written in format {version} by a newer kernelsnap; this one reads up to format {format_}")
        if self._lines[-2:] != ["end", ""]:
            self._position = len(self._lines)
            self.fail("the file is cut off: its last line must be `end`; restore it from version control")
        self._position = 1

    def fail(self, why: str) -> NoReturn:
        """Raise `GoldenFormatError` for the line that was read last."""
        why = why if len(why) <= _LONGEST else f"{why[:_LONGEST]} ..."
        raise GoldenFormatError(f"{self._where}:{max(self._position, 1)}: {why}")

    def take(self, prefix: str) -> str:
        """The rest of a line that must start with `prefix`."""
        line = self._lines[self._position]
        self._position += 1
        if not line.startswith(prefix):
            self.fail(f"expected a line starting with `{prefix.strip()}`, found {line!r}")
        return line.removeprefix(prefix)

    def heading(self, name: str) -> None:
        """An empty line and the heading of a layer."""
        for expected in ("", name):
            line = self._lines[self._position]
            self._position += 1
            if line != expected:
                self.fail(f"expected {f'the layer `{name}`' if expected else 'an empty line'}, found {line!r}")

    def at_heading(self, name: str) -> bool:
        """Whether an empty line and this heading come next; nothing is read."""
        return self._lines[self._position : self._position + 2] == ["", name]

    def end(self) -> None:
        """The last line of the file."""
        self.heading("end")
        if self._position != len(self._lines) - 1:
            self.fail("nothing may follow the line `end`")

    def check(self, expected: str) -> None:
        """Fail at the first line that is not as it would be rendered."""
        for number, (line, right) in enumerate(zip(self._lines, expected.split("\n"), strict=False), 1):
            if line != right:
                self._position = number
                self.fail(f"expected {right!r}, found {line!r}")

    def at(self, indent: int, unless: str | tuple[str, ...] = ()) -> str | None:
        """The next line without its indentation, if it is at this level and does not start with `unless`."""
        line = self._lines[self._position]
        space = "  " * indent
        text = line[len(space) :]
        # A row of many tensors has its key alone in a line, without the blanks that would follow it.
        if not line.startswith(space) or not text or text[0] == " " or (unless and f"{text}  ".startswith(unless)):
            return None
        self._position += 1
        return text

    def at_line(self, text: str, indent: int) -> bool:
        """Whether the next line is this one, which is then read."""
        found = self._lines[self._position] == "  " * indent + text
        self._position += found
        return found

    def while_starting(self, prefix: str, indent: int) -> Iterator[str]:
        """The lines at this level for as long as they start with `prefix`."""
        start = "  " * indent + prefix
        while self._lines[self._position].startswith(start):
            self._position += 1
            yield self._lines[self._position - 1][2 * indent :]

    def fields(self, key: str, indent: int) -> Iterator[str]:
        """What follows `key` and two spaces, for as long as lines at this level start so."""
        for line in self.while_starting(f"{key}  ", indent):
            yield line[len(key) + 2 :]

    def block(self, indent: int) -> str:
        """Text indented by at least this level; empty lines inside it belong to it, the one after it does not."""
        space = "  " * indent
        start = end = self._position
        # The last line of a file is empty, and the one before it is `end`.
        while end < len(self._lines) and (not self._lines[end] or self._lines[end].startswith(space)):
            end += 1
        while end > start and not self._lines[end - 1]:
            end -= 1
        self._position = end
        return "".join(f"{line[len(space) :]}\n" for line in self._lines[start:end])

    def number(self, text: str, line: str = "", unit: str = "") -> int:
        """A whole number; `line` is the text that it is from. Raises `GoldenFormatError` for the line read last."""
        if not _NUMBER.fullmatch(text):
            many = f" of at most {_DIGITS} digits" if text.isdecimal() and text.isascii() else ""
            self.fail(f"not a number{f' of {unit}' if unit else many}: {(line or text)!r}")
        return int(text)


def render_launch(launch: LaunchConfig) -> str:
    """A launch, `XBLOCK 128  warps 4  stages 1  maxnreg=64`, without options that are Triton's defaults."""
    fields = [f"{name} {value}" for name, value in launch.blocks]
    fields += [f"warps {launch.num_warps}", f"stages {launch.num_stages}"]
    fields += [f"{name}={value}" for name, value in launch.options]
    return "  ".join(fields)


def parse_launch(lines: Lines, line: str) -> LaunchConfig:
    """The launch in these fields. Raises `GoldenFormatError` for the line that was read last."""
    blocks: list[tuple[str, int]] = []
    options: list[tuple[str, str]] = []
    for text in line.split("  "):
        name, separator, value = text.partition("=")
        if separator:
            options.append((name, value))
        else:
            name, found, number = text.partition(" ")
            if not found:
                lines.fail(f"expected two fields: {text!r}")
            blocks.append((name, lines.number(number, text)))
    if [name for name, _ in blocks[-2:]] != ["warps", "stages"]:
        lines.fail("a launch names its blocks, then warps and stages")
    return LaunchConfig(tuple(blocks[:-2]), blocks[-2][1], blocks[-1][1], tuple(options))
