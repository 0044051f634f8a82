"""Run the tests that depend on a torch release with every supported release.

    python tools/matrix.py [--release 2.15 ...] [--env 2.14=/path/to/python ...] [-- PYTEST ARGUMENT ...]

Each release is installed, with the triton that it was built against, into an environment of its own below
`.venv-matrix`, and kept there: from 1 GB for a CPU build to 6 GB for a CUDA build. `--env` takes one that is there
already. In each, the tests in TESTS run, and the cases in RECORDED are recorded into a temporary folder: other code
than in `goldens/` is expected there, but each case is captured, and holds its memory traffic against its number.

The exit status is 0 if everything passes with every release.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from kernelsnap.shared.supported import TRITON_FOR_TORCH

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".venv-matrix"

#: What uses torch's internals: a name that is there and means another thing shows in one of these.
TESTS = (
    "tests/unit/test_private_names.py",
    "tests/integration/test_newer_torch.py",
    "tests/integration/test_sdpa_choice.py",
    "tests/integration/test_sdpa_releases.py",
    "tests/integration/test_timed_choices.py",
    "tests/integration/test_virtual_device.py",
    "tests/integration/test_virtual_training.py",
    "tests/integration/test_virtual_values.py",
    "tests/integration/test_capture_graphs.py",
    "tests/integration/test_capture_kernels.py",
    "tests/integration/test_capture_settings.py",
    "tests/integration/test_capture_templates.py",
    "tests/integration/test_capture_triton.py",
    "tests/integration/test_flash_library.py",
    "tests/integration/test_kernel_resources.py",
)
RECORDED = (
    "tests/corpus/test_fusion.py",
    "tests/corpus/test_inplacing_triton.py",
    "tests/corpus/test_would_be_nice.py",
)


def main(words: list[str] | None = None) -> int:
    """Run the matrix; 1 if something fails with some release."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", action="append", choices=list(TRITON_FOR_TORCH), help="only this one; repeated")
    parser.add_argument("--env", action="append", default=[], metavar="RELEASE=PYTHON", help="a prepared environment")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="more for pytest, after --")
    options = parser.parse_args(words)
    prepared = dict(text.split("=", 1) for text in options.env)
    results = {}
    for release in options.release or TRITON_FOR_TORCH:
        python = prepared.get(release) or str(environment(release))
        results[release] = run(python, options.arguments)
        print(f"torch {release}: {'passed' if results[release] else 'FAILED'}", flush=True)
    print("; ".join(f"torch {release} {'passed' if passed else 'FAILED'}" for release, passed in results.items()))
    return 0 if all(results.values()) else 1


def environment(release: str) -> Path:
    """The interpreter of the release's environment, which is made if it is not there."""
    folder = ENVIRONMENTS / release
    python = folder / "bin" / "python"
    whole = folder / "complete"
    if not whole.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        toolchain = [f"torch=={release}.*", f"triton=={TRITON_FOR_TORCH[release]}"]
        subprocess.run([*install, *toolchain, "--editable", f"{ROOT}[html,test]"], check=True)
        subprocess.run([*install, "--no-deps", "flash-attn-4"], check=True)
        whole.touch()
    return python


def run(python: str, arguments: list[str]) -> bool:
    """Whether the tests pass, and the cases are captured, in an environment."""
    path = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        recording = [*RECORDED, "--snapshot-update", "-o", f"kernelsnap_goldens={folder}/goldens"]
        done = [
            subprocess.run([*command, *tests], cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=False)
            for tests in (TESTS, recording)
        ]
    return not any(process.returncode for process in done)


if __name__ == "__main__":
    sys.exit(main())
