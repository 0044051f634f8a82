"""The program of a fork server: imports modules once, and runs each command in a copy of itself that has them.

It is run as a file, by the interpreter of the steps, with the modules to import as arguments, and imports nothing else
but the standard library: a copy imports the project under test for itself. Standard input has a request in JSON on each
line, standard output the replies; at the end of its input the server ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import sys
import sysconfig
import types
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO


def main() -> None:
    """Import the modules, report what was imported from a folder that is not the interpreter's, and serve."""
    # What a module prints while it is imported must not get among the replies.
    requests, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    _redirect(os.devnull)
    # The folder that commands run in, in place of the folder of this file.
    sys.path[0] = str(Path.cwd())
    before, failed = dict(os.environ), ""
    # What is imported stays. The garbage collector would look through all of it again and again, here and in each copy.
    gc.disable()
    try:
        for name in sys.argv[1:]:
            importlib.import_module(name)
    except Exception as error:
        failed = f"{type(error).__name__}: {error}"
    gc.freeze()
    gc.enable()
    set_by_imports = {name: value for name, value in os.environ.items() if before.get(name) != value}
    _reply(replies, failed=failed, foreign=_foreign())
    for line in requests:
        request = json.loads(line)
        with warnings.catch_warnings():
            # Since 3.12, Python warns where a library has idle threads of its own.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            # A session of its own before anybody knows of it, so that it can be stopped with what it starts.
            os.setsid()
            _reply(replies, pid=os.getpid())
            requests.close()
            replies.close()
            _run(request, set_by_imports)
            return
        _reply(replies, status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _reply(replies: TextIO, **content: Any) -> None:
    replies.write(json.dumps(content) + "\n")
    replies.flush()


def _redirect(output: str) -> None:
    """Let standard output and error go to a file, and standard input have nothing."""
    for path, flags, descriptors in ((os.devnull, os.O_RDONLY, (0,)), (output, os.O_WRONLY | os.O_APPEND, (1, 2))):
        opened = os.open(path, flags)
        for descriptor in descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)


def _foreign() -> list[str]:
    """Loaded modules that are neither the interpreter's own nor installed in it: a project may change them."""
    own = tuple(
        os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
    return [
        name
        for name, module in list(sys.modules.items())
        if module is not sys.modules["__main__"]
        and not all(os.path.realpath(path).startswith(own) for path in _paths(module))
    ]


def _paths(module: types.ModuleType) -> Sequence[str]:
    """The file of a module, or the folders of a package without one; nothing for what is built in or made by code."""
    file = getattr(module, "__file__", None)
    paths = [file] if file else list(getattr(module, "__path__", ()))
    return [path for path in paths if Path(path).is_absolute()]


def _run(request: Mapping[str, Any], set_by_imports: Mapping[str, str]) -> None:
    """Run a module in this process as `python -m` runs it in one that has just started."""
    _redirect(request["output"])
    os.chdir(request["folder"])
    given = _python_path()
    os.environ.clear()
    os.environ.update(request["environment"] | set_by_imports)
    sys.path[:] = [request["folder"], *_python_path(), *sys.path[1 + len(given) :]]
    # Files may have come and gone since the server looked.
    importlib.invalidate_caches()
    sys.argv[:] = ["-m", *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _python_path() -> list[str]:
    """What the variable PYTHONPATH adds to the import path."""
    value = os.environ.get("PYTHONPATH", "")
    return list(dict.fromkeys(map(os.path.abspath, value.split(os.pathsep)))) if value else []


if __name__ == "__main__":
    main()
