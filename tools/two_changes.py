"""How often both of two unrelated changes in one golden are named; the numbers are in docs/contributing/accuracy.md.

    python tools/two_changes.py [COUNT] [--seed N]

Labelled pairs that have no cause in common are drawn at random, and the two of each draw become one pair: two parts of
one program. A pair whose own causes are not found is not drawn.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import composed
from kernelsnap.diff.compare import compare


def main(count: int, seed: int) -> int:
    """Print what was not named; the number of golden pairs in which something was not."""
    missing: Counter[str] = Counter()
    failed = exact = 0
    for made in islice(composed.compositions(seed), count):
        found = {str(cause.name) for cause in compare(made.old, made.new).causes}
        exact += found == made.causes
        if unnamed := made.causes - found:
            failed += 1
            missing.update(unnamed)
            print(f"{' + '.join(made.names)}: {', '.join(sorted(unnamed))} is not among {', '.join(sorted(found))}")
    print(f"{count} goldens with two changes: both named in {count - failed}, and nothing else in {exact}")
    print("not named:", dict(missing.most_common()))
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    main(options.count, options.seed)
