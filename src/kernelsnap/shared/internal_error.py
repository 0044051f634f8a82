"""What a user is shown of an error that no part of kernelsnap expected: short, with what is needed to report it."""

from __future__ import annotations

import traceback
from pathlib import Path

from kernelsnap.shared.wording import own_version

_PACKAGE = Path(__file__).parents[1]


def internal_error(error: BaseException, doing: str, how: str) -> list[str]:
    """The lines of the report.

    Args:
        error: what nobody expected.
        doing: what was going on: a command line, a hook of pytest.
        how: the option that shows the whole trace.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    at = f", {Path(own[-1].filename).relative_to(_PACKAGE)}:{own[-1].lineno}" if own else ""
    return [
        f"internal error: {' '.join(traceback.format_exception_only(error)[0].split())}",
        *(f"  {note}" for note in getattr(error, "__notes__", ())),
        f"  in {doing} (kernelsnap {own_version()}{at})",
        "  This is a fault of kernelsnap. Please report it with these lines, the file that they name, and what the "
        f"same with {how} prints.",
    ]
