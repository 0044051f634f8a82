"""Reads JSON and TOML that anybody may have written: whatever is wrong with a text is a `ValueError`.

The parsers of the standard library call themselves for each level of nesting, and end in a `RecursionError` where a
text has thousands of them.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any


def parsed_json(text: str | bytes) -> Any:
    """What a text of JSON holds. Raises `ValueError`."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parsed_toml(text: str) -> dict[str, Any]:
    """What a text of TOML holds. Raises `ValueError`."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
