"""The pictures of the README: the page of a report in a real browser, and a review in a real terminal.

    make pictures

writes `docs/pictures/page.png` and `docs/pictures/review.svg`. Both show real changes, labelled pairs of the tests,
through the program as a user runs it: `kernelsnap diff --html` in Chromium, and `kernelsnap review` in tmux. It needs
both programs, and no network.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from rich.color import ColorType
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

import labelled_pairs  # noqa: E402
from pending_project import make_project  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
#: What a picture may have at most, in bytes: a README is read on telephones, too.
MOST = 150_000
PAGE = ("split-chain", "inplace-off", "autotune-pointwise", "flash-mask")
REVIEWED = ("split-chain", "dtype-norm", "looped-softmax", "inplace-off", "autotune-pointwise", "fifth-embed-padding")
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PATH": PATH}
#: Of the page; a larger picture has too many bytes.
SCALE = 0.7
#: Columns and lines of the terminal.
WIDTH, HEIGHT = 80, 26
#: What is typed, and what the screen shows when the program has answered.
TYPED = (
    ("kernelsnap review", "resume later"),
    ("d", "difference"),
    ("a", "accepted"),
    ("A", "accepted"),
    ("r", "rejected"),
    ("u", "undone"),
    ("w", "still pending"),
)
SECONDS = 2.5
#: The sixteen colours of a terminal, on a dark ground.
COLORS = (
    "#484f58", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#c9d1d9",
    "#6e7681", "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff",
)  # fmt: skip
#: In pixels: a character, a line, and what is around them.
CHAR, LINE, MARGIN = 8.4, 18, 14
FONT = "14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def page(work: Path) -> bytes:
    """A screenshot of a page down to its first picture of a plan, as PNG."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    for side, content in (("before", "old"), ("after", "new")):
        for name in PAGE:
            path = work / side / f"test_model/test_{name.replace('-', '_')}.h100.ksnap"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(labelled_pairs.sides()[name][content])
    command = [sys.executable, "-m", "kernelsnap", "diff", "before", "after", "--html", "report.html"]
    subprocess.run(command, cwd=work, env=ENVIRONMENT, check=False, stdout=subprocess.DEVNULL)
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-lcd-text", "--window-size=1200,1000"):
        options.add_argument(argument)
    # Both programs are named, so that selenium looks for them nowhere else.
    names = ("chromium", "chromium-browser", "google-chrome")
    options.binary_location = next(found for found in map(shutil.which, names) if found)
    with webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver"))) as browser:
        browser.get((work / "report.html").as_uri())
        end = "return document.querySelector('.pictures').getBoundingClientRect().bottom + window.scrollY + 16"
        clip = {"x": 0, "y": 0, "width": 1185, "height": browser.execute_script(end), "scale": SCALE}
        found = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return base64.b64decode(found["data"])


def review(work: Path) -> str:
    """A review as an SVG that moves: one screen after the other."""
    make_project(work, list(REVIEWED))
    screens: list[str] = []
    tmux = ("tmux", "-L", f"kernelsnap-pictures-{os.getpid()}", "-f", "/dev/null")
    shell = ["env", "PS1=$ ", "TERM=screen", "bash", "--norc", "--noprofile"]
    start = [*tmux, "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT + 1), *shell]
    subprocess.run(start, cwd=work, env=ENVIRONMENT, check=True)
    try:
        for words, answer in TYPED:
            subprocess.run([*tmux, "send-keys", words, *(["Enter"] if len(words) > 1 else [])], check=True)
            screens.append(_screen(tmux, answer, screens[-1:]))
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    return svg(screens)


def _screen(tmux: Sequence[str], answer: str, before: Sequence[str]) -> str:
    """The screen with its colours, once it is another one than before and has the answer."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.2)
        found = subprocess.run([*tmux, "capture-pane", "-p", "-e"], capture_output=True, text=True, check=True).stdout
        if found not in before and answer in Text.from_ansi(found).plain:
            return found
    raise TimeoutError(f"the terminal does not show {answer!r}:\n{found}")


def svg(screens: Sequence[str]) -> str:
    """Screens, each with the escape sequences of its colours, as one drawing that shows one after the other."""
    width, height = round(WIDTH * CHAR + 2 * MARGIN), HEIGHT * LINE + 2 * MARGIN
    rules = [
        f"svg {{ font: {FONT}; fill: {COLORS[7]}; }} text {{ white-space: pre; }}",
        f"g {{ visibility: hidden; animation: show {SECONDS * len(screens):g}s step-end infinite; }}",
        f"@keyframes show {{ 0% {{ visibility: visible; }} {100 / len(screens):.4g}% {{ visibility: hidden; }} }}",
        *(f"g:nth-of-type({n + 1}) {{ animation-delay: {n * SECONDS:g}s; }}" for n in range(len(screens))),
        "@media (prefers-reduced-motion: reduce) { g { animation: none; } g:first-of-type { visibility: visible; } }",
    ]
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="kernelsnap review in a terminal">',
        f"<style>{' '.join(rules)}</style>",
        '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>',
        *(line for screen in screens for line in ("<g>", *_texts(screen), "</g>")),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _texts(screen: str) -> Iterator[str]:
    """The texts of a screen, in pieces of one colour."""
    text = Text.from_ansi(screen.rstrip("\n"))
    for number, line in enumerate(text.split("\n")):
        y = MARGIN + (number + 1) * LINE - 5
        for start, end in pairwise(sorted({0, len(line), *(end for s in line.spans for end in (s.start, s.end))})):
            if words := line.plain[start:end].rstrip():
                styles = (s.style for s in line.spans if s.start <= start and s.end >= end)
                found = [style if isinstance(style, Style) else Style.parse(style) for style in styles]
                look = _look(Style.combine([Style.null(), *found]))
                yield f'<text x="{MARGIN + start * CHAR:g}" y="{y}"{look}>{escape(words)}</text>'


def _look(style: Style) -> str:
    """A style of the terminal as attributes."""
    parts = []
    if style.color and style.color.type is ColorType.STANDARD and style.color.number is not None:
        parts.append(f' fill="{COLORS[style.color.number]}"')
    if style.bold:
        parts.append(' font-weight="700"')
    if style.dim:
        parts.append(' opacity="0.6"')
    return "".join(parts)


def main() -> int:
    """Write both; status 0 if they are small enough."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        (PICTURES / "page.png").write_bytes(page(Path(work)))
    with tempfile.TemporaryDirectory() as work:
        (PICTURES / "review.svg").write_text(review(Path(work)), encoding="utf-8")
    sizes = {path: path.stat().st_size for path in sorted(PICTURES.iterdir())}
    for path, size in sizes.items():
        print(f"{path.relative_to(ROOT)}: {size} bytes{', which is too many' if size > MOST else ''}")
    return int(max(sizes.values()) > MOST)


if __name__ == "__main__":
    sys.exit(main())
