"""Several components: each, mean, min, and rankings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.made_numbers import numbers, spread, stake
from tests.engine.made_verdicts import draw, verdict
from workers.engine.judge import Verdict
from workers.engine.numbers import Numbers


def several(**changes: float) -> list[Numbers]:
    """Heads 0.a, 0.b ... one by one, in a clean run of 3."""
    arms = {name.replace("_", "."): change for name, change in changes.items()}
    return [
        numbers(
            {name[1:]: spread(3.0 + change, seed=index * 10 + i) for i, (name, change) in enumerate(arms.items())},
            clean=spread(3.0, seed=index + 100),
            draw=index,
        )
        for index in (0, 1)
    ]


def of_each(expect: dict[str, Any], over: str = "each", **changes: float) -> Verdict:
    names = [name.replace("_", ".")[1:] for name in changes]
    return verdict(*several(**changes), on=stake(expect, components=names, over=over))


@pytest.mark.parametrize(
    ("over", "expect", "outcome"),
    [
        ("each", {"at_most": -0.5}, "fails"),
        ("each", {"at_most": -0.05}, "holds"),
        ("mean", {"at_most": -0.5}, "holds"),
        ("min", {"at_most": -1.5}, "holds"),
        ("min", {"at_least": -1.5}, "fails"),
        ("min", {"at_least": -2.5}, "holds"),
    ],
)
def test_over_each_mean_and_min(over: str, expect: dict[str, Any], outcome: str) -> None:
    assert of_each(expect, over, h0_0=-2.0, h0_1=-0.2).outcome == outcome


def test_each_shows_every_component_and_the_one_nearest_to_failing() -> None:
    found = of_each({"at_most": -0.05}, h0_0=-2.0, h0_1=-0.2)
    assert [one.component for one in found.draws[0].components] == ["0.0", "0.1"]
    assert found.measured == pytest.approx(-0.2, abs=0.05)


@pytest.mark.parametrize(
    ("order", "top", "outcome"),
    [
        ("smallest", ["0.0", "0.1"], "holds"),
        ("smallest", ["0.0", "0.2"], "fails"),
        ("largest", ["0.2", "0.3"], "holds"),
        ("largest", ["0.0"], "fails"),
    ],
)
def test_top(order: str, top: list[str], outcome: str) -> None:
    expect = {"top": top, "of": 4, "order": order}
    assert of_each(expect, h0_0=-2.0, h0_1=-1.0, h0_2=0.0, h0_3=0.5).outcome == outcome


def test_top_covers_only_what_it_claims() -> None:
    expect = {"top": ["0.0"], "of": 2, "order": "smallest"}
    assert of_each(expect, h0_0=-2.0, h0_1=-1.0).members == {"0.0": True}


def test_top_of_equals_is_undecided() -> None:
    assert of_each({"top": ["0.0"], "of": 2}, h0_0=-1.0, h0_1=-1.0).outcome == "undecided"


@pytest.mark.parametrize(
    ("rank", "component", "outcome"),
    [(1, "0.0", "holds"), (1, "0.1", "fails"), (2, "0.1", "holds"), (2, "0.2", "fails")],
)
def test_rank_at_most(rank: int, component: str, outcome: str) -> None:
    expect = {"rank_at_most": rank, "component": component, "order": "smallest"}
    found = of_each(expect, h0_0=-2.0, h0_1=-1.0, h0_2=0.0, h0_3=0.5)
    assert (found.outcome, found.measured) == (outcome, 1 + int(component[-1]))


@pytest.mark.parametrize(
    ("members", "threshold", "outcome"),
    [
        (["0.0", "0.1"], -0.5, "holds"),
        (["0.0"], -0.5, "fails"),
        (["0.0", "0.1", "0.2"], -0.5, "fails"),
        (["0.0"], -1.0, "undecided"),
    ],
)
def test_set_equals(members: list[str], threshold: float, outcome: str) -> None:
    expect = {"set_equals": members, "threshold": threshold, "order": "smallest"}
    found = of_each(expect, h0_0=-2.0, h0_1=-1.0, h0_2=0.0)
    assert found.outcome == outcome


def test_a_threshold_that_nothing_happened_meets_is_vacuous() -> None:
    expect = {"set_equals": ["0.0", "0.1"], "threshold": -5.0}
    assert of_each(expect, h0_0=-2.0, h0_1=-1.0).vacuous


@pytest.mark.parametrize(
    "expect",
    [
        {"top": ["0.0"], "of": 3},
        {"top": ["0.0", "0.1"], "of": 2},
        {"top": ["7.7"], "of": 2},
        {"rank_at_most": 2, "component": "0.0"},
    ],
)
def test_an_expectation_the_spec_does_not_measure_is_an_error(expect: dict[str, Any]) -> None:
    assert of_each(expect, h0_0=-2.0, h0_1=-1.0).outcome == "errored"


def test_a_ranking_of_one_group_is_an_error() -> None:
    assert verdict(draw(-2.0), draw(-2.0, 1), on=stake({"top": ["0.0"], "of": 2})).outcome == "errored"


def test_a_rank_that_two_share_is_undecided() -> None:
    expect = {"rank_at_most": 2, "component": "0.1", "order": "smallest"}
    found = of_each(expect, h0_0=-2.0, h0_1=-1.0, h0_2=-1.0)
    assert (found.outcome, found.interval) == ("undecided", (2.0, 3.0))
