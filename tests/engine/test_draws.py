"""One draw: its gate, and the positive control."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.engine.made_numbers import GATE, SOUND, numbers, power, spread, stake
from tests.engine.made_verdicts import FALL, draw, verdict
from workers.engine.judge import Verdict, decided


def test_a_model_without_the_behavior_decides_nothing() -> None:
    low = [draw(-2.0, index, gate=spread(0.2, seed=index)) for index in (0, 1)]
    found = verdict(*low)
    assert (found.outcome, found.reason) == ("undecided", "the model does not show the behavior")
    assert found.gate is not None and found.gate.measured == pytest.approx(0.2)
    assert decided(FALL, GATE, low[0])


def test_a_gate_whose_interval_reaches_below_the_threshold_is_not_passed() -> None:
    unclear = draw(-2.0, gate=spread(1.1, width=1.0))
    assert verdict(unclear, draw(-2.0, 1)).outcome == "undecided"
    assert not decided(FALL, GATE, unclear)


def test_the_behavior_itself_is_not_gated() -> None:
    shown = stake({"at_least": 0.5}, technique="behavior")
    low = [numbers({"": spread(0.8, seed=index)}, draw=index, gate=None) for index in (0, 1)]
    found = verdict(*low, on=shown, control=None)
    assert (found.outcome, found.gate, found.specific) == ("holds", None, None)


def test_a_share_of_no_gap_means_nothing() -> None:
    patched = stake({"at_least": 0.3}, technique="activation_patching", corruption="abc")
    same = {"logit_diff": spread(3.0, width=1.0, seed=5)}
    draws = [numbers({"0.0": spread(3.0)}, base="corrupted", corrupted=same, draw=index) for index in (0, 1)]
    found = verdict(*draws, on=patched, control=None)
    assert found.outcome == "undecided" and "divides by" in found.draws[0].reason


def test_a_gap_of_exactly_nothing_gives_no_number_at_all() -> None:
    patched = stake({"at_least": 0.3}, technique="activation_patching", corruption="abc")
    same = numbers({"0.0": spread(3.0)}, clean=spread(3.0), corrupted={"logit_diff": spread(3.0)})
    found = verdict(same, same.model_copy(update={"draw": 1}), on=patched, control=None)
    assert (found.outcome, found.measured, found.interval) == ("undecided", None, None)
    assert Verdict.read(found.text) == found


@pytest.mark.parametrize(
    ("sound", "says"),
    [
        ({"wrote": False}, "hook"),
        ({"null_difference": 0.1}, "null edit"),
        ({"null_difference": None}, "does not say"),
        ({"largest_change": None}, "does not say"),
        ({"largest_change": math.nan}, "not finite"),
        ({"oracle_difference": 0.01}, "plain hooks"),
        ({"oracle_difference": None}, "does not say"),
        ({"null_difference": math.nan}, "null edit"),
        ({"precision_difference": 0.2}, "float32 differ by 0.2; measure in float32"),
        ({"precision_difference": math.nan}, "measure in float32"),
    ],
)
def test_an_unsound_run_is_an_error(sound: dict[str, Any], says: str) -> None:
    broken = draw(-2.0, soundness=SOUND.model_copy(update=sound))
    found = verdict(broken, draw(-2.0, 1))
    assert found.outcome == "errored" and says in found.reason
    assert (found.measured, found.interval, found.members) == (None, None, {})


def test_what_only_reads_is_an_error_too_where_its_two_ways_differ() -> None:
    reading = stake({"at_least": 1.0}, technique="behavior")
    read_only = SOUND.model_copy(update={"largest_change": None, "null_difference": None})
    fine, off = (draw(2.0, soundness=read_only.model_copy(update={"oracle_difference": size})) for size in (0.0, 0.01))
    assert verdict(fine, fine.model_copy(update={"draw": 1}), on=reading, control=None).outcome == "holds"
    found = verdict(off, off.model_copy(update={"draw": 1}), on=reading, control=None)
    assert found.outcome == "errored" and "plain hooks differ" in found.reason


def test_an_intervention_that_changes_nothing_decides_nothing() -> None:
    idle = SOUND.model_copy(update={"largest_change": 0.0})
    found = verdict(draw(0.0, width=0.0, soundness=idle), draw(0.0, 1, soundness=idle), on=stake({"at_most": 1.0}))
    assert (found.outcome, found.reason) == ("undecided", "nothing was changed")


def test_a_written_change_without_effect_is_a_measured_zero() -> None:
    absent = stake({"value": 0.0, "tolerance": 0.1}, kind="absence")
    found = verdict(draw(0.0), draw(0.0, 1), on=absent, control=power(draw(-2.0)))
    assert found.outcome == "holds" and found.measured == pytest.approx(0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_an_error(bad: float) -> None:
    arm = (bad, *spread(1.0, 63))
    assert verdict(numbers({"0.0": arm}), draw(-2.0, 1)).outcome == "errored"
    assert verdict(draw(-2.0, gate=arm), draw(-2.0, 1)).outcome == "errored"


def test_a_missing_metric_is_an_error_and_no_zero() -> None:
    other = numbers({"0.0": spread(1.0)}, metric="prob")
    assert "holds no logit_diff" in verdict(other, draw(-2.0, 1)).reason


def test_a_gate_that_was_not_measured_is_an_error() -> None:
    found = verdict(draw(-2.0, gate=None), draw(-2.0, 1))
    assert (found.outcome, found.reason) == ("errored", "the behavior's own metric was not measured")


def test_a_floor_that_was_not_measured_is_an_error_and_no_zero() -> None:
    kept = stake({"at_least": 0.5}, report="kept", action="keep_only")
    found = verdict(draw(-1.0), draw(-1.0, 1), on=kept)
    assert (found.outcome, found.reason) == ("errored", "the floor was not measured")
