"""`kernelsnap bisect` for many cases, and the merging of shards."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.many import Result, result_of
from kernelsnap.bisect.many_report import found, many_data, many_json, many_markdown, merge
from kernelsnap.bisect.observe.collect import check_words, collect_cases, shard_of
from kernelsnap.bisect.observe.observe import Case, Job, Place
from kernelsnap.bisect.observe.tool import make_tool_folder

_FOUND, _LEFT = 0, 1


@dataclass
class Cases:
    """The cases of a run, and what is known of each by now."""

    cases: tuple[Case, ...]
    selected: tuple[str, ...]  # those of all shards
    results: dict[str, Result] = field(default_factory=dict)

    def add(self, results: Sequence[Result]) -> None:
        """Take results."""
        self.results |= {result.case: result for result in results}


def merge_reports(options: argparse.Namespace) -> int:
    """Put the reports of shards together, and print the whole."""
    return _print(options, merge([Path(name) for name in options.case]))


def run_cases(options: argparse.Namespace, search: Callable[[argparse.Namespace], int], *, together: bool) -> int:
    """Search for what changed each of many cases.

    Args:
        options: the command line; `options.many` is set for `search`.
        search: a bisection along the axis.
        together: whether that takes all cases of `options.many` at once; else it is run once per case.

    Raises:
        BisectError: the words name no case, or the search of all of them cannot start.
    """
    if options.script:
        raise BisectError("--script answers for one case: name a single node id")
    words = options.case
    check_words(words)
    with TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
        job = Job("", make_tool_folder(Path(name, "tool")), (*_target(options), *options.pytest), "", options.timeout)
        everything = collect_cases(words, options.select, job, Place(Path.cwd(), options.python))
    chosen = shard_of(everything, options.shard) if options.shard else everything
    options.many = Cases(tuple(chosen), tuple(case.name for case in everything))
    if together and chosen:
        options.case = " ".join(words)
        search(options)
    elif not together:
        _one_by_one(options, search, chosen)
    data = many_data(
        [options.many.results[case.name] for case in chosen],
        axis=options.axis, question=options.predicate, selected=options.many.selected, shard=options.shard,
        command=shlex.join(["kernelsnap", *options.words]),
    )  # fmt: skip
    return _print(options, data)


def _one_by_one(
    options: argparse.Namespace, search: Callable[[argparse.Namespace], int], cases: Sequence[Case]
) -> None:
    for case in cases:
        # A node id for pytest, which the case's name is not from another folder than rootdir.
        options.case = f"{case.file}::{case.name.partition('::')[2]}"
        try:
            search(options)
        except BisectError as error:
            options.many.add([result_of(options.case, error)])
        options.many.add([replace(options.many.results.pop(options.case), case=case.name)])


def _target(options: argparse.Namespace) -> list[str]:
    return ["--kernelsnap-target", options.target] if options.target else []


def _print(options: argparse.Namespace, data: dict[str, object]) -> int:
    sys.stdout.write(many_json(data) if options.json else many_markdown(data))
    return _FOUND if found(data) else _LEFT
