"""Ways in which an empty or wrong claim could have earned a green badge. Each went through once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.made_numbers import GATE, kept, numbers, power, spread, stake, tried
from tests.engine.made_verdicts import draw, verdict
from tests.engine.test_badge import finding, holds, untouched
from tests.engine.test_bundle import BEHAVIOR, ablation, bundle, messages
from workers.engine.badge import badge
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.document import Invalid
from workers.engine.judge import Stake, Verdict, judge
from workers.engine.numbers import Numbers
from workers.engine.prompts import GENERATORS
from workers.engine.prompts.token_table import TokenTableSource

ELSEWHERE = {"behavior": "easy", "revision": "sha256:" + "1" * 64}


def on_another_behavior(name: str) -> dict[str, Any]:
    spec = {"metric": "logit_diff", "components": ["0.0", "0.1"], "prompts": ELSEWHERE}
    return {"id": name, "technique": "ablation", "spec": spec, "expect": {"at_most": -1.0}}


def test_what_heads_do_for_another_behavior_covers_no_node_of_this_one() -> None:
    found = badge(finding(on_another_behavior("a")), {"a": holds()})
    assert found.state == "undecided"
    assert set(found.nodes.values()) == {"not_covered"}


def test_a_claim_about_another_behavior_may_stand_beside_those_that_cover() -> None:
    own = {**on_another_behavior("b"), "spec": {"metric": "logit_diff", "components": ["0.0", "0.1"]}}
    found = badge(finding(on_another_behavior("a"), own, untouched("c")), dict.fromkeys("abc", holds()))
    assert found.state == "verified"


@pytest.mark.parametrize("metric", ["loss", "rank", "kl", "attention"])
def test_a_metric_that_is_small_where_a_model_is_good_cannot_show_a_behavior(metric: str) -> None:
    """A loss above its threshold would have let through every model that fails at the task."""
    with pytest.raises(Invalid, match="larger"):
        Behavior.from_json({**BEHAVIOR.values(), "metric": metric, "chance": 1.0, "threshold": 2.0})


@pytest.mark.parametrize("metric", ["logit_diff", "prob", "accuracy"])
def test_chance_is_not_declared_below_what_knowing_nothing_gives(metric: str) -> None:
    with pytest.raises(Invalid, match="chance"):
        Behavior.from_json({**BEHAVIOR.values(), "metric": metric, "chance": -5.0, "threshold": -4.0})


def ranked(most: int, count: int) -> Verdict:
    """0.0, by 0.5 the best of `count` heads that are all named, so that no random set is left."""
    names = [f"0.{number}" for number in range(count)]
    on = stake({"rank_at_most": most, "component": "0.0"}, components=names, over="each", report="change")
    draws = []
    for index in (0, 1):
        clean = spread(3.0, seed=index)
        values = {name: spread(2.5 if name == "0.0" else 2.0, seed=7 + i) for i, name in enumerate(names)}
        draws.append(numbers(values, clean=clean, draw=index))
    return judge(on, GATE, draws, tried(-0.5, [], possible=0))


def test_a_rank_that_many_of_those_named_have_is_not_specific() -> None:
    """Naming every head leaves no random set; being among the 15 first of 40 would still be said of any."""
    found = ranked(15, 40)
    assert (found.outcome, found.specific) == ("holds", "no")
    assert ranked(2, 40).specific == "yes"


def test_a_rank_among_few_is_as_untestable_as_ever_but_not_if_most_have_it() -> None:
    assert ranked(1, 8).specific == "not_testable"
    assert ranked(7, 8).vacuous and not ranked(1, 8).vacuous


@pytest.mark.parametrize(("others", "specific"), [([-3.0, -2.5, 0.0], "no"), ([-3.0, 0.0, 0.0], "not_testable")])
def test_what_half_of_the_few_others_do_as_well_is_not_specific(others: list[float], specific: str) -> None:
    """Of the four MLPs of a small model the third best would have been green: no random control was possible."""
    found = verdict(draw(-2.0), draw(-2.0, 1), control=tried(-2.0, others, possible=3))
    assert found.specific == specific


def changed_by(change: float, on: Stake, **more: Any) -> Verdict:
    draws = [draw(change, index, width=abs(change) / 10, **more) for index in (0, 1)]
    return verdict(*draws, on=on, control=tried(-1.0, [], possible=0))


def test_a_fraction_does_not_make_a_tiny_effect_a_members_own() -> None:
    """One thousandth of a logit, but on every prompt the same way."""
    on = stake({"at_most": 0.1}, report="change", statistic="fraction")
    assert changed_by(-0.001, on).members == {"0.0": False}
    assert changed_by(-0.5, on).members == {"0.0": True}


def test_a_correlations_members_are_held_to_one_percent_of_the_gap() -> None:
    on = stake({"at_most": 0.99}, report="raw", statistic="correlation")
    draws = [
        numbers({"0.0": spread(299.0, seed=index + 50)}, clean=spread(300.0, seed=index), draw=index)
        for index in (0, 1)
    ]
    assert verdict(*draws, on=on).members == {"0.0": False}


def test_a_divergence_that_any_head_has_is_no_effect_of_its_own() -> None:
    """The untouched run diverges from itself by nothing, and one percent of nothing is nothing."""
    on = stake({"at_least": 0.001}, metric="kl", report="raw")
    draws = [
        numbers({"0.0": spread(0.002, width=0.0001, seed=index)}, clean=(0.0,) * 64, metric="kl", draw=index)
        for index in (0, 1)
    ]
    assert verdict(*draws, on=on, control=tried(0.002, [], possible=0)).members == {"0.0": False}


def repeated(distinct: int, population: str) -> list[Numbers]:
    some = kept(distinct)
    prompts = tuple(one.model_copy(update={"unit": f"u{i}"}) for i, one in enumerate((some * 64)[:64]))
    return [draw(-2.0, index, prompts=prompts, population=population) for index in (0, 1)]


@pytest.mark.parametrize("population", ["seeded", "stated"])
def test_one_prompt_stated_many_times_is_one_prompt(population: str) -> None:
    assert verdict(*repeated(1, population)).outcome == "undecided"
    assert verdict(*repeated(7, population)).outcome == "undecided"
    assert verdict(*repeated(32, population)).outcome == "holds"


def test_three_prompts_are_no_population() -> None:
    few = draw(-2.0, n=3, population="enumerated", planned_looks=1)
    assert verdict(few).outcome == "undecided"


def test_rows_stated_one_by_one_are_a_list_and_no_population() -> None:
    table = {"sequence": ["$0", 3], "answers": [{"position": 1, "right": ["$0"]}]}
    listed = TokenTableSource.from_json({**table, "rows": [[1], [2], [4]]})
    counted = TokenTableSource.from_json({**table, "columns": [{"first": 0, "last": 20}]})
    draws = GENERATORS["token_table"].draws
    assert (draws(listed), draws(counted)) == ("stated", "enumerated")


@pytest.mark.parametrize(("place", "vacuous"), [("embed", True), ("resid.2", True), ("resid.2@END", False)])
def test_to_replace_the_whole_run_is_to_claim_nothing(place: str, vacuous: bool) -> None:
    """Whatever the model: patching its whole residual stream brings everything back, removing it leaves nothing."""
    on = stake({"at_most": -1.0}, components=[place])
    draws = [
        numbers({place: spread(0.0, seed=index)}, clean=spread(3.0, seed=index + 9), draw=index) for index in (0, 1)
    ]
    assert verdict(*draws, on=on).vacuous == vacuous


@pytest.mark.parametrize(
    ("statistic", "expect"),
    [
        ("correlation", {"value": 1.0, "tolerance": 0.05}),
        ("median", {"value": 0.0, "tolerance": 0.2}),
        ("fraction", {"value": 0.5, "tolerance": 0.05}),
    ],
)
def test_only_a_mean_can_be_absent(statistic: str, expect: dict[str, Any]) -> None:
    """Halving the number on every prompt leaves the correlation at 1, an effect on a third of them the median at 0."""
    on = stake(expect, kind="absence", statistic=statistic, report="raw" if statistic == "correlation" else "change")
    draws = [draw(0.0, index) for index in (0, 1)]
    assert verdict(*draws, on=on, control=power(draw(-2.5))).vacuous


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ({"given": [{"components": ["1.0"]}]}, "claims.0.spec.given", "1.0"),
        ({"given": [{"components": ["#pair"]}], "components": ["1.2@END"]}, "claims.0.spec.given", "1.2@END"),
        ({"contrast": ["#pair"]}, "claims.0.spec.contrast", "same"),
    ],
)
def test_what_is_edited_already_or_compared_with_itself_is_refused(spec: dict[str, Any], path: str, words: str) -> None:
    """Removing what has been removed changes nothing, and is then found to change nothing."""
    assert words in messages(bundle(ablation(**spec)))[path]
