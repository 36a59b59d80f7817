"""Ways in which an empty or wrong claim could have earned a green badge. Each went through once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.engine.made_numbers import GATE, kept, numbers, power, spread, stake, tried
from tests.engine.made_verdicts import draw, verdict
from tests.engine.test_badge import finding, holds, untouched
from tests.engine.test_bundle import BEHAVIOR, DIMENSIONS, ablation, bundle, messages
from tests.engine.test_role_tests import LOOKS_BACK, a_role, attention, judged, state_of
from workers.engine.badge import badge
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.document import Invalid
from workers.engine.documents.model import Dimensions
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


SIZE = Dimensions.from_json(DIMENSIONS)
"""Two layers of three heads."""


def of_small(expect: dict[str, Any], kind: Any = "effect", technique: str = "ablation", **spec: Any) -> Stake:
    return replace(stake(expect, kind, technique, **spec), dimensions=SIZE)


def on_place(place: str, on: Stake, **more: Any) -> Verdict:
    """The place changes the logit difference of 3 by 2."""
    draws = [
        numbers({place: spread(5.0, seed=index)}, clean=spread(3.0, seed=index + 9), draw=index, **more)
        for index in (0, 1)
    ]
    return verdict(*draws, on=on, control=tried(2.0, [0.01] * 199))


ADDED = {"minus": "other", "coefficient": 1, "report": "change"}


def steered(place: str, **spec: Any) -> Stake:
    return of_small({"at_least": 1.0}, "effect", "steering", components=[place], **{**ADDED, **spec})


def directed(place: str, **spec: Any) -> Stake:
    stated = {"minus": "other", "at": "resid.1@END", **spec}
    return of_small({"at_least": 1.0}, "effect", "direction", components=[place], **stated)


@pytest.mark.parametrize(
    ("on", "shown"),
    [
        (steered("mlp.0@END", at="resid.1@END"), False),
        (steered("mlp.0@END", coefficient=40), False),
        (steered("mlp.0@END", counted_in="lengths"), False),
        (steered("mlp.0@END", coefficient=-1), True),
        (steered("resid.1", at="resid.1@END"), True),
        (directed("attn.0@END", action="add", coefficient=1), False),
        (directed("attn.0@END", action="ablate"), True),
    ],
)
def test_what_is_added_from_elsewhere_does_not_show_the_place_it_is_added_at(on: Stake, shown: bool) -> None:
    """A direction of the last stream, added to an MLP that does nothing, had that MLP covered; so would 40 times its
    own difference.
    """
    place = on.spec.values()["components"][0]
    found = on_place(place, on)
    assert (found.outcome, found.vacuous, found.members) == ("holds", False, {place: shown})


@pytest.mark.parametrize(("window", "shown"), [(1, True), (3, False)])
def test_a_window_of_layers_does_not_show_the_one_in_its_middle(window: int, shown: bool) -> None:
    spec = {"noised": ["embed@S1"], "components": ["mlp.1@S1"], "window": window, "report": "change"}
    on = of_small({"at_least": 1.0}, "effect", "causal_tracing", **spec)
    draws = {"corrupted": {"logit_diff": spread(1.0)}, "base": "corrupted"}
    assert on_place("mlp.1@S1", on, **draws).members == {"mlp.1@S1": shown}


@pytest.mark.parametrize("place", ["resid.2@END", "resid.1@END"])
@pytest.mark.parametrize(
    ("technique", "spec"),
    [
        ("activation_patching", {"corruption": "other", "report": "change"}),
        ("path_patching", {"corruption": "other", "report": "change"}),
        ("causal_tracing", {"noised": ["embed@S1"], "report": "change"}),
        ("steering", ADDED),
    ],
)
def test_what_is_written_where_the_answer_is_read_is_the_answer_of_any_model(
    technique: str, spec: dict[str, Any], place: str
) -> None:
    """The last residual stream brings all of it back, by construction: its node was covered, its finding Verified."""
    on = of_small({"at_least": 1.0}, "effect", technique, components=[place], **spec)
    corrupted = {"corrupted": {"logit_diff": spread(1.0)}, "base": on.spec.base}
    assert on_place(place, on, **corrupted).vacuous == (place == "resid.2@END")


def test_a_ranking_may_have_the_last_stream_beside_what_it_names() -> None:
    places = ["resid.0@END", "resid.1@END", "resid.2@END"]
    spec = {"components": places, "over": "each", "corruption": "other", "report": "change"}
    values = {place: spread(4.0 + i, seed=i) for i, place in enumerate(places)}
    draws = [numbers(values, clean=spread(3.0, seed=index + 9), draw=index) for index in (0, 1)]
    for named, vacuous in (("resid.2@END", True), ("resid.1@END", False)):
        rank = {"rank_at_most": 1, "component": named}
        assert verdict(*draws, on=of_small(rank, "effect", "activation_patching", **spec)).vacuous == vacuous


@pytest.mark.parametrize(("number", "vacuous"), [(4711, True), (None, False)])
def test_a_random_direction_is_no_finding(number: int | None, vacuous: bool) -> None:
    """One in twenty is specific, so an author who tries a few finds one."""
    assert on_place("resid.1@END", steered("resid.1@END", random=number)).vacuous == vacuous


@pytest.mark.parametrize(
    ("circuit", "others", "vacuous"),
    [
        (["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"], "heads", True),
        (["0.0", "0.1", "0.2", "1.0", "1.1", "1.2@END"], "heads", False),
        (["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"], "heads_and_mlps", False),
        (["0.0", "0.1", "0.2", "1.0", "1.1", "1.2", "mlp.0", "mlp.1"], "heads_and_mlps", True),
    ],
)
def test_the_whole_model_is_complete_and_to_say_so_is_to_say_nothing(
    circuit: list[str], others: str, vacuous: bool
) -> None:
    """Any smaller circuit breaks the bound, so it had power, too."""
    spec = {"components": ["0.0"], "circuit": circuit, "others": others}
    on = of_small({"value": 0.0, "tolerance": 0.1}, "absence", "completeness", **spec)
    floor = {"floor": {"logit_diff": spread(3.0)}}
    found = verdict(draw(0.0, **floor), draw(0.0, 1, **floor), on=on, control=power(draw(-2.5, **floor)))
    assert (found.outcome, found.vacuous) == ("holds", vacuous)


def test_what_is_not_in_the_circuit_cannot_be_knocked_out_there() -> None:
    """The circuit stood as it was, and the sentence said otherwise; so it did for one position of a whole head."""
    for outside in ("0.1", "0.0@END"):
        with pytest.raises(Invalid, match="not in the circuit"):
            stake({"at_most": -1.0}, technique="completeness", components=[outside], circuit=["0.0", "1.0"])


NEEDED = {
    "technique": "ablation",
    "spec": {"metric": "logit_diff", "components": ["$head"]},
    "expect": {"at_most": -1.0},
}


def test_to_knock_out_a_whole_layer_tests_none_of_its_heads() -> None:
    """A wildcard is one word, and was taken for one head."""
    layer = {"id": "a", "technique": "ablation", "spec": {"metric": "logit_diff", "components": ["1.*"]}}
    claim = {**layer, "expect": {"at_most": -1.0}}
    for state in (holds(), judged(("1.2", 0.0, 0.1))):
        assert state_of(a_role(NEEDED), claim, a=state) == "not_tested"
    assert state_of(a_role(LOOKS_BACK), attention("a", 0.4, "1.*", over="mean"), a=holds()) == "not_tested"


def test_a_layer_that_fails_by_another_head_does_not_fail_this_one() -> None:
    by_another = judged(("1.2[induction]", 0.7, 0.9), ("1.3[induction]", 0.0, 0.1))
    assert state_of(a_role(LOOKS_BACK), attention("a", 0.4, "1.*", over="each"), a=by_another) == "undecided"


def test_to_undo_the_noise_where_it_enters_is_no_control() -> None:
    """It brings everything back by construction, and took the badge of every early site."""
    tracing = {"noised": ["embed@S1"], "components": ["resid.1@S1"]}
    assert stake({"at_least": 0.5}, technique="causal_tracing", **tracing).spec.out_of_reach(SIZE) == ("resid.0",)
