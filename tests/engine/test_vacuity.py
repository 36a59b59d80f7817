"""Expectations that say nothing, or little."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.made_numbers import spread, stake
from tests.engine.made_verdicts import draw, verdict

SHARE = {"normalization": "share"}
FROM_ZERO = {"report": "kept", "action": "keep_only", "floor": "zero"}


@pytest.mark.parametrize(
    ("expect", "vacuous"),
    [
        ({"at_most": 0.5}, True),
        ({"at_most": 0.0}, True),
        ({"at_most": -0.5}, False),
        ({"value": -1.0, "tolerance": 1.0}, True),
        ({"value": -1.0, "tolerance": 0.9}, False),
        ({"between": [-100.0, 100.0]}, True),
    ],
)
def test_an_effect_that_contains_the_null_value_is_vacuous(expect: dict[str, Any], vacuous: bool) -> None:
    assert verdict(draw(-1.0), draw(-1.0, 1), on=stake(expect)).vacuous == vacuous


def test_a_raw_number_that_the_untouched_run_shows_too_is_vacuous() -> None:
    for least, vacuous in ((2.5, True), (3.5, False)):
        on = stake({"at_least": least}, report="raw")
        assert verdict(draw(0.0), draw(0.0, 1), on=on).vacuous == vacuous


@pytest.mark.parametrize(("least", "vacuous"), [(0.5, True), (2.5, False)])
def test_keeping_only_a_circuit_may_show_what_the_untouched_run_shows_but_not_what_keeping_none_does(
    least: float, vacuous: bool
) -> None:
    on = stake({"at_least": least}, report="raw", action="keep_only")
    floor = {"logit_diff": spread(1.0)}
    found = verdict(draw(0.0, floor=floor), draw(0.0, 1, floor=floor), on=on)
    assert (found.outcome, found.vacuous) == ("holds", vacuous)


def test_a_change_by_keeping_only_is_no_smaller_than_by_keeping_none() -> None:
    floor = {"logit_diff": spread(1.0)}
    for most, vacuous in ((-1.0, True), (-2.5, False)):
        on = stake({"at_most": most}, report="change", action="keep_only")
        assert verdict(draw(-2.8, floor=floor), draw(-2.8, 1, floor=floor), on=on).vacuous == vacuous


def test_an_enormous_tolerance_is_loose() -> None:
    assert verdict(draw(-1.0), draw(-1.0, 1), on=stake({"value": -1.0, "tolerance": 0.26})).loose
    assert not verdict(draw(-1.0), draw(-1.0, 1), on=stake({"value": -1.0, "tolerance": 0.25})).loose
    assert verdict(draw(-1.0), draw(-1.0, 1), on=stake({"between": [-1.3, -0.7]})).loose


@pytest.mark.parametrize(
    ("technique", "counted"),
    [("ablation", FROM_ZERO), ("faithfulness", SHARE)],
)
@pytest.mark.parametrize(("least", "vacuous"), [(0.3, True), (0.5, False), (0.9, False)])
def test_a_share_counted_from_zero_must_be_more_than_keeping_none_has(
    technique: str, counted: dict[str, str], least: float, vacuous: bool
) -> None:
    """The empty circuit has a third of the number: to claim less says nothing of what is kept."""
    on = stake({"at_least": least}, technique=technique, **counted)
    floor = {"logit_diff": spread(1.0)}
    found = verdict(draw(0.0, floor=floor), draw(0.0, 1, floor=floor), on=on)
    assert (found.outcome, found.vacuous, found.members) == ("holds", vacuous, {"0.0": True})


@pytest.mark.parametrize(("technique", "counted"), [("ablation", FROM_ZERO), ("faithfulness", SHARE)])
def test_a_share_near_zero_is_no_absence(technique: str, counted: dict[str, str]) -> None:
    """Keeping none has a third of the number: a share of 0 is not nothing done."""
    on = stake({"between": [-0.1, 0.1]}, "absence", technique=technique, **counted)
    floor = {"logit_diff": spread(1.0)}
    assert verdict(draw(-3.0, floor=floor), draw(-3.0, 1, floor=floor), on=on).vacuous


@pytest.mark.parametrize(("technique", "counted"), [("ablation", FROM_ZERO), ("faithfulness", SHARE)])
def test_what_keeping_none_shows_is_not_taken_for_zero_where_it_was_not_measured(
    technique: str, counted: dict[str, str]
) -> None:
    """Older numbers lack it: the lone head that is kept is not shown by them."""
    found = verdict(draw(0.0), draw(0.0, 1), on=stake({"at_least": 0.5}, technique=technique, **counted))
    assert (found.outcome, found.vacuous, found.members) == ("holds", False, {"0.0": False})
