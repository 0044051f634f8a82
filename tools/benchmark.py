"""What kernelsnap costs, as ratios measured side by side in one process.

    python tools/benchmark.py [--rounds 3] [--smoke] [pytest arguments, such as a test module of the corpus]

    capture     capture, normalize and render the cases of the corpus, against bare code generation of them:
                `run_and_get_code` on the virtual device with the same cut, its text thrown away. Per case the two
                alternate, and the fastest round of each counts: the machine's noise only ever adds.
    compare     reading and comparing 1,000 unchanged goldens of 30 KB
    import      importing kernelsnap and its golden format in a new process (no torch)

Without pytest arguments the cases are those of `CASES`, which takes a few minutes. `--smoke` measures one case once, to
see that everything here works; its numbers mean nothing, and no bound is held. Ends with status 1 if a bound of
`BOUNDS` is exceeded, and with 2 if nothing was measured.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "tests" / "corpus"

#: (what, unit, bound): what the project promises.
BOUNDS = {
    "capture / bare code generation": ("x", 1.10),
    "compare 1000 unchanged goldens of 30 KB": ("s", 2.0),
    "import without torch": ("s", 0.2),
    "peak memory of the corpus": ("GiB", 2.0),
}


#: What is measured where nothing else is named.
CASES = ("test_fusion.py", "test_num_bytes.py", "test_tiling.py", "test_scheduler_fusion.py")
#: What `--smoke` measures.
SMOKE = "test_fusion.py::FusionTests::test_softmax_inner"


class _Timed(Exception):  # noqa: N818
    """Ends a test once its first capture is timed."""


@dataclass(eq=False)  # pytest keeps plugins in a set
class CorpusTimes:
    """A pytest plugin: runs each test several times, and times its first capture and bare code generation in turn.

    A test runs anew for every round, because a function that changes its arguments needs new ones.
    """

    rounds: int
    bare: dict[str, float] = field(default_factory=dict)
    full: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        """Run one test: once to load what torch loads late, then the rounds."""
        case = pyfuncitem.nodeid
        arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        warm_up = CorpusTimes(0)
        for number in range(self.rounds + 1):
            times = self if number else warm_up
            for measured in (times.time_bare, times.time_full):
                with self._captured_by(pyfuncitem, functools.partial(measured, case)), contextlib.suppress(_Timed):
                    pyfuncitem.obj(**arguments)
        return True

    @contextlib.contextmanager
    def _captured_by(self, item: pytest.Function, capture: Callable[..., Any]) -> Iterator[None]:
        """Put this in the place of `capture` in the test's module and in the conftest of the corpus."""
        conftest = next(p for p in item.config.pluginmanager.get_plugins() if _is_conftest_of_the_corpus(p))
        with contextlib.ExitStack() as stack:
            for module in (conftest, item.module):
                if hasattr(module, "capture"):
                    stack.enter_context(mock.patch.object(module, "capture", capture))
            yield

    def time_bare(self, case: str, fn: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Time bare code generation."""
        with _timer(self.bare, case):
            _bare(fn, *args, **options)
        raise _Timed

    def time_full(self, case: str, fn: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Time a capture and the text of its golden, which is the same each time."""
        from kernelsnap.capture.run import capture
        from kernelsnap.golden.build import build_golden
        from kernelsnap.golden.format import render

        with _timer(self.full, case):
            text = render(build_golden(capture(fn, *args, **options), case))
        assert self.texts.setdefault(case, text) == text
        raise _Timed


def _is_conftest_of_the_corpus(plugin: Any) -> bool:
    return getattr(plugin, "__file__", None) == str(CORPUS / "conftest.py")


def _bare(fn: Callable[..., Any], *args: Any, **options: Any) -> None:
    """What Inductor does anyway: generate the code of every graph, with nothing of kernelsnap's but the cut."""
    import torch

    from kernelsnap.capture import hooks, private, run, settings

    backward = options.pop("backward", False)
    config = options.pop("config", None) or {}
    options.pop("allow_no_kernels", None)
    known = ("dynamic", "fullgraph", "mode")
    compiled = torch.compile(fn, **{name: options.pop(name) for name in known if name in options})

    def drive() -> None:
        outputs = compiled(*args, **options)
        if backward:
            run._backward(outputs)

    with (
        private.CONFIG.get().patch({**settings.SETTINGS, **config}),
        private.COMPILE_TO_MODULE.replaced(hooks._generate),
        private.COMPILE_FX_INNER.replaced(hooks.without_running),
        private.LOWERING_INIT.replaced(hooks._with_constants_on_device),
    ):
        private.RUN_AND_GET_CODE.get()(drive)
        torch._dynamo.reset()


@contextlib.contextmanager
def _timer(best: dict[str, float], key: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    best[key] = min(best.get(key, float("inf")), time.perf_counter() - start)


def time_compare(golden_text: str, count: int = 1000, size: int = 30_000) -> float:
    """Seconds to read and compare `count` unchanged goldens of `size` bytes, made from a real one."""
    from kernelsnap.golden.canonical import canonical
    from kernelsnap.golden.format import parse, render

    golden = parse(golden_text)
    kernels = golden.code
    while len(golden_text) < size:
        golden = replace(golden, code=golden.code + kernels)
        golden_text = render(golden)
    rendered = render(canonical(golden))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.ksnap" for number in range(count)]
        for path in paths:
            path.write_text(rendered)
        start = time.perf_counter()
        for path in paths:
            text = path.read_text()
            assert text == rendered or canonical(parse(text)) == canonical(golden)
        return time.perf_counter() - start


def time_import() -> float:
    """Seconds to import what reading and comparing goldens needs, the interpreter's own start taken off."""
    best = {}
    for name, code in (("bare", "pass"), ("import", "import kernelsnap, kernelsnap.golden.format")):
        for _ in range(5):
            with _timer(best, name):
                subprocess.run([sys.executable, "-c", code], check=True)
    return best["import"] - best["bare"]


def main() -> int:
    """Run the benchmarks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="measure one case once, and hold no bound")
    options, rest = parser.parse_known_args()
    chosen = rest or [str(CORPUS / name) for name in ([SMOKE] if options.smoke else CASES)]
    times = CorpusTimes(1 if options.smoke else options.rounds)
    status = pytest.main(["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--no-header", *chosen], plugins=[times])
    if status != pytest.ExitCode.OK or not times.full:
        print("the cases do not pass: nothing was measured")
        return 2
    from kernelsnap.golden.store import golden_text

    goldens = sorted((ROOT / "goldens").rglob("*.ksnap"), key=lambda path: path.stat().st_size)
    compared = 10 if options.smoke else 1000
    results = {
        "capture / bare code generation": sum(times.full.values()) / sum(times.bare.values()),
        "compare 1000 unchanged goldens of 30 KB": time_compare(golden_text(goldens[-1]), compared),
        "import without torch": time_import(),
        "peak memory of the corpus": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    ratios = sorted((times.full[case] / times.bare[case], case) for case in times.bare)
    print(f"\n{len(ratios)} cases, bare {sum(times.bare.values()):.2f} s, full {sum(times.full.values()):.2f} s")
    for ratio, case in (ratios[0], ratios[len(ratios) // 2], ratios[-1]):
        print(f"  {ratio:.3f} x  {case}")
    for what, value in results.items():
        unit, bound = BOUNDS[what]
        print(
            f"{what:45} {value:8.3f} {unit:4} bound {bound:g}{'' if value <= bound or options.smoke else '   EXCEEDED'}"
        )
    return int(not options.smoke and any(value > BOUNDS[what][1] for what, value in results.items()))


if __name__ == "__main__":
    sys.exit(main())
