"""Expectations that say nothing, or little."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.made_numbers import spread, stake
from tests.engine.made_verdicts import draw, verdict


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


def test_what_was_never_measured_is_not_taken_for_zero() -> None:
    """Counted from zero, nobody measured what keeping none shows: the lone head that is kept is not shown by it."""
    kept = stake({"at_least": 0.5}, report="kept", action="keep_only", floor="zero")
    found = verdict(draw(0.0), draw(0.0, 1), on=kept)
    assert (found.outcome, found.vacuous, found.members) == ("holds", False, {"0.0": False})
