"""Programs of geometry: rotations, cameras, clouds of points, meshes, maps of voxels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

DYNAMIC = {"dynamic": True}


def _rotate(last: bool = False, eps: float = 1e-12) -> Callable[..., Any]:
    """Points turned by unit quaternions, whose real part comes first or last."""

    def run(q: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        q = F.normalize(q, dim=-1, eps=eps)
        real, imag = (q[..., 3:], q[..., :3]) if last else (q[..., :1], q[..., 1:])
        twice = 2 * torch.linalg.cross(imag, p)
        return p + real * twice + torch.linalg.cross(imag, twice)

    return run


def _rotate_back(q: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    q = F.normalize(q, dim=-1)
    real, imag = q[..., :1], -q[..., 1:]
    twice = 2 * torch.linalg.cross(imag, p)
    return p + real * twice + torch.linalg.cross(imag, twice)


def _rodrigues(small: float = 1e-4) -> Callable[..., Any]:
    """Matrices of axis-angle vectors."""

    def run(v: torch.Tensor) -> torch.Tensor:
        angle = v.norm(dim=-1, keepdim=True)
        ratio = torch.sin(angle) / angle.clamp(min=small)
        ratio = torch.where(angle < small, 1 - angle.square() / 6, ratio)
        x, y, z = (v * ratio).unbind(-1)
        zero = torch.zeros_like(x)
        return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))

    return run


def _project(near: float = 0.1) -> Callable[..., Any]:
    def run(p: torch.Tensor, k: torch.Tensor) -> Any:
        xy = p[..., :2] / p[..., 2:].clamp(min=near)
        r = xy.square().sum(-1, keepdim=True)
        bend = 1 + 0.1 * r
        return xy * bend * k[:2] + k[2:], p[..., 2] > near

    return run


def _neighbours(k: int = 8, alone: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, f: torch.Tensor) -> Any:
        gap = (x[:, None] - x[None]).square().sum(-1)
        if alone:
            gap = gap + torch.eye(len(x), device="cuda") * 1e9
        near = gap.topk(k, largest=False).indices
        return (f[near] - f[:, None]).amax(1), near

    return run


def _chamfer(both: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        gap = (x[:, :, None] - y[:, None]).square().sum(-1)
        there = gap.amin(2).mean()
        return there + gap.amin(1).mean() if both else there

    return run


def _voxels(kind: str = "sum", floor: bool = True) -> Callable[..., Any]:
    def run(p: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        cell = (p / 0.25).floor() if floor else (p / 0.25).round()
        at = (cell.long() % 16).mul(torch.tensor([256, 16, 1], device="cuda")).sum(-1)
        grid = torch.zeros(4096, f.shape[1], device="cuda")
        if kind == "sum":
            return grid.index_add(0, at, f)
        return grid.scatter_reduce(0, at[:, None].expand_as(f), f, kind, include_self=False)

    return run


def _normals(unit: bool = True) -> Callable[..., Any]:
    """Normals of a mesh's vertices, from those of its faces."""

    def run(v: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        a, b, c = v[faces].unbind(1)
        n = torch.linalg.cross(b - a, c - a)
        if unit:
            n = F.normalize(n, dim=-1)
        out = torch.zeros_like(v)
        for corner in range(3):
            out = out.index_add(0, faces[:, corner], n)
        return F.normalize(out, dim=-1)

    return run


def _polygon(x: torch.Tensor) -> torch.Tensor:
    """Areas of polygons, by the shoelace formula."""
    after = x.roll(-1, 1)
    return (x[..., 0] * after[..., 1] - x[..., 1] * after[..., 0]).sum(-1).abs() / 2


def _polygon_two(x: torch.Tensor) -> torch.Tensor:
    after = x.roll(-2, 1)
    return (x[..., 0] * after[..., 1] - x[..., 1] * after[..., 0]).sum(-1).abs() / 2


def _harmonics(order: int = 2, stacked: bool = True) -> Callable[..., Any]:
    def run(d: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        x, y, z = d.unbind(-1)
        basis = [torch.ones_like(x), y, z, x]
        if order > 2:
            basis += [x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
        if stacked:
            return (torch.stack(basis, -1)[..., None] * c[:, : len(basis)]).sum(1).sigmoid()
        return sum(b[:, None] * c[:, n] for n, b in enumerate(basis)).sigmoid()  # type: ignore[union-attr]

    return run


def _rigid(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """What Kabsch's algorithm decomposes: the covariance of two clouds."""
    w = w / w.sum(1, keepdim=True)
    x = x - (w[..., None] * x).sum(1, keepdim=True)
    y = y - (w[..., None] * y).sum(1, keepdim=True)
    return (w[..., None] * x).transpose(1, 2) @ y


def _triplane(combine: str = "product") -> Callable[..., Any]:
    def run(p: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
        out = None
        for plane, axes in zip(planes, ([0, 1], [1, 2], [2, 0]), strict=True):
            at = ((p[:, axes].tanh() + 1) * 31.5).long()
            got = plane[at[:, 0], at[:, 1]]
            out = got if out is None else out * got if combine == "product" else out + got
        assert out is not None
        return out

    return run


PROGRAMS: Programs = {
    "rotate": lambda: (_rotate(), (randn(500, 4), randn(500, 3))),
    "rotate_last": lambda: (_rotate(last=True), (randn(500, 4), randn(500, 3))),
    "rotate_eps": lambda: (_rotate(eps=1e-6), (randn(500, 4), randn(500, 3))),
    "rotate_back": lambda: (_rotate_back, (randn(500, 4), randn(500, 3))),
    "rotate_dynamic": lambda: (_rotate(), (randn(500, 4), randn(500, 3)), DYNAMIC),
    "rodrigues": lambda: (_rodrigues(), (randn(800, 3),)),
    "rodrigues_small": lambda: (_rodrigues(small=1e-6), (randn(800, 3),)),
    "rodrigues_double": lambda: (_rodrigues(), (randn(800, 3, dtype=torch.float64),)),
    "project": lambda: (_project(), (randn(4, 900, 3), randn(4))),
    "project_near": lambda: (_project(near=0.01), (randn(4, 900, 3), randn(4))),
    "project_planar": lambda: (_project(), (randn(4, 3, 900).transpose(1, 2), randn(4))),
    "neighbours": lambda: (_neighbours(), (randn(128, 3), randn(128, 16))),
    "neighbours_more": lambda: (_neighbours(k=12), (randn(128, 3), randn(128, 16))),
    "neighbours_alone": lambda: (_neighbours(alone=True), (randn(128, 3), randn(128, 16))),
    "chamfer": lambda: (_chamfer(), (randn(4, 100, 3, grad=True), randn(4, 120, 3)), TRAIN),
    "chamfer_one": lambda: (_chamfer(both=False), (randn(4, 100, 3, grad=True), randn(4, 120, 3)), TRAIN),
    "voxels": lambda: (_voxels(), (randn(3000, 3), randn(3000, 8))),
    "voxels_max": lambda: (_voxels("amax"), (randn(3000, 3), randn(3000, 8))),
    "voxels_round": lambda: (_voxels(floor=False), (randn(3000, 3), randn(3000, 8))),
    "normals": lambda: (_normals(), (randn(400, 3), integers(400, 700, 3))),
    "normals_area": lambda: (_normals(unit=False), (randn(400, 3), integers(400, 700, 3))),
    "normals_short": lambda: (_normals(), (randn(400, 3), integers(400, 700, 3, dtype=torch.int32))),
    "polygon": lambda: (_polygon, (randn(300, 12, 2),)),
    "polygon_two": lambda: (_polygon_two, (randn(300, 12, 2),)),
    "harmonics": lambda: (_harmonics(), (randn(600, 3), randn(600, 9, 3))),
    "harmonics_three": lambda: (_harmonics(3), (randn(600, 3), randn(600, 9, 3))),
    "harmonics_loop": lambda: (_harmonics(stacked=False), (randn(600, 3), randn(600, 9, 3))),
    "rigid": lambda: (_rigid, (*several(2, 8, 200, 3), randn(8, 200))),
    "triplane": lambda: (_triplane(), (randn(700, 3), randn(3, 64, 64, 12))),
    "triplane_strips": lambda: (_triplane(), (randn(700, 3), randn(3, 12, 64, 64).permute(0, 2, 3, 1))),
    "project_near_half": lambda: (_project(near=0.01), (randn(4, 900, 3, dtype=BF16), randn(4, dtype=BF16))),
    "triplane_sum_strips": lambda: (_triplane("sum"), (randn(700, 3), randn(3, 12, 64, 64).permute(0, 2, 3, 1))),
}  # fmt: skip
