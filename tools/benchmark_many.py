"""Whether recording and comparing take time in proportion to the goldens: 5,000 in one folder, and 500 in each of ten.

    python tools/benchmark_many.py [--goldens 5000] [--rounds 3]

Both trees have the same goldens. Each is recorded, again unchanged, compared, checked as a whole and listed, in
turn, in one process; the fastest round counts. Ends with status 1 where one folder takes `BOUND` times as long as ten.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsnap.golden import sharing, store
from kernelsnap.golden.files import flushed_together
from kernelsnap.golden.format import parse
from kernelsnap.golden.store import Case, golden_text
from kernelsnap.golden.transaction import together
from kernelsnap.golden.verify import TreeCheck
from kernelsnap.model.golden import Golden

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
FOLDERS = 10
#: What the project promises.
BOUND = 3.0


@dataclass(frozen=True)
class Tree:
    """The goldens of so many modules."""

    goldens: Path
    cases: tuple[Case, ...]
    golden: Golden

    def folder(self, case: Case) -> Path:
        """The folder of a case's module."""
        return self.goldens / case.module.removesuffix(".py")

    def record(self) -> None:
        """`pytest --snapshot-update`."""
        with flushed_together():
            for case in self.cases:
                made = replace(self.golden, case=str(case), shared_with=())
                sharing.write_for_target(self.goldens, self.folder(case), case, made)

    def compare(self) -> None:
        """A run of pytest that records nothing: the names of a folder are listed once."""
        names = {folder: sharing.by_case(folder) for folder in {*map(self.folder, self.cases)}}
        for case in self.cases:
            folder = self.folder(case)
            found = sharing.labels(folder, case, names[folder].get(sharing.beginning_of(case), ()))
            assert found == {self.golden.target}
            store.read_golden(sharing.golden_file(folder, case, self.golden.target), str(case))

    def check(self) -> None:
        """`kernelsnap verify-tree`."""
        assert len(TreeCheck(self.goldens).read) == 1

    def list(self) -> None:
        """What looks for goldens whose test is gone."""
        assert len(list(sharing.heads_below(self.goldens))) == len(self.cases)

    def change(self) -> None:
        """What `kernelsnap accept` does besides to write."""
        with together(self.goldens):
            pass


def made(folder: Path, number: int, modules: int) -> Tree:
    """A tree that has no goldens yet."""
    golden = parse(golden_text(GOLDEN))
    each = number // modules
    cases = tuple(Case(f"test_{at // each}.py", f"test_case[{at}]") for at in range(each * modules))
    (folder / "goldens").mkdir(parents=True)
    return Tree(folder / "goldens", cases, golden)


STEPS: dict[str, Callable[[Tree], None]] = {
    "record": Tree.record,
    "record again": Tree.record,
    "compare": Tree.compare,
    "verify-tree": Tree.check,
    "list": Tree.list,
    "change together": Tree.change,
}


def measured(number: int, rounds: int) -> dict[str, tuple[float, float]]:
    """The processor time of each step, with one folder and with ten."""
    found: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            trees = [made(Path(name, str(modules)), number, modules) for modules in (1, FOLDERS)]
            for step, run in STEPS.items():
                times = []
                for tree in trees:
                    start = time.process_time()
                    run(tree)
                    times.append(time.process_time() - start)
                one, ten = found.get(step, (float("inf"), float("inf")))
                found[step] = min(one, times[0]), min(ten, times[1])
    return found


def main() -> int:
    """Measure, and print the ratios; 1 where one of them is above the bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--goldens", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = measured(options.goldens, options.rounds)
    for step, (one, ten) in found.items():
        ratio = one / ten
        sys.stdout.write(f"{step:16} {one:7.2f} s in one folder, {ten:7.2f} s in {FOLDERS}: {ratio:5.2f} times\n")
    return int(any(one > BOUND * ten for one, ten in found.values()))


if __name__ == "__main__":
    sys.exit(main())
