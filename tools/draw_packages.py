"""Draw the packages of kernelsnap and their imports, as the Mermaid text in docs/architecture.md.

    python tools/draw_packages.py            rewrites the picture
    python tools/draw_packages.py --check    only compares: exit status 1 if the picture is not that of today's imports

grimp reads the imports, those inside functions too, and leaves out those that only a type checker sees. An arrow that
follows from others (a package imports what another of its imports imports) is left out.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import grimp

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
PICTURE = re.compile(r"(?<=```mermaid\n).*?(?=```\n)", re.DOTALL)


def imports_of_packages() -> dict[str, set[str]]:
    """For each package of kernelsnap, the others that it imports."""
    graph = grimp.build_graph("kernelsnap", exclude_type_checking_imports=True, cache_dir=None)
    packages = graph.find_children("kernelsnap")
    for package in packages:
        graph.squash_module(package)
    return {package: (graph.find_modules_directly_imported_by(package) & packages) - {package} for package in packages}


def drawn(imports: dict[str, set[str]]) -> str:
    """The imports as a Mermaid flow chart, without the arrows that follow from others."""

    def reached(package: str) -> set[str]:
        return {package}.union(*(reached(other) for other in imports[package]))

    lines = ["flowchart TD"]
    for package in sorted(imports):
        for other in sorted(imports[package]):
            if not any(other in reached(between) for between in imports[package] - {other}):
                lines.append(f"    {_name(package)} --> {_name(other)}")
    return "\n".join(lines) + "\n"


def _name(package: str) -> str:
    return package.removeprefix("kernelsnap.").replace("__main__", 'main["__main__"]')


def main() -> int:
    """Rewrite the picture, or check it; the exit status."""
    parser = argparse.ArgumentParser(description="Draw the packages of kernelsnap into docs/architecture.md.")
    parser.add_argument("--check", action="store_true", help="only compare: exit status 1 if the picture is old")
    options = parser.parse_args()
    page = PAGE.read_text()
    new = PICTURE.sub(drawn(imports_of_packages()), page, count=1)
    if not options.check:
        PAGE.write_text(new)
    return int(options.check and new != page)


if __name__ == "__main__":
    sys.exit(main())
