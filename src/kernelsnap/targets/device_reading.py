"""From what a real GPU says about itself to a target, and to the table that defines it. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kernelsnap.errors import KernelsnapError
from kernelsnap.shared.data_files import parsed_toml
from kernelsnap.targets.lookup import TABLE, check_name
from kernelsnap.targets.target import NUMBERS, Source, Target, arch_of, problems

# What Triton's driver calls a number of `torch.cuda.get_device_properties` (backends/nvidia/driver.c, amd/driver.c of
# Triton 3.6 and 3.7). `max_shared_mem` is the limit of a block that opts in on NVIDIA, the only limit there is on AMD.
_TRITON_NAMES = {
    "multi_processor_count": "multiprocessor_count",
    "warp_size": "warpSize",
    "regs_per_multiprocessor": "max_num_regs",
    "shared_memory_per_block_optin": "max_shared_mem",
    "clock_rate": "sm_clock_rate",
    "memory_clock_rate": "mem_clock_rate",
    "memory_bus_width": "mem_bus_width",
}
_TRITON_NAMES_AMD = {
    **_TRITON_NAMES,
    "shared_memory_per_block": "max_shared_mem",
    # Shared memory belongs to a compute unit, and one block may have all of it.
    "shared_memory_per_multiprocessor": "max_shared_mem",
    "max_threads_per_multi_processor": "max_threads_per_sm",
}


class DeviceReadingError(KernelsnapError):
    """A real GPU could not be read, or what it says makes no target."""


@dataclass(frozen=True)
class Reading:
    """What a real GPU says about itself, through torch and Triton, in their words."""

    backend: Literal["cuda", "hip"]
    properties: Mapping[str, int | str]  # the attributes of torch.cuda.get_device_properties(i)
    torch: str  # its version
    limits: Mapping[str, int | str]  # what Triton's driver.active.utils.get_device_properties(i) returns
    triton: str  # its version; where it could not be asked, why, in brackets


@dataclass(frozen=True)
class Nearest:
    """The built-in target that a GPU is most like, and what they do not share: field, the GPU's value, the target's."""

    entry: Target
    differing: tuple[tuple[str, int | str, int | str], ...]

    @property
    def equal(self) -> bool:
        """Whether all numbers are the same."""
        return not any(field in NUMBERS for field, _, _ in self.differing)


def target_of(reading: Reading, name: str) -> Target:
    """The target that a GPU is. Numbers that torch does not tell are Triton's.

    Raises:
        DeviceReadingError: neither tells a number, or what they tell cannot be.
        TargetConfigError: no project may define a target of this name.
    """
    check_name(name)
    numbers, from_triton = {}, []
    for field in NUMBERS:
        value = reading.properties.get(field)
        # The minor number alone may be 0; elsewhere it stands for what a driver does not know.
        if not isinstance(value, int) or (value == 0 and field != "minor"):
            value = reading.limits.get(_triton_names(reading).get(field, ""))
            from_triton.append(field)
        if not isinstance(value, int):
            raise DeviceReadingError(
                f"{reading.properties.get('name', 'the GPU')}: neither torch {reading.torch} nor Triton "
                f"{reading.triton} says {field}; define the target by hand, see docs/targets.md"
            )
        numbers[field] = value
    gcn_arch_name = str(reading.properties.get("gcnArchName", "")) if reading.backend == "hip" else ""
    from_torch = tuple(field for field in NUMBERS if field not in from_triton)
    sources = (
        Source(from_torch, "measured", f"torch.cuda.get_device_properties of torch {reading.torch}"),
        Source(tuple(from_triton), "measured", f"the driver of Triton {reading.triton}"),
    )
    target = Target(
        name=name,
        device_name=str(reading.properties["name"]),
        backend=reading.backend,
        arch=arch_of(reading.backend, numbers["major"], numbers["minor"], gcn_arch_name),
        sources=tuple(source for source in sources if source.fields),
        gcnArchName=gcn_arch_name,
        **numbers,
    )
    for field, what in problems(target):
        raise DeviceReadingError(f"{target.device_name} makes no target: {field}: {what}")
    return target


def disagreements(reading: Reading) -> tuple[str, ...]:
    """Where Triton's driver says another number than torch, in words: the virtual device gives both the same one."""
    return tuple(
        f"Triton's {theirs} is {reading.limits[theirs]}, torch's {field} {reading.properties[field]}"
        for field, theirs in _triton_names(reading).items()
        if field in reading.properties
        and theirs in reading.limits
        and reading.properties[field] != reading.limits[theirs]
    )


def nearest(target: Target, entries: Iterable[Target]) -> Nearest | None:
    """Of the targets of the same architecture, or of the same device, the one that shares most numbers."""
    alike = [
        Nearest(entry, _differing(target, entry))
        for entry in entries
        if entry.device_name == target.device_name or (entry.is_gpu and entry.arch == target.arch)
    ]
    return min(alike, key=lambda found: len(found.differing), default=None)


def table_text(target: Target, comments: Iterable[str]) -> str:
    """The table that defines a target, as TOML, under comments of one line each."""
    # Imported late: the command line must not wait for it.
    import tomli_w

    source = "; ".join(
        source.citation if len(target.sources) == 1 else f"{', '.join(source.fields)}: {source.citation}"
        for source in target.sources
    )
    values: dict[str, Any] = {"device_name": target.device_name, "backend": target.backend}
    if target.gcnArchName:
        values["gcnArchName"] = target.gcnArchName
    values |= {"source": source, **{field: getattr(target, field) for field in NUMBERS}}
    table: Any = {target.name: values}
    for key in reversed(TABLE.split(".")):
        table = {key: table}
    return "".join(f"# {comment}\n" for comment in comments) + tomli_w.dumps(table)


def with_table(content: bytes, name: str, table: str) -> bytes:
    """A `pyproject.toml` with this table at its end; what it holds stays byte for byte.

    Raises:
        DeviceReadingError: the file has a table of this name, or no table can be added at its end.
    """
    tables: Any = _parsed(content, "it is not TOML")
    for key in TABLE.split("."):
        tables = tables.get(key, {}) if isinstance(tables, dict) else {}
    if name in tables:
        raise DeviceReadingError(f"[{TABLE}.{name}] is there already: remove it first, or give another --name")
    line_end = b"\r\n" if b"\r\n" in content else b"\n"
    gap = b"" if not content else line_end if content.endswith(b"\n") else line_end * 2
    added = gap + table.encode().replace(b"\n", line_end)
    _parsed(content + added, f"[{TABLE}] is not written as tables there: add this one by hand")
    return content + added


def _parsed(content: bytes, otherwise: str) -> dict[str, Any]:
    try:
        return parsed_toml(content.decode("utf-8"))
    except ValueError as error:
        raise DeviceReadingError(f"{otherwise} ({error})") from None


def _triton_names(reading: Reading) -> Mapping[str, str]:
    return _TRITON_NAMES if reading.backend == "cuda" else _TRITON_NAMES_AMD


def _differing(target: Target, entry: Target) -> tuple[tuple[str, int | str, int | str], ...]:
    fields = ("device_name", "gcnArchName", *NUMBERS)
    return tuple(
        (field, getattr(target, field), getattr(entry, field))
        for field in fields
        if getattr(target, field) != getattr(entry, field)
    )
