"""Draws taken together: two that agree, re-checks, lists, populations, and what a verdict is made of."""

from __future__ import annotations

import pytest

from tests.engine.made_numbers import GATE, SOUND, kept, numbers, ones, spread, stake
from tests.engine.made_verdicts import CONTROL, FALL, draw, verdict
from workers.engine.judge import Gate, Verdict, decided, judge
from workers.engine.numbers import Numbers


def test_two_draws_that_agree_hold() -> None:
    found = verdict(draw(-2.0), draw(-2.0, 1))
    assert (found.outcome, found.specific) == ("holds", "yes")
    assert found.measured == pytest.approx(-2.0)
    assert found.interval is not None and found.interval[1] < -1.9
    assert [one.outcome for one in found.draws] == ["holds", "holds"]
    assert found.members == {"0.0": True}


def test_two_draws_that_agree_fail() -> None:
    assert verdict(draw(-0.5), draw(-0.5, 1)).outcome == "fails"


def test_one_draw_decides_nothing() -> None:
    found = verdict(draw(-2.0))
    assert found.outcome == "undecided" and "second" in found.reason


def test_no_draw_is_not_a_verdict_about_anything() -> None:
    assert verdict().model_dump(exclude_defaults=True) == {"outcome": "undecided", "reason": "nothing was measured yet"}


def test_a_number_fitted_to_the_noise_of_one_draw_does_not_hold() -> None:
    """Draw 0 happened to measure 0.30; the truth is 0.10."""
    fitted = stake({"value": -0.30, "tolerance": 0.05})
    found = verdict(draw(-0.30, 0), draw(-0.10, 1), on=fitted)
    assert found.outcome == "undecided"
    assert [one.outcome for one in found.draws] == ["holds", "fails"]


def test_the_first_look_that_decides_counts() -> None:
    late = [3.0 + one for one in (*spread(-2.0, 64), *spread(5.0, 192))]
    found = verdict(numbers({"0.0": late}, clean=(3.0,) * 256, looks=(64, 256)), draw(-2.0, 1))
    first = found.draws[0]
    assert (first.look, first.prompts, first.outcome) == (0, 64, "holds")


def test_an_interval_across_the_edge_goes_on_to_the_next_look() -> None:
    wide = draw(-1.1, n=256, width=1.0, looks=(64, 256))
    assert verdict(wide).draws[0].look == 1


def test_within_the_noise_floor_of_the_edge_nothing_is_decided() -> None:
    noisy = SOUND.model_copy(update={"noise_floor": 0.5})
    sharp = [draw(-1.4, index, width=0.001) for index in (0, 1)]
    floored = [draw(-1.4, index, width=0.001, soundness=noisy) for index in (0, 1)]
    assert verdict(*sharp).outcome == "holds"
    assert verdict(*floored).outcome == "undecided"


def test_decided_says_when_to_stop() -> None:
    assert decided(FALL, GATE, draw(-2.0))
    assert decided(FALL, GATE, draw(-0.5))
    assert not decided(FALL, GATE, draw(-1.1, width=1.0))


def test_a_draw_goes_on_until_each_members_own_effect_is_clear() -> None:
    group = stake({"at_most": -1.0}, components=["0.0", "0.1"])
    clear = {"0.0": spread(2.0, seed=1), "0.1": spread(2.0, seed=2)}
    unclear = {"0.0": spread(2.0, seed=1), "0.1": spread(1.03, width=1.0, seed=2)}
    assert decided(group, GATE, numbers({"0.0+0.1": spread(1.0)}, members=clear))
    assert not decided(group, GATE, numbers({"0.0+0.1": spread(1.0)}, members=unclear))


def test_a_recheck_leaves_a_decided_verdict_standing() -> None:
    unclear = [draw(-1.02, index, width=1.0) for index in (2, 3)]
    assert verdict(draw(-2.0), draw(-2.0, 1), *unclear).outcome == "holds"


def test_all_draws_together_can_turn_a_verdict() -> None:
    later = [draw(0.0, index, n=256) for index in (2, 3)]
    found = verdict(draw(-2.0), draw(-2.0, 1), *later)
    assert found.outcome == "fails" and "together" in found.reason


def test_asking_again_makes_it_harder_to_decide() -> None:
    """Pooled, the four draws lie 2.9 standard errors below the edge: enough for one look (2.5), not for a re-check."""
    draws = [draw(-1.29, index, width=1.6) for index in range(4)]
    assert verdict(*draws).outcome == "undecided"
    assert verdict(draw(-1.29, n=256, width=1.6), draw(-1.29, 1, n=256, width=1.6)).outcome == "holds"


def test_all_draws_together_decide_what_two_could_not() -> None:
    draws = [draw(-1.5, index, width=2.0) for index in range(2)]
    more = [draw(-1.5, index, n=256, width=2.0) for index in (2, 3)]
    assert verdict(*draws).outcome == "undecided"
    assert verdict(*draws, *more).outcome == "holds"


def test_an_enumerated_population_is_exact_and_one_draw_decides() -> None:
    exact = stake({"at_least": 0.9}, technique="behavior", metric="accuracy")
    whole = numbers(
        {"": ones(95, 100)}, clean=ones(95, 100), metric="accuracy", population="enumerated", planned_looks=1, gate=None
    )
    found = judge(exact, Gate("accuracy", 0.1, 0.5), [whole], None)
    assert (found.outcome, found.measured, found.interval) == ("holds", 0.95, (0.95, 0.95))
    assert found.exhaustive and not found.stated_prompts_only


def test_an_enumerated_population_is_never_judged_before_it_is_whole() -> None:
    exact = stake({"at_least": 0.9}, technique="behavior", metric="accuracy")
    arm = (*ones(64, 64), *(0.0,) * 36)
    whole = numbers(
        {"": arm}, clean=arm, metric="accuracy", population="enumerated", planned_looks=1, gate=None, looks=(64, 100)
    )
    assert judge(exact, Gate("accuracy", 0.1, 0.5), [whole], None).outcome == "fails"


def test_stated_prompts_are_one_draw_at_a_stricter_level() -> None:
    stated = draw(-2.0, population="stated", seed=None, planned_looks=1)
    found = verdict(stated)
    assert found.outcome == "holds" and found.stated_prompts_only
    near = draw(-1.035, population="stated", seed=None, planned_looks=1)
    assert verdict(near).outcome == "undecided"
    assert verdict(draw(-1.035, planned_looks=1), draw(-1.035, 1, planned_looks=1)).outcome == "holds"


def test_accuracies_keep_a_width_where_nothing_changed() -> None:
    """No prompt of 64 changed: that is no proof that fewer than one in 20 does."""
    absent = stake({"value": 0.0, "tolerance": 0.05}, kind="absence", metric="accuracy")
    gate = Gate("accuracy", 0.1, 0.5)
    draws = [
        numbers({"0.0": ones(64)}, clean=ones(64), metric="accuracy", gate=ones(64), draw=index) for index in (0, 1)
    ]
    found = judge(absent, gate, draws, None)
    assert [one.outcome for one in found.draws] == ["undecided", "undecided"]


def test_prompts_of_one_unit_count_once() -> None:
    twice = [draw(-1.05, index, n=64, width=0.1) for index in (0, 1)]
    paired = [draw(-1.05, index, n=64, width=0.1, prompts=kept(64, per_unit=8)) for index in (0, 1)]
    assert [one.draws[0].outcome for one in (verdict(*twice), verdict(*paired))] == ["holds", "undecided"]


def test_a_verdict_is_a_document() -> None:
    found = verdict(draw(-2.0), draw(-2.0, 1))
    assert Verdict.read(found.text) == found


def test_too_few_prompts_give_no_interval_and_no_verdict() -> None:
    few = [draw(-2.0, index, n=3) for index in (0, 1)]
    found = verdict(*few)
    assert (found.outcome, found.interval) == ("undecided", None)
    assert Verdict.read(found.text) == found


def test_stored_numbers_give_the_same_verdict() -> None:
    draws = [draw(-2.0), draw(-2.0, 1)]
    assert judge(FALL, GATE, [Numbers.read(one.text) for one in draws], CONTROL) == verdict(*draws)
