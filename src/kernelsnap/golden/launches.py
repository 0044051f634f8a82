"""How a file shows a launch configuration: `XBLOCK 128  warps 4  stages 1  maxnreg=64`."""

from __future__ import annotations

from kernelsnap.golden.lines import Lines
from kernelsnap.model.capture import LaunchConfig


def render_launch(launch: LaunchConfig) -> str:
    """The fields of a launch: its blocks, warps and stages, then what differs from Triton's defaults."""
    fields = [f"{name} {value}" for name, value in launch.blocks]
    fields += [f"warps {launch.num_warps}", f"stages {launch.num_stages}"]
    fields += [f"{name}={value}" for name, value in launch.options]
    return "  ".join(fields)


def parse_launch(lines: Lines, line: str) -> LaunchConfig:
    """The launch in these fields. Raises `GoldenFormatError` for the line that was read last."""
    blocks: list[tuple[str, int]] = []
    options: list[tuple[str, str]] = []
    for text in line.split("  "):
        name, separator, value = text.partition("=")
        if separator:
            options.append((name, value))
        else:
            name, found, number = text.partition(" ")
            if not found:
                lines.fail(f"expected two fields: {text!r}")
            if not number.lstrip("-").isdecimal():
                lines.fail(f"not a number: {text!r}")
            blocks.append((name, int(number)))
    if [name for name, _ in blocks[-2:]] != ["warps", "stages"]:
        lines.fail("a launch names its blocks, then warps and stages")
    return LaunchConfig(tuple(blocks[:-2]), blocks[-2][1], blocks[-1][1], tuple(options))
