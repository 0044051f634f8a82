"""Reads keys: one at a time from a terminal, or letters line by line where there is none."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

#: What is read at the end of the input, and for Ctrl-C and Ctrl-D: a review can be resumed.
END = "q"
_ENDS = ("", "\x03", "\x04")


class Keys(ABC):
    """Where keys come from."""

    is_terminal = False

    @abstractmethod
    def key(self) -> str:
        """The next key."""

    @abstractmethod
    def line(self) -> str:
        """A line of text, which is seen while it is typed."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to another program in the block."""
        yield


class Lines(Keys):
    """Letters of lines: a line may have several, such as `AAw`."""

    def __init__(self, stream: TextIO) -> None:
        """Read them from a stream."""
        self._stream = stream
        self._waiting: list[str] = []

    def key(self) -> str:
        """The next letter; at the end of the input, the key that ends a review."""
        while not self._waiting:
            line = self._stream.readline()
            if not line:
                return END
            self._waiting = list(line.strip())
        return self._waiting.pop(0)

    def line(self) -> str:
        """The rest of this line if there is one, or the next line."""
        rest, self._waiting = "".join(self._waiting).strip(), []
        return rest or self._stream.readline().strip()


class Terminal(Keys):
    """The keys of a terminal, each as soon as it is pressed."""

    is_terminal = True

    def __init__(self, descriptor: int) -> None:
        """Read them from an open terminal. Raises `OSError` if it is none, `ImportError` on a system without them."""
        import termios

        self._descriptor = descriptor
        self._before = termios.tcgetattr(descriptor)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Have keys as soon as they are pressed; the terminal is as before after the block."""
        import termios
        import tty

        tty.setcbreak(self._descriptor)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def key(self) -> str:
        """The next key; those that move the cursor are none."""
        found = os.read(self._descriptor, 16).decode("utf-8", "replace")
        return END if found in _ENDS else found[0] if found[0].isprintable() or found == "\n" else " "

    def line(self) -> str:
        """A line of text."""
        with self.paused():
            found = b""
            while not found.endswith(b"\n") and (part := os.read(self._descriptor, 1)):
                found += part
            return found.decode("utf-8", "replace").strip()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal as it was in the block."""
        import termios
        import tty

        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
        try:
            yield
        finally:
            tty.setcbreak(self._descriptor)


@contextmanager
def keys_of(stream: TextIO) -> Iterator[Keys]:
    """The keys of a terminal; letters line by line where it is none, or cannot give single keys."""
    terminal = None
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        try:
            terminal = Terminal(stream.fileno())
        except (ImportError, OSError):
            terminal = None
    if terminal is None:
        yield Lines(stream)
        return
    with terminal.reading():
        yield terminal
