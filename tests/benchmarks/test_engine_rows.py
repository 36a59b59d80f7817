"""Ratios of arms: what is scaled, what is compared, and what is skipped."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.engine.__main__ import reaches
from benchmarks.engine.growth import SMALLER, doubled
from benchmarks.engine.inputs import Shape
from benchmarks.engine.machine import least_operations
from benchmarks.engine.rounds import Compared, Took
from benchmarks.engine.rows import Row, Skipped, difference, limit_of, rows
from benchmarks.engine.works import WORKS, Work, first_heads, heads
from workers.engine.batches import BUDGET
from workers.engine.replay import CPU_BUDGET

SHAPE = Shape(layers=2, heads=3, pairs=1, length=4, first=2)
SWEEP = Work("W", "sweep", first_heads, heads, {"quick": 2.0, "*": 1.5}, ("quick", "slow", "gone"))
OURS = torch.arange(6.0)[:, None]  # (intervention, pairs)


def took(*seconds: float) -> list[Took]:
    return [Took(second, cpu=2 * second, peak=3 * 2**20) for second in seconds]


def compared(theirs: torch.Tensor, absent: dict[str, str] | None = None) -> Compared:
    found = {
        "ours": {"found": OURS, "prepared": torch.ones(1, 1)},
        "quick": {"found": theirs},
        "slow": {"found": theirs},
    }
    times = {"ours": took(1, 2, 4), "quick": took(2, 8, 12), "slow": took(10, 20, 40)}
    return Compared(times, found, {"gone": "not installed"} if absent is None else absent)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    quick, slow, gone = rows(SWEEP, compared(OURS[[0, 3]]), SHAPE, 3)
    assert isinstance(quick, Row) and isinstance(slow, Row)
    assert (quick.ratio, quick.low, quick.high, quick.reach) == (3, 2, 4, 2)
    assert (slow.ratio, slow.low, slow.high, slow.reach) == (10, 10, 10, 1.5)
    assert gone == Skipped("W sweep", "gone", "not installed")


def test_sampled_interventions_are_compared_with_the_same_ones_of_the_whole_sweep() -> None:
    row = next(rows(SWEEP, compared(OURS[[0, 3]] + torch.tensor([[0.25], [-0.5]])), SHAPE, 3))
    assert isinstance(row, Row)
    assert (row.largest_difference, row.sampled, row.effects) == (0.5, "2 of 6", (-1.0, 4.0))


def test_a_peer_with_numbers_of_another_shape_agrees_with_nothing() -> None:
    assert math.isnan(difference(OURS, OURS[:2]))


def test_without_our_own_arm_every_row_is_skipped() -> None:
    found = list(rows(SWEEP, compared(OURS[[0, 3]], absent={"ours": "broken"}), SHAPE, 3))
    assert [row.skipped for row in found if isinstance(row, Skipped)] == ["broken"] * 3


@pytest.mark.parametrize(
    ("limit", "times", "holds"), [(3, 1, True), (None, 1, True), (2, 1, False), (3, 0.5, False)], ids=str
)
def test_a_rowreaches_if_the_ratio_is_reached_within_the_memory(limit: int | None, times: float, holds: bool) -> None:
    row = next(rows(SWEEP, compared(OURS[[0, 3]]), SHAPE, limit))
    assert isinstance(row, Row)
    assert (row.ratio, row.peak_memory) == (3, 3)
    assert reaches(replace(row, ratio=times * row.ratio)) == holds


def test_the_limit_is_one_and_a_half_models_and_what_is_kept_and_in_flight(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.safetensors").write_bytes(bytes(2**20))
    assert limit_of(tmp_path) == 3 + (BUDGET + CPU_BUDGET) // 2**20


def test_each_layer_is_sampled_once() -> None:
    assert SWEEP.sampled(SHAPE) == ((0, 0), (1, 0))
    assert SWEEP.rows(SHAPE) == [0, 3]
    sweeps = [work for work in WORKS if work.sampled(SHAPE)]
    assert [work.interventions(Shape()) for work in sweeps] == [144, 180, 144]


def test_the_least_operations_of_a_sweep_worked_out_by_hand() -> None:
    """Two layers, three heads of 64: in units of one 192 x 192 product, tokens 2 and 3 changed, token 3 read."""
    unit = 2 * 192**2
    first = 2 * (1 + 8) + 2 * 2 + (1 + 1 + 8)  # its output and MLP twice; keys and values twice; the last layer once
    last = 1 + 8
    recorded = 2 * 2 * 4 * 12  # runs, layers, tokens
    assert least_operations(SHAPE) == pytest.approx(unit * (3 * (first + last) + recorded))


def test_growth_doubles_one_size_at_a_time() -> None:
    for what, larger in doubled(SMALLER).items():
        field = {"prompts": "pairs"}.get(what, what)
        assert getattr(larger, field) == 2 * getattr(SMALLER, field)
        others = {"layers", "heads", "pairs", "length"} - {field}
        assert all(getattr(larger, name) == getattr(SMALLER, name) for name in others)
