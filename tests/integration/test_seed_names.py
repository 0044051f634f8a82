"""The corpus keeps every seed case under its own name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "seed_names.py"


def test_no_seed_case_is_missing():
    result = subprocess.run([sys.executable, TOOL], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "90 of 90 seed cases" in result.stdout
