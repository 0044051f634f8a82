"""The readers of files, over texts that were made by chance: a few here, and millions with `tools/fuzz.py`."""

from __future__ import annotations

import random

import pytest

import fuzz
import sweeps
from kernelsnap.errors import GoldenFormatError

RUNS = 400


@sweeps.over(list(fuzz.TARGETS))
def test_every_reader_reads_or_refuses_what_nobody_wrote(name):
    """The same texts in every run, so that what is red was broken by the change at hand."""
    assert fuzz.by_chance(name, seed=1, runs=RUNS) == RUNS


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_most_seeds_are_read(name):
    """A target whose seeds are all refused would test nothing but that."""
    target = fuzz.TARGETS[name]
    for seed in target.seeds()[:5]:
        target.read(seed)


def test_texts_that_were_made_by_chance_are_of_all_lengths_and_often_refused():
    rng, seeds = random.Random(1), fuzz.TARGETS["golden"].seeds()
    refused = 0
    texts = [fuzz.mutated(rng.choice(seeds), seeds, rng) for _ in range(100)]
    assert all(len(text) <= fuzz.LONGEST for text in texts)
    for text in texts:
        try:
            fuzz.TARGETS["golden"].read(text)
        except GoldenFormatError:
            refused += 1
    assert 30 < refused < 100


def test_what_is_read_wrongly_is_kept(monkeypatch, tmp_path):
    def broken(content):
        if b"metrics" not in content:
            raise IndexError("no metrics")

    monkeypatch.setattr(fuzz, "CRASHES", tmp_path)
    monkeypatch.setitem(fuzz.TARGETS, "golden", fuzz.Target(broken, fuzz.TARGETS["golden"].seeds))
    with pytest.raises(IndexError):
        fuzz.by_chance("golden", seed=1, runs=10_000)
    (kept,) = tmp_path.iterdir()
    assert b"metrics" not in kept.read_bytes()
