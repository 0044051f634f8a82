"""Processes that record over one tree while a template changes: every golden is one that somebody generated."""

from __future__ import annotations

import multiprocessing
import random

from kernelsnap.golden import sharing, store
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.store import Case
from kernelsnap.golden.templates.settle import settle
from kernelsnap.golden.templates.template import read_template
from kernelsnap.golden.templates.template_store import stored_templates
from kernelsnap.model.golden import Code, Golden, Plan

FORK = multiprocessing.get_context("fork")
PROCESSES, ROUNDS = 8, 6
TARGETS, TESTS = ("h100", "a100", "l4"), ("test_x", "test_y", "test_z")
TEMPLATES = [
    read_template("mm", f'{{{{def_kernel("A")}}}}\n    M = {{{{size("A", 0)}}}}\n    return M + {number}\n')
    for number in range(4)
]


def golden(test, target, template, size):
    """What one version of the compiler generates for a test."""
    end = TEMPLATES[template].text.split("\n")[-2]
    return Golden(
        str(Case("test_a.py", test)),
        target,
        (Plan("inference", (), (), ()),),
        (),
        (),
        (Code("inference", "k0", f"@triton.jit\ndef k0(A):\n    M = {10 * template + size}\n{end}\n"),),
    )


def record(goldens, seed):
    """Runs of pytest: some tests for some targets, then the templates, with one of the compilers each."""
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        template = chance.randrange(len(TEMPLATES))
        compared = set()
        for test in chance.sample(TESTS, chance.randint(1, len(TESTS))):
            for target in chance.sample(TARGETS, chance.randint(1, len(TARGETS))):
                made = golden(test, target, template, size=chance.choice((2, 3)))
                sharing.write_for_target(goldens, goldens / "test_a", Case("test_a.py", test), made)
                compared.add((made.case, target))

        def was_compared(path, compared=compared):
            case, targets = sharing.head_of(path)
            return all((case, target) in compared for target in targets)

        with tree_lock(goldens):
            settle(goldens, [TEMPLATES[template]], was_compared, replaces=True)


def test_no_golden_is_mixed_of_two_recordings(tmp_path):
    workers = [FORK.Process(target=record, args=(tmp_path, seed)) for seed in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert len(stored_templates(tmp_path)) == 1
    for test in TESTS:
        case = Case("test_a.py", test)
        generated = [golden(test, "h100", template, size).code for template in range(len(TEMPLATES)) for size in (2, 3)]
        for target in TARGETS:
            path = sharing.golden_file(tmp_path / "test_a", case, target)
            assert store.read_golden(path, str(case)).code in generated
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".ksnap", ".ktemplate"}
