"""Which members of a group have an effect of their own: passengers do not."""

from __future__ import annotations

from tests.engine.made_numbers import numbers, spread, stake
from tests.engine.made_verdicts import draw, verdict
from workers.engine.judge import Verdict


def grouped(**without: float) -> Verdict:
    """The group leaves 1 of 3; `without` says what is left when a member is spared."""
    group = stake({"at_most": -1.0}, components=["0.0", "0.1"])
    names = {"0.0": without["first"], "0.1": without["second"]}
    draws = [
        numbers(
            {"0.0+0.1": spread(1.0, seed=index)},
            members={name: spread(left, seed=index) for name, left in names.items()},
            draw=index,
        )
        for index in (0, 1)
    ]
    return verdict(*draws, on=group)


def test_a_passenger_in_a_good_group_is_not_shown() -> None:
    assert grouped(first=3.0, second=1.0).members == {"0.0": True, "0.1": False}


def test_a_member_that_works_against_its_group_is_not_shown() -> None:
    assert grouped(first=3.5, second=0.5).members == {"0.0": True, "0.1": False}


def test_an_effect_below_the_smallest_of_interest_is_not_shown() -> None:
    assert grouped(first=3.0, second=1.02).members == {"0.0": True, "0.1": False}
    assert grouped(first=3.0, second=1.10).members == {"0.0": True, "0.1": True}


def test_a_member_that_was_not_measured_by_itself_is_not_shown() -> None:
    group = stake({"at_most": -1.0}, components=["0.0", "0.1"])
    draws = [numbers({"0.0+0.1": spread(1.0, seed=index)}, draw=index) for index in (0, 1)]
    assert verdict(*draws, on=group).members == {"0.0": False, "0.1": False}


def test_a_lone_component_that_does_nothing_is_not_shown_by_its_raw_number() -> None:
    on = stake({"at_least": 2.0}, report="raw")
    found = verdict(draw(0.0), draw(0.0, 1), on=on)
    assert (found.outcome, found.members) == ("holds", {"0.0": False})


def test_a_claim_that_fails_covers_nothing() -> None:
    assert verdict(draw(-0.5), draw(-0.5, 1)).members == {}


def test_a_member_has_to_be_shown_in_both_draws() -> None:
    group = stake({"at_most": -1.0}, components=["0.0", "0.1"])
    draws = [
        numbers(
            {"0.0+0.1": spread(1.0, seed=index)},
            members={"0.0": spread(2.0, seed=index), "0.1": spread(second, seed=index)},
            draw=index,
        )
        for index, second in enumerate((2.0, 1.0))
    ]
    assert verdict(*draws, on=group).members == {"0.0": True, "0.1": False}
