"""Goldens whose test, or assertion, is gone: counted after each whole and passing run, for `kernelsnap prune`."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from kernelsnap.golden import sharing, store
from kernelsnap.golden.digests import digest_of_file
from kernelsnap.golden.files import read_text
from kernelsnap.golden.prune import RECORD, Orphan, OrphanRecord, write_record
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.resources import resources_files
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import stored_templates, template_path
from kernelsnap.golden.variants import target_in
from kernelsnap.plugin.gone import TEST, Owners, whose
from kernelsnap.plugin.run import GoldenRun, templates_of
from kernelsnap.shared.places import NAME
from kernelsnap.shared.wording import counted

OPTION = "--kernelsnap-orphans"
STRICT = "--kernelsnap-strict"


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options."""
    group.addoption(
        OPTION,
        action="store_true",
        help="after a full and passing run, name the goldens whose test or assertion is gone, which `kernelsnap prune` "
        "removes",
    )
    group.addoption(
        STRICT,
        action="store_true",
        help="fail where a golden's test or assertion is gone, or where goldens were recorded with other versions than "
        "are here",
    )


def find_orphans(run: GoldenRun) -> tuple[Orphan, ...]:
    """The files that no test of this run has, which was a whole and passing one; keeps them for `kernelsnap prune`."""
    found = (*_goldens(run), *_templates(run)) if run.goldens.is_dir() else ()
    cache = getattr(run.config, "cache", None)
    if cache is not None:
        record = OrphanRecord(str(run.config.rootpath), str(run.goldens), run.started, found)
        try:
            write_record(Path(cache.mkdir(NAME)) / RECORD, record)
        except OSError as error:
            warnings.warn(pytest.PytestCacheWarning(f"kernelsnap prune will find nothing: {error}"), stacklevel=2)
    return found


def was_whole(config: pytest.Config, run: GoldenRun) -> bool:
    """Whether pytest was asked for all tests."""
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not run.selected


def summary(orphans: tuple[Orphan, ...], *, by_name: bool) -> Iterator[str]:
    """What to tell at the end of a run: how many goldens, or all files by name."""
    goldens, resources, templates = (
        [orphan for orphan in orphans if orphan.file.endswith(suffix)]
        for suffix in (store.SUFFIX, RESOURCES_SUFFIX, TEMPLATE_SUFFIX)
    )
    if by_name or goldens:
        what = whose({orphan.gone for orphan in goldens} or {TEST})
        yield f"{counted(len(goldens), 'golden')} {what}" + (":" if by_name and goldens else "")
    if by_name:
        yield from (f"  {orphan.file}" + (f" (kept: {orphan.kept})" if orphan.kept else "") for orphan in goldens)
        for what, found in (
            ("resources files without a test or without a golden", resources),
            ("templates that no golden uses", templates),
        ):
            if found:
                yield f"{len(found)} {what}:"
                yield from (f"  {orphan.file}" for orphan in found)
    if goldens or (by_name and orphans):
        yield "To see and to remove them:  kernelsnap prune"


def _goldens(run: GoldenRun) -> Iterator[Orphan]:
    """Goldens and resources files of cases that no test of this run has."""
    owners, there = Owners(run), set()

    def orphan(path: Path, case: str, labels: Collection[str], gone: str) -> Orphan:
        not_run = {*map(target_in, labels)} - owners.targets
        kept = f"this run had no test for {', '.join(sorted(not_run))}" if not_run else ""
        file, digest = path.relative_to(run.goldens).as_posix(), digest_of_file(read_text(path))
        return Orphan(file, digest, case.partition("::")[0], kept, gone)

    for path, case, labels in sharing.heads_below(run.goldens):
        there |= {(case, label) for label in labels}
        if gone := owners.gone(case, labels):
            yield orphan(path, case, labels, gone)
    for path in resources_files(run.goldens):
        case, labels = sharing.head_of(path)
        gone = owners.gone(case, labels)
        if gone or not {(case, label) for label in labels} & there:
            yield orphan(path, case, labels, gone)


def _templates(run: GoldenRun) -> Iterator[Orphan]:
    """The files of templates that no golden names."""
    stored = stored_templates(run.goldens)
    named = {name for _, names in store.with_each(run.goldens, templates_of) for name in names} if stored else set()
    for template in stored:
        if template.name not in named:
            path = template_path(run.goldens, template.name)
            yield Orphan(path.relative_to(run.goldens).as_posix(), digest_of_file(read_text(path)))
