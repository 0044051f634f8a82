"""Which seed cases does the corpus hold? Ends with status 1 if one is missing.

    python tools/seed_names.py

The names in tests/corpus/seed_names.txt (`class::test`, one a line) are held against what pytest collects.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORPUS = "tests/corpus"

# tests/corpus/test_fusion.py::FusionTests::test_softmax_inner       a parametrized test ends in [id]
_COLLECTED = re.compile(r"\S+\.py::(\w+::\w+)")


def collected() -> list[str]:
    """`class::test` of every test in the corpus, once for each set of parameters."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", CORPUS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"pytest could not collect {CORPUS}:\n{result.stdout}{result.stderr}")
    return [match.group(1) for line in result.stdout.splitlines() if (match := _COLLECTED.match(line))]


def main() -> int:
    """Print each seed case with the number of tests that it became."""
    seeds = (ROOT / CORPUS / "seed_names.txt").read_text(encoding="utf-8").split()
    tests = collected()
    for seed in seeds:
        print(f"{tests.count(seed):4}  {seed}")
    missing = [seed for seed in seeds if seed not in tests]
    print(f"{len(seeds) - len(missing)} of {len(seeds)} seed cases, {len(tests)} tests")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
