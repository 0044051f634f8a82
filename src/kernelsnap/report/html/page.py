"""The page: overview, filters, groups and the goldens in them, in one file.

Every text is escaped by the templates; what they do not escape is the page's own style and script, and lines of code
and drawings built from escaped parts. Should a text get through all the same, the page's content security policy lets
no script run but its own, and nothing be loaded.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.group import Group
from kernelsnap.report import words
from kernelsnap.report.html.case import case_id, case_view
from kernelsnap.report.html.highlight import painted_change
from kernelsnap.report.html.picture import WIDTH, size
from kernelsnap.report.model import Report, View
from kernelsnap.report.visible import visible, visible_lines
from kernelsnap.shared.wording import counted, number_of_goldens, own_version

#: Goldens that are shown in full, and the characters that they may take together. `--full` has no limit.
MOST_BODIES, MOST_TEXT = 200, 6_000_000
#: One golden takes no more than this; what is over is its drawing or its longest texts.
MOST_GROUPS = 500

_VERDICTS = {"improved": "i", "regressed": "r", "changed": "c", "unchanged": "u"}


@dataclass(frozen=True)
class Entry:
    """One row of a group: a golden, and those of the same case for other targets."""

    id: str
    change: Change
    is_exemplar: bool
    is_exception: bool
    body: Markup | None  # None where it is left out, or there is nothing to compare
    twins: tuple[Entry, ...] = ()  # the goldens of other targets of the same case: they have no row of their own

    @property
    def changes(self) -> list[Change]:
        """All changes of its row."""
        return [self.change, *(twin.change for twin in self.twins)]

    @property
    def targets(self) -> list[str]:
        """The targets of its row."""
        return list(dict.fromkeys(target for change in self.changes for target in _targets(change)))


@dataclass(frozen=True)
class Card:
    """One group."""

    group: Group
    title: str
    entries: tuple[Entry, ...]  # the exemplar, exceptions, then the others

    @property
    def with_body(self) -> list[Entry]:
        """Those that are shown in full."""
        return [entry for entry in self.entries if entry.body is not None]


def render(report: Report, view: View) -> str:
    """The report as one HTML page. Unless the view is full, what is beyond the limits is left out, and said to be."""
    templates = environment()
    bodies = dict(_bodies(report, view.full))
    groups = report.groups if view.full else report.groups[:MOST_GROUPS]
    cards = [_card(group, report.headings[group.fingerprint], bodies, report.called) for group in groups]
    style, script = (source(name) for name in ("page.css", "page.js"))
    return templates.get_template("page.html.j2").render(
        report=report,
        cards=cards,
        opened=next((entry.id for card in cards for entry in card.with_body), ""),
        left_out=_left_out(report, bodies, len(groups)),
        data=_data(report, cards),
        command=shlex.join(report.again("--html", view.file, *(["--full"] if view.full else []))),
        version=own_version(),
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
        targets=sorted({target for change in report.changes for target in _targets(change)}),
    )


@cache
def environment() -> Environment:
    """What all pages are rendered with."""
    made = Environment(
        loader=PackageLoader("kernelsnap.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(words=words, causes=CAUSES, size=size, box_width=WIDTH, place_of=case_id)
    made.filters["change"] = painted_change
    made.filters["number"] = lambda value: "none" if value is None else f"{value:,}".replace(",", " ")
    return made


def _shown(value: object) -> object:
    """What a template writes: text that cannot be seen is written out, before it is escaped."""
    return visible_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def source(name: str) -> str:
    """The text of a style or script of the pages, by its file's name."""
    loader = environment().loader
    assert loader is not None
    return loader.get_source(environment(), name)[0]


def policy(style: str, script: str = "") -> str:
    """The content security policy: nothing is loaded, and only the style and script of the page, by hash, are used."""

    def known(text: str) -> str:
        digest = hashlib.sha256(text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    scripts = known(script) if script else "'none'"
    return (
        f"default-src 'none'; style-src {known(style)}; script-src {scripts}; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _bodies(report: Report, full: bool) -> Iterator[tuple[str, Markup]]:
    """What is shown in full, by name: all exemplars first, then exceptions, then the other members of each group."""
    template = environment().get_template("case.html.j2")
    left = MOST_TEXT
    for shown, change in enumerate(_by_weight(report)):
        if not full and (shown == MOST_BODIES or left <= 0):
            return
        body = Markup(template.render(case=case_view(change, report.diffs[change.name], full)))
        left -= len(body)
        yield change.name, body


def _by_weight(report: Report) -> Iterable[Change]:
    groups = [group for group in report.groups if group.exemplar.status == "changed"]
    rounds = (
        (group.exemplar for group in groups),
        (member for group in groups for member in group.exceptions),
        (member for group in groups for member in group.members),
    )
    return {change.name: change for changes in rounds for change in changes}.values()


def _card(group: Group, heading: str, bodies: Mapping[str, Markup], called: Collection[str]) -> Card:
    exceptions = {change.name for change in group.exceptions}
    ordered = {change.name: change for change in (group.exemplar, *group.exceptions, *group.members)}
    rows: dict[tuple[object, ...], list[Entry]] = {}
    for name, change in ordered.items():
        entry = Entry(case_id(name), change, change is group.exemplar, name in exceptions, bodies.get(name))
        alike = (change.case, entry.is_exception, entry.body is None, name in called)
        row = rows.setdefault(alike, [])
        if not {*entry.targets}.isdisjoint(target for other in row for target in other.targets):
            row = rows[name,] = []  # the same case twice: two trees in one
        row.append(entry)
    return Card(group, heading, tuple(replace(first, twins=tuple(others)) for first, *others in rows.values()))


def _left_out(report: Report, bodies: Mapping[str, Markup], groups: int) -> list[str]:
    """What the page does not hold, in words."""
    left = []
    without = sum(change.status == "changed" and change.name not in bodies for change in report.changes)
    if without:
        left.append(f"the diffs of {counted(without, 'golden')}")
    if groups < len(report.groups):
        left.append(f"the {len(report.groups) - groups} last groups")
    return left


def _targets(change: Change) -> tuple[str, ...]:
    return tuple(target for target in (change.target, *change.shared_with) if target)


def _data(report: Report, cards: list[Card]) -> dict[str, Any]:
    """What the page's script filters by: one list for each row, in the order of the page."""
    metrics = [metric.name for metric in report.metrics]
    return {
        "metrics": metrics,
        "cases": [
            [
                visible(" ".join(change.name for change in entry.changes)),
                entry.id,
                number,
                entry.change.status,
                entry.targets,
                list(entry.change.cause_names),
                _verdicts(entry.change, metrics),
                visible(entry.change.case),
                entry.body is not None,
                number_of_goldens(entry.changes),
                visible(_beside(entry, report)),
            ]
            for number, card in enumerate(cards)
            for entry in card.entries
        ],
    }


def _beside(entry: Entry, report: Report) -> str:
    """What follows the name of a golden of which no more is shown."""
    if entry.change.status == "changed":
        return words.effect(entry.change) if entry.body is None else ""
    return report.called.get(entry.change.name, "")


def _verdicts(change: Change, metrics: list[str]) -> str:
    """One letter for each metric: improved, regressed, changed, unchanged; `-` where a side has no number."""
    found = {delta.name: _VERDICTS[delta.verdict] for delta in change.metrics}
    return "".join(found.get(name, "-") for name in metrics)
