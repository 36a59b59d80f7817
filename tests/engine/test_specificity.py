"""Random sets for effects, a reference edit for absences."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.engine.made_numbers import power, spread, stake, tried
from tests.engine.made_verdicts import draw, verdict


def test_a_claim_any_head_satisfies_is_not_specific() -> None:
    found = verdict(draw(-2.0), draw(-2.0, 1), control=tried(-2.0, [-3.0, -2.5, -2.0] * 4 + [0.0] * 30))
    assert (found.outcome, found.specific) == ("holds", "no")
    assert found.control is not None and found.control.exceeding == 12


def test_ties_count_against_it_on_either_side() -> None:
    rise = stake({"at_least": 1.0})
    found = verdict(draw(2.0), draw(2.0, 1), on=rise, control=tried(2.0, [2.0] * 10 + [0.0] * 50))
    assert (found.outcome, found.specific) == ("holds", "no")


def test_trying_may_stop_at_ten_exceedances() -> None:
    assert verdict(draw(-2.0), draw(-2.0, 1), control=tried(-2.0, [-3.0] * 10)).specific == "no"


def test_extreme_in_the_other_direction_is_not_extreme() -> None:
    assert verdict(draw(-2.0), draw(-2.0, 1), control=tried(-2.0, [5.0] * 30)).specific == "yes"


def test_too_few_possible_sets_are_no_control_but_a_rank() -> None:
    found = verdict(draw(-2.0), draw(-2.0, 1), control=tried(-2.0, [0.0] * 7, possible=7))
    assert found.specific == "not_testable"
    assert found.control is not None and (found.control.rank, found.control.tried) == (1, 7)


def test_nineteen_sets_are_just_enough() -> None:
    control = tried(-2.0, [0.0] * 19, possible=19)
    found = verdict(draw(-2.0), draw(-2.0, 1), control=control)
    assert found.specific == "yes" and found.control is not None and found.control.p == 0.05


def test_a_control_cut_short_says_neither_yes_nor_no() -> None:
    assert verdict(draw(-2.0), draw(-2.0, 1), control=tried(-2.0, [0.0] * 5)).specific is None


def test_an_unsound_control_is_an_error() -> None:
    assert verdict(draw(-2.0), draw(-2.0, 1), control=tried(-2.0, [0.0] * 30, wrote=False)).outcome == "errored"
    assert verdict(draw(-2.0), draw(-2.0, 1), control=tried(math.nan, [0.0] * 30)).outcome == "errored"


ABSENT = stake({"value": 0.0, "tolerance": 0.2}, kind="absence")


def test_redundant_heads_are_absent_effects_shown_with_power() -> None:
    found = verdict(draw(0.0), draw(0.0, 1), on=ABSENT, control=power(draw(-2.5)))
    assert (found.outcome, found.vacuous, found.specific) == ("holds", False, None)
    assert found.control is not None and found.control.broke_the_bound
    assert found.control.reference == pytest.approx(-2.5)


def test_an_absence_that_could_not_have_been_missed_is_undecided() -> None:
    found = verdict(draw(0.0), draw(0.0, 1), on=ABSENT, control=power(draw(-0.1)))
    assert found.outcome == "undecided" and found.reason.startswith("no power")


def test_an_absence_without_its_power_control_is_undecided() -> None:
    assert verdict(draw(0.0), draw(0.0, 1), on=ABSENT, control=None).outcome == "undecided"


def test_an_absence_that_is_an_effect_fails_with_or_without_power() -> None:
    assert verdict(draw(-2.0), draw(-2.0, 1), on=ABSENT, control=None).outcome == "fails"


def test_an_absence_covers_no_member() -> None:
    assert verdict(draw(0.0), draw(0.0, 1), on=ABSENT, control=power(draw(-2.5))).members == {}


@pytest.mark.parametrize(
    ("expect", "vacuous"),
    [
        ({"value": 0.0, "tolerance": 0.29}, False),
        ({"value": 0.0, "tolerance": 0.31}, True),
        ({"between": [-0.2, 0.31]}, True),
        ({"at_least": -0.1}, True),
        ({"value": 0.2, "tolerance": 0.1}, True),
    ],
)
def test_an_absence_is_at_most_ten_percent_of_the_metric_either_way(expect: dict[str, Any], vacuous: bool) -> None:
    on = stake(expect, kind="absence")
    assert verdict(draw(0.0), draw(0.0, 1), on=on, control=power(draw(-2.5))).vacuous == vacuous


def test_an_absence_is_at_most_twenty_percent_of_the_gap_where_there_is_a_corruption() -> None:
    for tolerance, vacuous in ((0.39, False), (0.41, True)):
        on = stake({"value": 0.0, "tolerance": tolerance}, kind="absence", corruption="abc")
        draws = [draw(0.0, index, corrupted={"logit_diff": spread(1.0)}) for index in (0, 1)]
        assert verdict(*draws, on=on, control=power(draws[0])).vacuous == vacuous
