"""Meshes of devices inside the virtual device: made in a test, and used in what is captured."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import torch
import torch.distributed as dist

# Imported before the device is there, as in a test module.
from torch.distributed._functional_collectives import all_gather_tensor, all_reduce
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.testing._internal.distributed.fake_pg import FakeStore

from kernelsnap import capture
from kernelsnap.errors import DataDependentError

pytestmark = pytest.mark.usefixtures("on_h100")


@pytest.fixture(autouse=True)
def _processes(on_h100):
    dist.init_process_group(backend="fake", rank=1, world_size=4, store=FakeStore())
    yield
    dist.destroy_process_group()


def mesh_2d():
    return init_device_mesh("cuda", (2, 2), mesh_dim_names=("dp", "tp"))


def test_a_mesh_knows_its_ranks():
    mesh = mesh_2d()
    assert (mesh.size(), mesh.shape, mesh.get_coordinate()) == (4, (2, 2), (0, 1))
    assert mesh.mesh.tolist() == [[0, 1], [2, 3]]
    assert (mesh["tp"].get_local_rank(), mesh.get_local_rank("dp")) == (1, 0)
    assert mesh["tp"].mesh.tolist() == [0, 1]
    assert [part.mesh.tolist() for part in mesh._get_all_submeshes("tp")] == [[0, 1], [2, 3]]
    assert mesh._flatten("all").mesh.tolist() == [0, 1, 2, 3]
    assert repr(mesh).startswith("DeviceMesh((dp=2, tp=2)")


def test_a_mesh_of_a_list_or_of_groups():
    assert DeviceMesh("cuda", [[0, 2], [1, 3]]).get_coordinate() == (1, 0)
    assert DeviceMesh.from_group(dist.group.WORLD, "cuda").mesh.tolist() == [0, 1, 2, 3]
    one = init_device_mesh("cuda", (4,), mesh_dim_names=("x",))
    assert one._unflatten(0, (2, 2), ("a", "b")).mesh.tolist() == [[0, 1], [2, 3]]


def test_a_mesh_of_a_fake_tensor_is_an_error_that_says_what_to_give():
    with pytest.raises(DataDependentError, match=r"give it a list, as in DeviceMesh"):
        DeviceMesh("cuda", torch.arange(4))


def test_collectives_over_a_mesh():
    mesh, x = mesh_2d(), torch.randn(8, 8, device="cuda")
    captured = capture(lambda x: all_reduce(x.sin(), "sum", mesh["tp"].get_group()) + 1, x)
    assert "torch.ops._c10d_functional.all_reduce_.default" in [call.name for call in captured.graphs[0].calls]
    captured = capture(lambda x: all_gather_tensor(x.sin(), 0, mesh["tp"]) + 1, x)
    assert "all_gather_into_tensor" in captured.text


def test_distributed_tensors():
    mesh, x = mesh_2d()["tp"], torch.randn(8, 8, device="cuda")
    assert distribute_tensor(x, mesh, [Shard(0)]).to_local().shape == (4, 8)

    def gather(x):
        local = DTensor.from_local(x, mesh, [Shard(0)], run_check=False)
        return (local.sin() + 1).redistribute(mesh, [Replicate()]).to_local()

    captured = capture(gather, x)
    assert "all_gather_into_tensor" in captured.text


def test_a_training_step_in_tensor_parallel():
    mesh = mesh_2d()["tp"]
    module = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 16)).cuda()
    plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    captured = capture(parallelize_module(module, mesh, plan), torch.randn(4, 16, device="cuda"), backward=True)
    forward, backward = captured.graphs
    assert "all_reduce" in forward.text
    # A rank has half of the 32 columns.
    assert "(16, 16), (16, 1)" in backward.text
