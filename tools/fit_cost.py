"""Fit the constants of the cost estimate to the half of the recorded pairs that is for fitting.

    python tools/fit_cost.py [--rounds 3]

Goes over the constants of `kernelsnap.cost.machine.Fitted` one after the other, and takes for each the value with the
least error of the ratios of pairs and of the times of their sides. Prints the constants; they are copied by hand.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import fields, replace

from cost_accuracy import accuracy, h200, recorded
from cost_pairs.split import half
from kernelsnap.cost.estimate import GoldenCost, estimate_on
from kernelsnap.cost.machine import Fitted

# No part of a rate is more than the whole.
_AT_MOST = dict.fromkeys(("dram", "issue", "sfu", "fp64", "tensor", "library", "attention", "attention_backward"), 1.0)
_AT_MOST["l2_rate"] = 11.0  # about what one multiprocessor takes, times their number
_STEPS = (0.7, 0.85, 0.93, 1.07, 1.18, 1.4)
# Beyond this error of a logarithm a pair is a miss, and how far it is off says nothing more.
_MISS = 0.35


def _error(value: float) -> float:
    size = abs(value)
    return size * size if size < _MISS else 2 * _MISS * size - _MISS * _MISS


def main() -> None:
    """Fit, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found, machine = recorded(), h200()
    pairs = [pair for pair in found.pairs if half(pair.name) == "fit"]
    measured = {side: value for pair in pairs for side, value in zip(pair.sides, pair.measured, strict=True)}

    def costs(fitted: Fitted) -> dict[str, GoldenCost]:
        with_it = replace(machine, fitted=fitted)
        return {side: estimate_on(found.goldens[side], with_it) for side in measured}

    def loss(fitted: Fitted) -> float:
        of = costs(fitted)
        told = [pair for pair in pairs if not any(of[side].unknown for side in pair.sides)]
        ratios = sum(
            _error(math.log(of[new].time / of[old].time / pair.ratio)) for pair in told for old, new in [pair.sides]
        )
        times = sum(_error(math.log(of[side].time / value)) for side, value in measured.items() if not of[side].unknown)
        return ratios + 0.5 * times

    best = machine.fitted
    least = loss(best)
    print(f"{least:.3f} {accuracy(pairs, costs(best))}", flush=True)
    for _ in range(options.rounds):
        for name in (field.name for field in fields(Fitted)):
            for step in _STEPS:
                value = min(getattr(best, name) * step, _AT_MOST.get(name, math.inf))
                tried = replace(best, **{name: value})
                if (value := loss(tried)) < least - 1e-4:
                    least, best = value, tried
        print(f"{least:.3f} {accuracy(pairs, costs(best))}\n{best}", flush=True)


if __name__ == "__main__":
    main()
