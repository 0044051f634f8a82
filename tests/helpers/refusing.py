"""Lowerings and a pass that reject what they are given. pytest rewrites the assertions of tests, but not these."""

from __future__ import annotations

from torch._inductor.custom_graph_pass import CustomGraphPass


def on_two_dimensions(x):
    """With a comment, which is not in the text of the assertion."""
    assert len(x.get_size()) == 2  # the others are wrong


def on_nothing(x):
    """On several lines."""
    assert (
        x
        is None
    )  # fmt: skip


def never(x):
    """An error that is no assertion, without a message."""
    raise NotImplementedError


def with_a_message(x):
    """A message with what differs between machines and runs."""
    raise ValueError(f"{x.get_size()} at 0x7f0012ab34cd in /usr/lib/x/y.py:12, line 7\nand more")


class Pass(CustomGraphPass):
    """A pass that asserts."""

    def __call__(self, graph):
        """Reject every graph."""
        assert graph is None

    def uuid(self):
        """Not to be cached."""
        return
