"""What kernelsnap costs, as ratios measured side by side in one process.

    python tools/benchmark.py [--rounds 5] [pytest arguments]

    capture     capture, normalize, render and compare of every case of the corpus, against bare code generation of
                it: `run_and_get_code` on the virtual device with the same cut, its text thrown away. Per case the
                two alternate, and the fastest round of each counts: the machine's noise only ever adds.
    compare     reading and comparing 1 000 unchanged goldens of 30 KB
    import      importing kernelsnap and its golden format in a new process (no torch)

Ends with status 1 if a bound of `BOUNDS` is exceeded. Not part of the test suite: machines are noisy.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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


@dataclass(eq=False)  # pytest keeps plugins in a set
class CorpusTimes:
    """A pytest plugin: times every capture of the corpus beside bare code generation."""

    rounds: int
    bare: dict[str, float] = field(default_factory=dict)
    full: dict[str, float] = field(default_factory=dict)
    case: str = ""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Remember which case runs, and replace the corpus's `capture` (once its conftest is loaded)."""
        self.case = item.nodeid
        for plugin in item.config.pluginmanager.get_plugins():
            if getattr(plugin, "__file__", None) == str(CORPUS / "conftest.py"):
                plugin.capture = self.timed

    def timed(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Capture, and time it: bare and full in turn, `rounds` times."""
        from kernelsnap.capture.run import capture
        from kernelsnap.golden.build import build_golden
        from kernelsnap.golden.canonical import canonical
        from kernelsnap.golden.format import parse, render

        captured = capture(fn, *args, **options)  # warms up torch's lazy imports for this case
        stored = render(build_golden(captured, self.case))
        for _ in range(self.rounds):
            with _timer(self.bare, self.case):
                _bare(fn, *args, **options)
            with _timer(self.full, self.case):
                golden = build_golden(capture(fn, *args, **options), self.case)
                assert render(golden) == stored or golden == canonical(parse(stored))
        return captured


def _bare(fn: Callable[..., Any], *args: Any, **options: Any) -> None:
    """What Inductor does anyway: generate the code of every graph, with nothing of kernelsnap's but the cut."""
    import torch

    from kernelsnap.capture import hooks, private, run

    def compile_to_module(graph: Any) -> types.SimpleNamespace:
        code, _ = graph.codegen()
        private.SAVE_OUTPUT_CODE.get()(code.value)
        return types.SimpleNamespace(call=None, __file__="")

    backward = options.pop("backward", False)
    config = options.pop("config", None) or {}
    options.pop("allow_no_kernels", None)
    compiled = torch.compile(fn, **{name: options.pop(name) for name in ("dynamic", "fullgraph") if name in options})

    def drive() -> None:
        outputs = compiled(*args, **options)
        if backward:
            run._backward(outputs)

    with (
        private.CONFIG.get().patch({**run.SETTINGS, **config}),
        private.COMPILE_TO_MODULE.replaced(compile_to_module),
        private.COMPILE_FX_INNER.replaced(hooks.without_running),
    ):
        private.RUN_AND_GET_CODE.get()(drive)


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
    parser.add_argument("--rounds", type=int, default=5)
    options, rest = parser.parse_known_args()
    times = CorpusTimes(options.rounds)
    status = pytest.main(["-q", "-p", "no:xdist", "--no-header", str(CORPUS), *rest], plugins=[times])
    if status != pytest.ExitCode.OK:
        print("the corpus does not pass: nothing was measured")
        return 2
    from kernelsnap.golden.store import golden_text

    goldens = sorted((ROOT / "goldens").rglob("*.ksnap"), key=lambda path: path.stat().st_size)
    results = {
        "capture / bare code generation": sum(times.full.values()) / sum(times.bare.values()),
        "compare 1000 unchanged goldens of 30 KB": time_compare(golden_text(goldens[-1])),
        "import without torch": time_import(),
        "peak memory of the corpus": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    ratios = sorted((times.full[case] / times.bare[case], case) for case in times.bare)
    print(f"\n{len(ratios)} cases, bare {sum(times.bare.values()):.2f} s, full {sum(times.full.values()):.2f} s")
    for ratio, case in (ratios[0], ratios[len(ratios) // 2], ratios[-1]):
        print(f"  {ratio:.3f} x  {case}")
    for what, value in results.items():
        unit, bound = BOUNDS[what]
        print(f"{what:45} {value:8.3f} {unit:4} bound {bound:g}{'' if value <= bound else '   EXCEEDED'}")
    return int(any(value > BOUNDS[what][1] for what, value in results.items()))


if __name__ == "__main__":
    sys.exit(main())
