"""Every name in a plan comes from somewhere, in every golden of the corpus; and all its host code can be read."""

from __future__ import annotations

import pytest

import stored_goldens
from kernelsnap.capture.read.host_code import read_host
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.golden.canonical import HOST
from kernelsnap.model.capture import Buffer, Call, Kernel
from kernelsnap.model.consistent import from_nowhere

CALL = Call("launch", "k0", reads=("arg0", "buf0"), writes=(Buffer("buf1"),))


@pytest.mark.parametrize(
    ("given", "outputs", "found"),
    [
        (["arg0", "buf0"], ["buf1"], []),
        (["arg0"], ["buf1"], [("k0", "buf0")]),
        (["arg0", "buf0"], ["buf2"], [("return", "buf2")]),
        (["arg0", "buf0"], ["buf1 or arg0", "arg0 or buf3"], [("return", "buf3")]),
        (["arg0", "buf0"], ["s0", "u1", "zf2", "s0 * s1", "max(s0, 2)", "None", "4"], []),
    ],
)
def test_a_name_that_nothing_above_makes_is_found(given, outputs, found):
    assert list(from_nowhere(map(Buffer, given), [CALL], outputs)) == found


def test_in_every_golden_each_name_comes_from_somewhere():
    lost = [
        f"{name}: {plan.graph}: {step} reads {buffer}"
        for name in stored_goldens.names()
        for plan in stored_goldens.golden(name).plan
        for step, buffer in from_nowhere((*plan.inputs, *plan.memory), plan.steps, plan.outputs)
    ]
    assert not lost, "\n".join(lost)


def test_the_host_code_of_every_golden_can_be_read():
    refused = []
    for name in stored_goldens.names():
        golden = stored_goldens.golden(name)
        for host in (code for code in golden.code if code.name == HOST):
            defined = (code.name for code in golden.code if code.graph == host.graph and code.name != HOST)
            try:
                read_host(host.text, [Kernel(kernel, "pointwise", "triton", "") for kernel in defined], None)
            except UnreadableCodeError as error:
                # Custom operators of the tests are not registered here.
                if "kernelsnap_corpus" not in str(error):
                    refused.append(f"{name}: {error}")
    assert not refused, "\n".join(refused)
