"""Steps in copies of one process: each is as it would be in a process of its own, and all end with the bisection."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kernelsnap
from kernelsnap.bisect.observe.forked import ForkServer, ForkServerError
from kernelsnap.bisect.observe.observe import Job, Workspace, observe
from kernelsnap.bisect.observe.process import run_command
from kernelsnap.bisect.observe.tool import make_tool_folder
from watched_processes import WatchedProcesses

# Everything about its process that a program can easily see.
PROBE = """
import json, os, sys, warnings
import of_project
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "folder": os.getcwd(), "variables": dict(os.environ), "name": __name__,
    "main": sys.modules["__main__"].__file__, "leads a session": os.getsid(0) == os.getpid(), "of": of_project.VALUE,
    "input": sys.stdin.read(), "filters": [str(one) for one in warnings.filters], "spec": __spec__.name,
}, sort_keys=True))
print("to stderr", file=sys.stderr, flush=True)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "probe.py").write_text(PROBE)
    (folder / "of_project.py").write_text("VALUE = 1\n")
    return folder


@pytest.fixture
def environment(tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    before = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return before | {"PYTHONPATH": f"{more}{os.pathsep}{more}{os.pathsep}relative", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def server(folder, environment):
    server = ForkServer(sys.executable, folder, environment, ["decimal"])
    yield server
    server.close()


def test_a_copy_is_like_a_process_of_its_own(server, folder, environment):
    command = [sys.executable, "-m", "probe", "3", "two words"]
    for value in ("1", "2"):
        # What a project changes between two steps is seen, whatever the steps before have imported.
        (folder / "of_project.py").write_text(f"VALUE = {value * 5}\n")
        own = environment | {"KERNELSNAP_BISECT_REPORT": value}
        copied = server.run(command, folder, own, None)
        anew = run_command(command, folder, own, None)
        assert copied == anew
        assert copied[0] == 3
        assert f'"of": {value * 5}' in copied[1]
    assert server.foreign == []


def test_a_copy_has_what_the_server_imported_and_no_other_copy_changed(server, folder, environment):
    source = "import sys\nprint('decimal' in sys.modules, hasattr(sys, 'mark'))\nsys.mark = 1\n"
    (folder / "seen.py").write_text(source)
    for _ in range(2):
        assert server.run([sys.executable, "-m", "seen"], folder, environment, None) == (0, "True False\n")


def test_how_it_ends(server, folder, environment):
    def run(source, **options):
        (folder / "ends.py").write_text(source)
        return server.run([sys.executable, "-m", "ends"], folder, environment, options.get("timeout"))

    status, output = run("import atexit\natexit.register(print, 'at exit')\nraise ValueError('no')")
    assert status == 1
    assert "ValueError: no\nat exit" in output
    assert run("import os\nos.kill(os.getpid(), 9)") == (-signal.SIGKILL, "")
    # One that never ends, with a process that it started: both are stopped, and the server goes on.
    pid = folder / "pid"
    waits = f"import os, signal\nif not os.fork():\n    open({str(pid)!r}, 'w').write(str(os.getpid()))\nsignal.pause()"
    assert run(waits, timeout=0.5) == (None, "")
    assert run("print('next')") == (0, "next\n")


def ended(pid: int) -> bool:
    """Whether a process that is no child of this one has ended, or ends."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(watched):
        return bool(select.select([watched], [], [], 600)[0])


def test_it_ends_with_the_process_that_started_it(folder, environment):
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom kernelsnap.bisect.observe.forked import ForkServer\n"
        "server = ForkServer(sys.executable, Path.cwd(), os.environ, [])\n"
        "print(server._process.pid, flush=True)\ntime.sleep(3600)\n"
    )
    source = str(Path(kernelsnap.__file__).parents[1])
    starts = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=environment | {"PYTHONPATH": source}, stdout=subprocess.PIPE
    )
    assert starts.stdout is not None
    pid = int(starts.stdout.readline())
    starts.kill()
    starts.communicate()
    assert ended(pid)


def test_a_server_that_ended_is_told(server, folder, environment):
    server._process.kill()
    server._process.wait()
    with pytest.raises(ForkServerError):
        server.run([sys.executable, "-m", "probe", "0"], folder, environment, None)


def test_what_cannot_be_imported_is_told(folder, environment):
    with pytest.raises(ForkServerError, match="ModuleNotFoundError: No module named 'nothing_like_it'"):
        ForkServer(sys.executable, folder, environment, ["nothing_like_it"])


def test_a_module_of_the_project_is_foreign(folder, environment):
    server = ForkServer(sys.executable, folder, environment, ["of_project"])
    assert server.foreign == ["of_project"]
    server.close()


@pytest.mark.parametrize(
    ("conftest", "shared"),
    [("", ("torch",)), ("import os\nos.environ['TORCHINDUCTOR_FREEZING'] = '1'\nimport torch\n", ())],
)
def test_only_what_the_project_cannot_decide_is_shared(project, tmp_path, torch_of_settings, conftest, shared):
    """The stand-in for torch is no part of the interpreter: then every step starts anew, and says the same."""
    torch_of_settings()
    path = project.root / "conftest.py"
    path.write_text(conftest + path.read_text())
    project.test("""
        import torch

        def test_a(golden, kernel_snapshot):
            assert golden() == kernel_snapshot
    """)
    with WatchedProcesses() as processes:
        job = Job("test_a.py::test_a", make_tool_folder(tmp_path / "tool"), processes=processes)
        first, second = (observe(job, Workspace(project.root)) for _ in range(2))
    assert not first.skipped
    assert first == second
    assert processes.shared == [(0, shared)] * 2
