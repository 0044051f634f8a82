"""The report as JSON, as docs/diff.schema.json describes it. `schema` grows when a field changes its meaning."""

from __future__ import annotations

import json
from typing import Any

from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.group import Group
from kernelsnap.diff.tree.summary import Extreme, MetricSummary
from kernelsnap.report import words
from kernelsnap.report.model import Report, View

SCHEMA = 2


def render(report: Report, view: View) -> str:
    """The report as JSON in ASCII, in an order that does not change from run to run."""
    return json.dumps(as_data(report, view.full), indent=2) + "\n"


def as_data(report: Report, full: bool = False) -> dict[str, Any]:
    """The report as lists, dictionaries, strings and numbers."""
    return {
        "schema": SCHEMA,
        "old": report.old,
        "new": report.new,
        "recorded_with": {"old": report.versions[0] or None, "new": report.versions[1] or None},
        "command": list(report.again("--format", "json", *(["--full"] if full else []))),
        "first_line": words.first_line(report),
        "compared": report.compared,
        "same": report.same,
        "statuses": report.statuses,
        "costs": {
            verdict: {"goldens": number, "cost": cost.as_data()}
            for verdict in ("worse", "better", "cannot tell", "not estimated")
            for number, cost in [report.judged(verdict)]
        },
        "renamed": [{"old": old, "new": new} for old, new in report.renamed.items()],
        "decided": dict(report.decided),
        "for_now": list(report.for_now),
        "causes": report.causes,
        "metrics": [_summary(metric) for metric in report.metrics],
        "groups": [_group(report, group) for group in report.groups],
        "changes": [_change(report, change) for change in report.changes],
        "diffs": {
            name: [{"layer": hunk.layer, "header": hunk.header, "lines": list(hunk.lines)} for hunk in hunks]
            for name, hunks in report.hunks.items()
        },
    }


def _summary(metric: MetricSummary) -> dict[str, Any]:
    return {
        "name": metric.name,
        "unit": metric.unit,
        "better": metric.better,
        "improved": metric.improved,
        "regressed": metric.regressed,
        "changed": metric.moved,
        "unchanged": metric.unchanged,
        "missing": metric.missing,
        "zeros": metric.zeros,
        "total_of_changed": {"old": metric.old_total, "new": metric.new_total},
        "geometric_mean": {"all": metric.mean_of_all, "changed": metric.mean_of_changed},
        "best": _extreme(metric.largest_gain),
        "worst": _extreme(metric.largest_loss),
    }


def _extreme(found: Extreme | None) -> dict[str, Any] | None:
    return found and {"name": found[0], "old": found[1], "new": found[2]}


def _group(report: Report, group: Group) -> dict[str, Any]:
    return {
        "fingerprint": group.fingerprint,
        "heading": report.headings[group.fingerprint],
        "size": group.size,
        "cost": group.cost.as_data(),
        "causes": list(group.exemplar.cause_names),
        "exemplar": group.exemplar.name,
        "members": [member.name for member in group.members],
        "exceptions": [member.name for member in group.exceptions],
        "beyond": {member.name: list(group.beyond(member)) for member in group.exceptions},
    }


def _change(report: Report, change: Change) -> dict[str, Any]:
    parts = report.by_part(change)
    return {
        "name": change.name,
        "status": change.status,
        "verdict": change.cost.verdict if change.status == "changed" else None,
        "time": change.cost.as_data()["time"] if change.status == "changed" else None,
        "kernel_times": [{"kernels": of.names, "time": of.time.as_data()} for of in parts.kernels] if parts else [],
        "case": change.case,
        "target": change.target,
        "layers": list(change.layers),
        "kernels": dict(change.kernels),
        "error": change.error or None,
        "metrics": [_delta(delta) for delta in change.metrics],
        "causes": [
            {
                "name": cause.name,
                "effect": {
                    "kernels": cause.effect.kernels,
                    "bytes": cause.effect.bytes,
                    "time": time.as_data() if time and time.verdict != "not estimated" else None,
                },
                "evidence": [{"where": finding.where, "says": finding.evidence} for finding in cause.findings],
            }
            for cause, time in words.causes_with_time(change, parts)
        ],
    }


def _delta(delta: MetricDelta) -> dict[str, Any]:
    return {
        "name": delta.name,
        "unit": delta.unit,
        "old": delta.old,
        "new": delta.new,
        "percent": delta.percent,
        "verdict": delta.verdict,
    }
