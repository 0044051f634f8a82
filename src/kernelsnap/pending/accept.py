"""Accepting: writes pending goldens into the tree as `--snapshot-update` would have, all of them or none.

What recording does is done by the same functions: targets that share a golden, templates, resources files and the
versions in `toolchain.toml`. The texts are not rendered or parsed again where a golden is for one target alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kernelsnap.golden import sharing
from kernelsnap.golden.compared_resources import ComparedResources
from kernelsnap.golden.digests import digest_of, digest_of_file
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.golden.format import parse
from kernelsnap.golden.resources import resources_path
from kernelsnap.golden.store import names_below, write_folded
from kernelsnap.golden.templates.settle import keep_templates
from kernelsnap.golden.templates.template import Template, read_template
from kernelsnap.golden.templates.template_store import stored_templates
from kernelsnap.golden.transaction import together
from kernelsnap.golden.versions import keep_toolchain, may_be_compared
from kernelsnap.pending.agreed import Agreed, key_of, read_agreed
from kernelsnap.pending.conflict import mark_resolved
from kernelsnap.pending.entry import Pending, PendingError, check
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.pending.ledger import Ledger, read_ledger, write_ledger
from kernelsnap.pending.moving import check_modules, take_away
from kernelsnap.pending.standing import Standing
from kernelsnap.shared.wording import listed

_NAMED = 5


#: What becomes of the ledger.
Decided = Callable[[Ledger], Ledger]


@dataclass(frozen=True)
class Accepted:
    """What was accepted."""

    written: tuple[Pending, ...]
    notes: tuple[str, ...]  # what else the user should know


def accept(
    folder: PendingFolder, entries: Sequence[Pending], *, foreign: bool = False, decided: Decided | None = None
) -> Accepted:
    """Write these pending goldens into the tree of the project, and drop them from the folder.

    Args:
        folder: has them.
        entries: as the reviewer was shown them: one that was replaced since is refused.
        foreign: they come from another machine; they stay where they are.
        decided: what becomes of the ledger, which is written with the goldens.

    Raises:
        PendingError: a golden is no longer the one that was compared, a pending golden is no longer the one that was
            shown, or they belong to two trees. Nothing is written then.
        GoldenError: a file cannot be read or written. Nothing is written then.
    """
    trees = {entry.goldens for entry in entries}
    if len(trees) != 1:
        raise PendingError(f"they belong to several folders of goldens ({', '.join(sorted(trees))}): accept one by one")
    for entry in entries:
        check(entry, str(folder.text_path(entry)))
    goldens = (folder.root / trees.pop()).resolve()
    with together(goldens) as tree:
        standing = Standing(tree)
        _check_goldens(standing, entries)
        check_modules(folder.root, entries)
        templates = stored_templates(tree)
        alone: dict[str, str] = {}
        # Those that a file is named after first: the others join it again, and no file gets another name.
        for entry in sorted(entries, key=lambda entry: entry.golden != entry.compared_with):
            if _record(standing, templates, entry, *_texts(folder, entry, foreign=foreign)):
                alone[entry.golden] = key_of(entry)
            elif not entry.resources:
                for name in standing.files(entry):
                    alone.pop(name, None)
            if entry.moved_from:
                take_away(tree, entry)
        notes = [*_keep_templates(folder, entries, tree), *_keep_versions(folder, entries, tree, alone)]
        _keep_ledger(tree, decided)
    if not foreign:
        for entry in entries:
            folder.remove(entry.golden, only=entry.digest)
        mark_resolved(folder, entries)
    return Accepted(tuple(entries), tuple(notes))


def decide(folder: PendingFolder, entries: Collection[Pending], decided: Decided) -> None:
    """Write a decision about these pending goldens into the ledger, and nothing else."""
    for goldens in {entry.goldens for entry in entries}:
        with together(folder.root / goldens) as tree:
            _keep_ledger(tree, decided)


def _keep_ledger(tree: Path, decided: Decided | None) -> None:
    ledger = read_ledger(tree)
    if decided and (after := decided(ledger)) != ledger:
        write_ledger(tree, after)


def _check_goldens(standing: Standing, entries: Sequence[Pending]) -> None:
    outdated = [entry.name for entry in entries if standing.state(entry) == "outdated"]
    if outdated:
        raise PendingError(
            f"nothing was accepted: {len(outdated)} goldens are no longer those that were compared "
            f"({listed(outdated, _NAMED)}); run their tests again, or leave them out with --except"
        )


def _texts(folder: PendingFolder, entry: Pending, *, foreign: bool) -> tuple[str, str]:
    """What was generated for an entry: the golden, and the resources if these changed."""
    try:
        text = read_text(folder.text_path(entry))
        resources = read_text(folder.resources_path(entry)) if entry.resources else ""
    except FileNotFoundError:
        raise _replaced(entry) from None
    head = f"kernelsnap 1\ncase {entry.case}\ntarget {entry.target}\n"
    if digest_of(text) != entry.text or not text.startswith(head):
        raise _replaced(entry)
    if entry.resources and digest_of_file(resources) != entry.resources:
        raise _replaced(entry)
    if foreign:
        parse(text, str(folder.text_path(entry)))
    return text, resources


def _replaced(entry: Pending) -> PendingError:
    return PendingError(
        f"nothing was accepted: what is pending for {entry.name} is no longer what you were shown; "
        f"look at it again with kernelsnap pending"
    )


def _record(standing: Standing, templates: Collection[Template], entry: Pending, text: str, resources: str) -> bool:
    """Write one pending golden; whether its file is for its target alone."""
    own = standing.goldens / entry.golden
    if resources:
        write_text(resources_path(own), resources)
        return False
    files = standing.files(entry)
    if files <= {entry.golden} and (not files or sharing.head_of(own)[1] == (entry.target,)):
        write_folded(own, text, templates)
        files.add(entry.golden)
        return True
    targets = standing.targets(entry)
    sharing.write_for_target(standing.goldens, own.parent, entry.case, parse(text, entry.golden))
    standing.refresh(entry, targets)
    return False


def _keep_templates(folder: PendingFolder, entries: Collection[Pending], tree: Path) -> list[str]:
    templates: dict[str, Template] = {}
    for entry in entries:
        templates |= {name: read_template(name, text) for name, text in entry.templates.items()}
    if not templates:
        return []
    all_versions = {tuple(sorted(entry.versions.items())) for entry in entries}
    known = {key for versions in all_versions for key in read_agreed(folder, dict(versions)).still(tree, {})}
    known |= {key_of(entry) for entry in entries}
    return keep_templates(
        tree, templates.values(), lambda path: _is_among(path, known), replaces=True, shown=lambda path: path.name
    )


def _is_among(path: Path, known: Collection[str], versions: Mapping[str, str] | None = None) -> bool:
    """Whether the golden in a file is, for all its labels, among these; with versions, for those that they can read."""
    case, targets = sharing.head_of(path)
    if versions is not None:
        return all(f"{label} {case}" in known for label in may_be_compared(targets, versions))
    return bool(targets) and all(f"{target} {case}" in known for target in targets)


def _keep_versions(
    folder: PendingFolder, entries: Collection[Pending], tree: Path, alone: Mapping[str, str]
) -> list[str]:
    """Bring `toolchain.toml` up to date, for each set of versions that goldens were generated with.

    `alone` has the keys of goldens that were just written, by their files, where each is for one target: these are not
    read again.
    """
    groups: defaultdict[tuple[tuple[str, str], ...], list[Pending]] = defaultdict(list)
    for entry in entries:
        if not entry.merge:  # the merge has brought the versions, too
            groups[tuple(sorted(entry.versions.items()))].append(entry)
    notes: list[str] = []
    for versions, members in groups.items():
        agreed = read_agreed(folder, dict(versions))
        agreed.add(members)
        own = {key_of(entry) for entry in members}
        notes += _keep_compared(tree, agreed, {name: key for name, key in alone.items() if key in own})
        tools = {name: version for entry in members for name, version in entry.tools.items()}
        if tools:
            compiled = {key_of(entry) for entry in members if entry.resources}
            known = agreed.resources_still(tree)
            notes += ComparedResources(known, tools, compiled).finish(tree, creates=True, updates=True)
        folder.write_compared(agreed.to_json())
    return notes


def _not_compared(
    tree: Path, written: Collection[str], compared: Collection[str], versions: Mapping[str, str]
) -> list[str]:
    """The files of goldens that these versions may read, and that were neither written nor compared with their code."""
    others = (name for name in names_below(tree) if name not in written)
    return [name for name in others if not _is_among(tree / name, compared, versions)]


def _keep_compared(tree: Path, agreed: Agreed, written: Mapping[str, str]) -> list[str]:
    """Bring `toolchain.toml` up to date with the goldens that agree with what these versions generate."""
    compared = agreed.still(tree, written)
    not_compared = partial(_not_compared, tree, written, compared, agreed.versions)
    return keep_toolchain(tree, compared.values(), not_compared, updates=True, present=agreed.versions)[1]


def move_versions(folder: PendingFolder, goldens: Path, versions: Mapping[str, str]) -> list[str]:
    """Bring `toolchain.toml` up to date where no golden changed by other versions; what the user should know.

    Args:
        folder: knows which goldens agree with what these versions generate.
        goldens: the folder of the goldens.
        versions: of torch and triton.

    Raises:
        GoldenError: the file is damaged, or cannot be written.
    """
    with together(goldens) as tree:
        return _keep_compared(tree, read_agreed(folder, versions), {})


def reject(folder: PendingFolder, entries: Collection[Pending]) -> list[Pending]:
    """Drop these pending goldens; their tests go on failing. Those that were dropped."""
    dropped = [entry for entry in entries if folder.remove(entry.golden, only=entry.digest)]
    mark_resolved(folder, [entry for entry in dropped if entry.merge])
    return dropped
