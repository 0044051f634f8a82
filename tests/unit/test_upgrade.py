"""What `kernelsnap upgrade` commits together, and how it reads an environment."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from kernelsnap.bisect.axes.environments import Environments
from kernelsnap.bisect.errors import BisectError
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.pending.entry import Pending
from kernelsnap.upgrade.commit import units
from kernelsnap.upgrade.environment import Asked
from kernelsnap.upgrade.groups import CauseGroup
from kernelsnap.upgrade.report import Upgrade, markdown
from kernelsnap.upgrade.split import Origin


def group(name, *templates):
    entry = Pending("test_a.py", name, "", "h100", "goldens", name, "", templates=dict.fromkeys(templates, ""))
    return CauseGroup(Origin("torch"), (entry,), (), None)


def committed(*groups):
    return sorted(sorted(one.entries[0].test for one in unit) for unit in units(groups))


def test_groups_that_share_a_changed_template_are_one_commit():
    assert committed(group("a"), group("b"), group("c")) == [["a"], ["b"], ["c"]]
    assert committed(group("a", "flex"), group("b"), group("c", "flex")) == [["a", "c"], ["b"]]
    # One that has both templates joins those that have one each.
    assert committed(group("a", "x"), group("b", "y"), group("c", "x", "y"), group("d")) == [["a", "b", "c"], ["d"]]


def asked(tmp_path, *words, packages=None):
    recorded = Toolchain({"torch": "2.0", "triton": "2.0"}, packages=packages or {})
    return Asked("--to", words, recorded, Environments(tmp_path))


def test_versions_are_exact_and_named_as_packages_are(tmp_path):
    assert asked(tmp_path, "Torch==2.1", "flash_attn.4==4.0").named == {"torch": "2.1", "flash-attn-4": "4.0"}
    for word in ("torch", "torch>=2.1", "torch==2.1,<3,==2.2", "not a requirement"):
        with pytest.raises(BisectError, match="expected the path of a Python, or exact versions"):
            _ = asked(tmp_path, word).named


def test_an_environment_is_named_by_its_python_or_its_folder(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    by_folder, by_python = asked(tmp_path, str(tmp_path)), asked(tmp_path, str(tmp_path / "bin" / "python"))
    assert by_folder.named == by_python.named == {}
    assert by_folder.opened(yes=False).interpreter == by_python.opened(yes=False).interpreter


def test_a_new_torch_brings_the_other_packages_of_the_goldens(tmp_path):
    packages = {"transformers": {"5.2": (), "5.10": ()}, "flash-attn-4": {"4.0": ()}}
    with pytest.raises(BisectError) as error:
        asked(tmp_path, "torch==2.1", packages=packages).opened(yes=False)
    assert "torch==2.1, transformers==5.10, flash-attn-4==4.0 will be installed below" in str(error.value)
    with pytest.raises(BisectError) as error:
        asked(tmp_path, "triton==2.1", packages=packages).opened(yes=False)
    assert str(error.value).startswith("triton==2.1 will be installed below")


def test_where_no_golden_changes_the_versions_are_still_to_be_named():
    accept = ("kernelsnap", "accept", "--all")
    found = Upgrade("torch 2.0 -> 2.1", (), 3, (), (), None, "kernelsnap upgrade --to torch==2.1", accept, moves=True)
    assert markdown(found).endswith("in a git commit:  kernelsnap upgrade --to torch==2.1 --commit\n")
    assert markdown(replace(found, moves=False)).endswith("Nothing is left to decide.\n")
