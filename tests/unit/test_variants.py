"""Which golden a machine reads where some are for releases of torch or triton, and what becomes of them."""

from __future__ import annotations

import shutil
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsnap.golden import sharing, store
from kernelsnap.golden.store import Case, file_name
from kernelsnap.golden.variants import fallbacks, is_of, label_of, most_specific, packages_in, split_name, target_in
from kernelsnap.model.golden import Code, Golden, Plan, PlanStep

CASE = Case("test_a.py", "test_x[a.b~torch2.14]", "torch2.14")
TARGETS, TORCH, TRITON = ("h100", "a100"), ("2.13.0", "2.14.1"), ("3.7.1", "3.8.0")
MACHINES = list(product(TARGETS, TORCH, TRITON))
ASKED = ((), ("torch",), ("triton",), ("torch", "triton"))


def versions(torch, triton):
    return {"torch": torch, "triton": triton}


def test_the_order_in_which_goldens_are_read():
    label = label_of("h100", versions("2.14.1+cu130", "3.8.0"))
    assert label == "h100~torch2.14+triton3.8"
    assert fallbacks(label) == ("h100~torch2.14+triton3.8", "h100~torch2.14", "h100~triton3.8", "h100")
    assert most_specific({"h100", "h100~torch2.13", "h100~triton3.8"}, label) == "h100~triton3.8"
    assert most_specific({"a100", "h100~torch2.13"}, label) is None
    assert label_of("h100", {"torch": "2.15.0.dev20260101"}) == "h100~torch2.15"
    assert fallbacks("h100") == ("h100",)


def test_which_machine_may_read_a_golden():
    here = versions("2.14.1", "3.8.0")
    assert all(is_of(label, here) for label in fallbacks(label_of("h100", here)))
    assert not any(is_of(f"h100~{other}", here) for other in ("torch2.13", "triton3.7", "torch2.14+triton3.7"))
    assert packages_in("h100~torch2.14+triton3.8") == ("torch", "triton")
    assert packages_in("h100") == ()


@given(
    st.text("abXY[]._-~@=,1", min_size=1, max_size=12),
    st.sampled_from(["h100", "rtx-4090", "14"]),
    st.sampled_from(ASKED),
    st.sampled_from(["", "2", "torch2.14", "a.b"]),
)
def test_a_name_is_taken_apart_as_it_was_made(test, target, asked, assertion):
    label = label_of(target, versions("2.14.1", "3.8.0"), asked)
    case = Case("test_a.py", test * 30, assertion)
    for case in (Case("test_a.py", test, assertion), Case("test_a.py", test * 40, assertion)):
        name = file_name(case, label)
        stem, found = split_name(name.removesuffix(store.SUFFIX))
        assert (found, target_in(found)) == (label, target)
        assert f"{stem}.{label}{store.SUFFIX}" == name
        assert len(name) <= 255


@pytest.mark.parametrize("label", ["", "h100~", "h100~2.14", "h100~torch", "h100~triton3.8+torch2.14", "h.100", "h~x"])
def test_what_is_no_label_is_refused(label):
    with pytest.raises(store.GoldenPathError):
        file_name(CASE, label)


def golden(label, number):
    step = PlanStep("k0", "pointwise", (("x", str(number)),), (), (), ())
    code = (Code("inference", "k0", f"def k0():\n    return {number}\n"), Code("inference", "host", "k0.run()\n"))
    return Golden(str(CASE), label, (Plan("inference", (), (step,), ()),), (), (), code)


def number_in(path):
    return int(store.read_golden(path, str(CASE)).plan[0].steps[0].sizes[0][1])


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return tmp_path_factory.mktemp("tree")


recordings = st.lists(
    st.tuples(st.sampled_from(MACHINES), st.sampled_from(ASKED), st.integers(1, 3)), min_size=1, max_size=7
)


@given(recordings)
@settings(max_examples=40, deadline=None)
def test_read_is_what_was_recorded_last_for_the_most_specific_label(tree, recorded):
    shutil.rmtree(tree)
    folder = tree / "test_a"
    folder.mkdir(parents=True)
    last = {}
    for (target, *here), asked, number in recorded:
        machine = label_of(target, versions(*here))
        standing = most_specific(sharing.labels(folder, CASE), machine)
        label = most_specific({label_of(target, versions(*here), asked)} | ({standing} if standing else set()), machine)
        sharing.write_for_target(tree, folder, CASE, golden(label, number))
        last[label] = number
        # What was recorded is what is read on the same machine.
        assert most_specific(sharing.labels(folder, CASE), machine) == label
    assert sharing.labels(folder, CASE) == last.keys()
    for target, *here in MACHINES:
        label = most_specific(last, label_of(target, versions(*here)))
        if label:
            assert number_in(sharing.golden_file(folder, CASE, label)) == last[label]
    # Equal ones are one file, however many labels read it.
    assert len(list(folder.iterdir())) == len(set(last.values()))


def test_the_files_of_a_case_are_found_among_those_of_a_folder(tmp_path):
    cases = [Case("test_a.py", test, name) for test in ("test_x", "test_xy", "test_" + "z" * 300) for name in ("", "2")]
    for case in cases:
        for label in ("h100", "a100~torch2.14"):
            text = f"kernelsnap 1\ncase {case}\ntarget {label}\n"
            (tmp_path / file_name(case, label)).write_text(text)
    (tmp_path / "toolchain.toml").write_text("")
    found = sharing.by_case(tmp_path)
    for case in cases:
        names = found.get(sharing.beginning_of(case), ())
        assert sharing.labels(tmp_path, case, names) == sharing.labels(tmp_path, case) == {"h100", "a100~torch2.14"}
