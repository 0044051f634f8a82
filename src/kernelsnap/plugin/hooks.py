"""The pytest plugin: the fixture `kernel_snapshot`, the targets that a test runs for, and what a failure says."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernelsnap.errors import KernelsnapError
from kernelsnap.golden import store
from kernelsnap.golden.store import Case
from kernelsnap.golden.toolchain import golden_name
from kernelsnap.golden.transaction import recover
from kernelsnap.model import budget
from kernelsnap.pending.entry import DIFFERS
from kernelsnap.plugin import allowed, budgets, determinism, orphans, summary, variants
from kernelsnap.plugin.failed import OPTION as PENDING_OPTION
from kernelsnap.plugin.failed import keep_agreed
from kernelsnap.plugin.private import (
    check_versions,
    parameters,
    spare_torch_trace,
    syrupy_session,
    worker_input,
    worker_output,
)
from kernelsnap.plugin.resources import add_options as add_resources_options
from kernelsnap.plugin.run import BROKEN, GOLDENS_INI, PACKAGES_INI, RUN, TESTS_INI, WHY_OPTION, GoldenRun
from kernelsnap.plugin.settings import OPTION as SETTINGS_OPTION
from kernelsnap.plugin.settings import applied, settings_of_command_line
from kernelsnap.plugin.snapshot import ASKED_TARGET, COMPARISONS, LOCATION, Comparisons, KernelSnapshot
from kernelsnap.plugin.syrupy import CaseLocation, GoldenExtension
from kernelsnap.plugin.targets import DEFAULT, INI, MARKER, OPTION, choose, of_command_line, of_ini, targets_of
from kernelsnap.report.visible import visible_lines
from kernelsnap.targets.lookup import NATIVE
from kernelsnap.targets.target import Target

# Pytest registers these with this one.
pytest_plugins = ("kernelsnap.plugin.virtual", "kernelsnap.plugin.importing")

_TARGET_FIXTURE = "_kernelsnap_target"
_OUTPUT = "kernelsnap"
# Warnings of torch's about what a capture asks it for: nobody who reads a golden can act on them.
_OF_CAPTURE = (
    r"ignore::DeprecationWarning:torch\.",
    r"ignore::FutureWarning:torch\.",
    r"ignore:.isinstance\(treespec, LeafSpec\). is deprecated:FutureWarning",
    r"ignore:TensorFloat32 tensor cores for float32 matrix multiplication available:UserWarning:torch\._inductor",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and settings."""
    group = parser.getgroup("kernelsnap")
    group.addoption(
        OPTION,
        metavar="TARGETS",
        help="GPUs to generate code for, such as h100,a100; 'native' is the real one of this machine",
    )
    orphans.add_options(group)
    group.addoption(
        SETTINGS_OPTION,
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="compare with what another setting of torch._inductor.config would generate; may be repeated",
    )
    group.addoption(
        PENDING_OPTION,
        action="store_true",
        help="keep what fails for `kernelsnap accept` in CI too, where pytest's cache can be kept as an artifact",
    )
    add_resources_options(parser, group)
    budgets.add_options(parser, group)
    variants.add_option(group)
    allowed.add_option(group)
    determinism.add_option(group)
    group.addoption(
        WHY_OPTION,
        action="store_true",
        help="with --snapshot-update: write the compiler's reasons (`why`), which are not compared, into goldens that "
        "are otherwise unchanged",
    )
    parser.addini(INI, f"GPUs to generate code for, separated by commas (default: {DEFAULT})", default=DEFAULT)
    parser.addini(GOLDENS_INI, "folder of the goldens, relative to rootdir (default: goldens)", default="goldens")
    parser.addini(TESTS_INI, "folder whose test modules the goldens mirror (default: rootdir)", default="")
    parser.addini(
        PACKAGES_INI,
        "installed packages that all goldens depend on, besides those whose code is found in them",
        type="args",
        default=[],
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the tests twice, in processes of their own, where that was asked for."""
    return determinism.check(config) if config.getoption(determinism.OPTION) else None


def pytest_configure(config: pytest.Config) -> None:
    """Check the settings before any test runs."""
    config.addinivalue_line(
        "markers", f"{MARKER}(*targets): the GPUs that a golden test runs for; it is skipped for others"
    )
    config.addinivalue_line("markers", f"{allowed.MARKER}(number, reason): how many goldens the test may have, and why")
    config.addinivalue_line(
        "markers", f"{budgets.MARKER}(**limits): the most that each capture of the test may need, such as kernels=1"
    )
    run = config.stash[RUN] = GoldenRun(config)
    if worker_input(config) is None and (told := recover(run.goldens)):
        run.notes.append(told)
    if config.getoption(WHY_OPTION) and not run.updates:
        raise pytest.UsageError(f"{WHY_OPTION} writes into goldens: give --snapshot-update, too")
    try:
        list(budgets.of_ini(config))
        of_command_line(config)
        of_ini(config)
        settings_of_command_line(config)
        variants.of_command_line(config)
        _ = run.packages_named
    except KernelsnapError as error:
        raise pytest.UsageError(visible_lines(str(error))) from None
    _keep_apart(run.goldens, Path(str(config.getoption("snapshot_dirname", default="__snapshots__"))))


def _keep_apart(goldens: Path, snapshots: Path) -> None:
    """Refuse goldens inside a folder of syrupy's own snapshots: it deletes what it does not know there."""
    parts = snapshots.parts
    for folder in (goldens, *goldens.parents):
        if parts and folder.parts[-len(parts) :] == parts:
            raise pytest.UsageError(
                f"{GOLDENS_INI}: {goldens} is inside a folder of syrupy's snapshots ({snapshots}), "
                f"where syrupy deletes files that it does not know; choose another folder"
            )


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once per target where it has several; with one target its node id stays as it is."""
    # Last, so that the target comes last in the node id.
    if _TARGET_FIXTURE not in metafunc.fixturenames:
        return
    with _plainly():
        targets = choose(metafunc.config, metafunc.definition.get_closest_marker(MARKER)).targets
    if len(targets) > 1:
        metafunc.parametrize(_TARGET_FIXTURE, targets, indirect=True)


@pytest.fixture
def _kernelsnap_target(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test's target, whose device is there for as long as the test runs."""
    marker = request.node.get_closest_marker(MARKER)
    with _plainly():
        choice = choose(request.config, marker)
        usual = choose(request.config, marker, command_line=False).targets
    if not choice.targets:
        pytest.skip(choice.skip)
    if hasattr(request, "param"):
        name: str = request.param
        if name not in choice.targets:
            pytest.skip(f"marked for {', '.join(choice.targets)}, not for {name}")
    elif len(choice.targets) == 1:
        (name,) = choice.targets
    else:
        pytest.fail(
            f"{MARKER}: a parameter set, or a test that asks for kernel_snapshot late, runs for one target only",
            pytrace=False,
        )
    request.node.stash[ASKED_TARGET] = None if usual == (name,) else name
    with contextlib.ExitStack() as stack:
        with _plainly():
            described = None if name == NATIVE else targets_of(request.config).entries[name]
            stack.enter_context(_device(described))
            stack.enter_context(applied(settings_of_command_line(request.config)))
        yield name


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Tell our own errors without the trace of how we came to them."""
    told = ""
    try:
        yield
    except KernelsnapError as error:
        told = visible_lines(f"{type(error).__name__}: {error}")
    if told:
        pytest.fail(told, pytrace=False)


def _device(target: Target | None) -> contextlib.AbstractContextManager[object]:
    if target is None:  # the real GPU of this machine
        return contextlib.nullcontext()
    # Imported late: it imports torch, which a run without captures must not wait for.
    from kernelsnap.virtual import virtual_device

    return virtual_device(target)


@pytest.fixture(autouse=True)
def _kernelsnap_device_first(request: pytest.FixtureRequest) -> None:
    """Turn the device on before the other fixtures of the test: they may make tensors."""
    if _TARGET_FIXTURE in request.fixturenames:
        request.getfixturevalue(_TARGET_FIXTURE)


@pytest.fixture
def kernel_device(request: pytest.FixtureRequest, _kernelsnap_target: str) -> str:
    """The device on which a test makes its tensors: "cuda", or "cpu" for the target `cpu`.

    `x = torch.randn(64, 1024, device=kernel_device)` is a fake tensor on the virtual GPU: it takes no memory.
    """
    on_gpu = _kernelsnap_target == NATIVE or targets_of(request.config).entries[_kernelsnap_target].is_gpu
    return "cuda" if on_gpu else "cpu"


@pytest.fixture
def kernel_snapshot(request: pytest.FixtureRequest, _kernelsnap_target: str) -> KernelSnapshot:
    """The test's golden: `assert capture(f, x) == kernel_snapshot`.

    The virtual device is active from before the test's other fixtures until the test ends. A second assertion in the
    same test needs a name: `kernel_snapshot(name="small")`. A test with several targets runs once for each.
    """
    check_versions(request.config)
    item: pytest.Item = request.node
    run = request.config.stash[RUN]
    item.stash[COMPARISONS] = Comparisons()
    case = case_of(item)
    # Here, so that what is wrong is told before anything is compiled.
    with _plainly():
        allowed.of_marker(item.get_closest_marker(allowed.MARKER))
        run.check_root()
        folder = store.module_folder(item.path, run.tests_root)
        _ = run.recorded
    location = CaseLocation(
        item=item,
        goldens=run.goldens,
        folder=folder,
        module=case.module,
        test=case.test,
        target=_kernelsnap_target,
    )
    item.stash[LOCATION] = location
    return KernelSnapshot(
        session=syrupy_session(request.config),
        extension_class=GoldenExtension,
        test_location=location,
        update_snapshots=False,
    )


def case_of(item: pytest.Item) -> Case:
    """What a test is called, whatever target it runs for and however it was started."""
    # Not from the node id, to which pytest-xdist adds the name of a group.
    module = item.getparent(pytest.Module)
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    name, target = item.name, parameters(item).get(_TARGET_FIXTURE)
    if target is not None:
        function, _, identifier = name.removesuffix("]").partition("[")
        name = function if identifier == target else f"{function}[{identifier.removesuffix(f'-{target}')}]"
    return Case(module.nodeid if module else item.path.name, "::".join([*classes, name]))


@pytest.hookimpl(wrapper=True)
def pytest_assertrepr_compare(op: str, left: object, right: object) -> Generator[None, list[Any], list[Any]]:
    """Explain a failed comparison with a golden, in place of syrupy's own words."""
    explanations = yield
    for side in (left, right):
        if isinstance(side, KernelSnapshot) and op == "==" and side.failure:
            return [[side.failure.headline, *side.failure.lines]]
    return explanations


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Give the failure of a test everything there is to say, which pytest would cut to a few lines."""
    # Last, so that pytest's log capture is set up already.
    if ASKED_TARGET in item.stash:
        spare_torch_trace()
    try:
        run, location = item.config.stash[RUN], item.stash.get(LOCATION, None)
        key = f"{location.target if location else '-'} {case_of(item)}"
        with budget.observed() as uses:
            try:
                result = yield
            finally:
                if uses:
                    run.budgets.setdefault(key, []).extend(uses)
        if location:
            run.whole.add(key)
        return result
    except AssertionError as error:
        comparisons = item.stash.get(COMPARISONS, None)
        if comparisons and comparisons.failures:
            heads = (one.head for one in comparisons.failures if one.head)
            run.failed[item.nodeid] = [replace(head, templates={}) for head in heads]
            item.user_properties.append((DIFFERS, True))
            text = str(error)
            for failure in comparisons.failures:
                before, headline, _ = text.partition(failure.headline)
                text = "\n".join([before + headline or failure.headline, *failure.lines])
            error.args = (text,)
        raise
    except Exception as error:
        # Other versions are a likely reason for this, too.
        if location:
            for sentence in run.not_compared(golden_name(location.path(0), run.goldens)):
                error.add_note(visible_lines(sentence))
        raise


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave torch's warnings about its own code out of the summary of golden tests."""
    for item in items:
        if _TARGET_FIXTURE in getattr(item, "fixturenames", ()):
            for line in _OF_CAPTURE:
                # First, so that a filter of the test's own comes after it, and wins.
                item.add_marker(pytest.mark.filterwarnings(line), append=False)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Note which tests were left out."""
    if items:
        run = items[0].config.stash[RUN]
        run.selected = True
        run.tests |= {str(case_of(item)) for item in items}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which tests there are."""
    run = session.config.stash[RUN]
    run.tests |= {str(case_of(item)) for item in session.items}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep `toolchain.toml` true, or tell the controller of pytest-xdist what it needs to."""
    config, run = session.config, session.config.stash[RUN]
    if worker_input(config) is not None:
        worker_output(config)[_OUTPUT] = run.report()
        return
    finished = False
    with run.guarded("pytest_sessionfinish"):
        finished = run.finish()
        if finished:
            keep_agreed(run)
            if run.missing:
                # Imported late: it compares goldens.
                from kernelsnap.plugin.moves import settle

                settle(run)
        if finished and orphans.was_whole(config, run) and session.exitstatus == pytest.ExitCode.OK:
            run.orphans = orphans.find_orphans(run)
    if run.broken:
        session.exitstatus = BROKEN
    elif not finished or (config.getoption(orphans.STRICT) and (run.orphans or run.other_toolchain)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker of pytest-xdist what only the controller knows."""
    node.config.stash[RUN].tell_worker(node.workerinput)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist knows; one that crashed tells nothing."""
    run = node.config.stash[RUN]
    if report := getattr(node, "workeroutput", {}).get(_OUTPUT):
        with run.guarded("pytest_testnodedown"):
            run.add(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Say what concerns the goldens as a whole."""
    run = terminalreporter.config.stash[RUN]
    lines: list[str] = []
    with run.guarded("pytest_terminal_summary"):
        lines += summary.lines(run)
    if lines := [*run.notes, *lines]:
        terminalreporter.section("kernelsnap")
        for line in lines:
            terminalreporter.line(visible_lines(line))
