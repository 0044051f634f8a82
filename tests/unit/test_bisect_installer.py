"""What installers say, and what is shown while they work."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from kernelsnap.bisect.axes import installer
from kernelsnap.bisect.axes.installer import Installer, run_installer, size_of, why
from kernelsnap.bisect.errors import BisectError, SkipStepError


def run(code, scratch):
    run_installer([sys.executable, "-c", code], "lib==1.0", scratch)


def test_a_bar_says_how_much_was_downloaded_of_what_was_announced(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")
    drawn = tmp_path / "drawn"

    class Drawn(installer.Progress):
        def update(self, *arguments, **values):
            super().update(*arguments, **values)
            self.refresh()
            if values.get("completed"):
                drawn.touch()

    monkeypatch.setattr(installer, "Progress", Drawn)
    (tmp_path / "part.whl").write_bytes(bytes(1_500_000))
    wait = f"while not os.path.exists({str(drawn)!r}): time.sleep(0.01)"
    run(f"import os, time\nprint('  Downloading lib-1.0.whl (2.0 MB)', flush=True)\n{wait}", tmp_path)
    shown = capfd.readouterr().err
    assert "lib==1.0" in shown
    assert "1.5/2.0 MB" in shown


def test_where_nobody_watches_nothing_is_shown(tmp_path, capfd):
    run("print('Downloading lib-1.0.whl (2.0 MB)')", tmp_path)
    assert capfd.readouterr() == ("", "")


def is_running(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


def wait_for_its_end(process):
    """A process that is not killed never ends by itself: the test would not end either."""
    while is_running(process):
        time.sleep(0.01)


def test_what_an_installer_started_stops_with_it(tmp_path, monkeypatch):
    """pip builds in processes of its own."""
    started = []

    def stopped_by_the_keyboard(shown, line):
        started.append(int(line))
        raise KeyboardInterrupt

    monkeypatch.setattr(installer._Shown, "line", stopped_by_the_keyboard)
    with pytest.raises(KeyboardInterrupt):
        run(
            "import subprocess; p = subprocess.Popen(['sleep', 'infinity']); print(p.pid, flush=True); p.wait()",
            tmp_path,
        )
    (process,) = started
    wait_for_its_end(process)


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        ("OSError: [Errno 28] No space left on device", BisectError, "the disk is full. What was made before is kept"),
        ("OSError: [Errno 122] Disk quota exceeded", BisectError, "the disk quota is used up"),
        ("Retrying ... NewConnectionError ...\\nERROR: No matching", BisectError, "the index cannot be reached"),
        ("error: Failed to fetch\\n Connection refused (os error 111)", BisectError, "the index cannot be reached"),
        ("ERROR: lib-1.0 needs another Python", SkipStepError, "ERROR: lib-1.0 needs another Python"),
        ("error: none found\\n  x Because there is none,\\n  it fails.", SkipStepError, "Because there is none, it"),
        ("", SkipStepError, "it said nothing"),
    ],
)  # fmt: skip
def test_what_another_version_would_not_help_stops_and_the_rest_skips(tmp_path, said, error, told):
    with pytest.raises(error, match="cannot be installed") as raised:
        run(f"print({said!r}.replace('\\\\n', chr(10))); raise SystemExit(1)", tmp_path)
    assert told in str(raised.value)


def test_the_line_about_an_error_is_told():
    assert why("a\nERROR: no\nTraceback\n") == "ERROR: no"
    assert why("first\nlast\n") == "last"


def test_a_size_is_that_of_all_files(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(bytes(1000))
    (tmp_path / "link").symlink_to("nowhere")
    assert size_of(tmp_path) == 1000 + len("nowhere")


def test_a_layer_brings_nothing_that_it_depends_on():
    for found in (Installer(), Installer("/bin/uv", ("--no-index",))):
        command = found.layer("/usr/bin/python3", "/layers/triton", "triton==3.8.0")
        assert {"--no-deps", "--target", "triton==3.8.0", "/usr/bin/python3"} <= set(command)
