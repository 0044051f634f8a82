"""The forms that a report can be written in: one table, which the command line takes its options from.

A form is a module with `render(report, view)`, which gives the report as text, and one entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from kernelsnap.errors import KernelsnapError
from kernelsnap.report.model import Report, View

Render = Callable[[Report, View], str]


class MissingPackageError(KernelsnapError):
    """A form of report needs a package that is not installed."""


@dataclass(frozen=True)
class Form:
    """One form of report."""

    name: str  # `--format NAME`, `--NAME FILE`
    module: str  # imported when the form is asked for: rich alone takes longer to load than two equal trees to compare
    groups: int = 0  # how many groups it shows the diffs of, without `--full`
    all_members: bool = False  # whether it shows comparisons of all members of a group, not of its exemplar only
    to_output: bool = True  # whether `--format` takes it
    file_help: str = ""  # what `--NAME FILE` does; "" for no such option
    extra: str = ""  # the extra of the package that installs what it needs
    packages: tuple[str, ...] = ()  # what that extra installs

    def load(self) -> Render:
        """The function that renders a report in this form.

        Raises:
            MissingPackageError: one of its packages is not installed.
        """
        try:
            render: Render = import_module(self.module).render
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in self.packages:
                raise
            raise MissingPackageError(
                f"--{self.name} needs {package}: pip install 'kernelsnap[{self.extra}]'"
            ) from error
        return render


#: By name, in the order in which the command line lists them; the first is the default.
FORMS = {
    form.name: form
    for form in (
        Form("terminal", "kernelsnap.report.terminal", groups=20),
        Form(
            "markdown",
            "kernelsnap.report.markdown",
            groups=200,
            file_help="write the report in Markdown too",
        ),
        Form("json", "kernelsnap.report.json_report", groups=200, file_help="write the report as JSON too"),
        Form(
            "html",
            "kernelsnap.report.html.page",
            all_members=True,
            to_output=False,
            file_help="write the report as one HTML file, too",
            extra="html",
            packages=("pygments", "igraph"),
        ),
    )
}
