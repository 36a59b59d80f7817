"""What only a finding's neighbors show to be wrong with it, and what a measurement's hash depends on."""

from __future__ import annotations

from typing import Any

import pytest

from workers.engine.documents.behavior import Behavior
from workers.engine.documents.bundle import Bundle, control_of, measurement_of
from workers.engine.documents.finding import Finding
from workers.engine.documents.measurement import Measurement, Power, RandomSets
from workers.engine.documents.model import Model

BEHAVIOR = Behavior.from_json(
    {
        "slug": "induction",
        "title": "Induction",
        "prompts": {"default": {"generator": "repeated_tokens"}},
        "metric": "accuracy",
        "chance": 0.01,
        "threshold": 0.5,
    }
)
DIMENSIONS = {
    "layers": 2,
    "heads": 3,
    "key_value_heads": 3,
    "d_model": 12,
    "d_head": 4,
    "d_mlp": 8,
    "vocabulary": 99,
    "positions": 64,
}
MODEL = Model.from_json(
    {
        "slug": "small",
        "title": "Small",
        "weights": {"weights_sha256": "sha256:" + "a" * 64},
        "family": "gpt2",
        "tokenizer_sha256": None,
        "bos": 0,
        "chat_template": None,
        "dimensions": DIMENSIONS,
    }
)


def bundle(*claims: dict[str, Any], behavior: Behavior = BEHAVIOR, **changed: Any) -> Bundle:
    finding = {
        "slug": "f",
        "title": "F",
        "behavior": {"slug": "induction", "revision": BEHAVIOR.sha256},
        "model": {"slug": "small", "revision": MODEL.sha256},
        "circuit": {"nodes": [{"component": "1.0"}], "groups": {"pair": ["1.0", "1.2"]}},
        "claims": [{"id": f"c{number}", **claim} for number, claim in enumerate(claims)],
        **changed,
    }
    return Bundle(finding=Finding.from_json(finding), behaviors={"induction": behavior}, model=MODEL)


def ablation(expect: dict[str, Any] | None = None, kind: str = "effect", **spec: Any) -> dict[str, Any]:
    stated = {"metric": "accuracy", "components": ["#pair"], **spec}
    return {"technique": "ablation", "spec": stated, "expect": expect or {"at_most": -0.3}, "kind": kind}


def messages(found: Bundle) -> dict[str, str]:
    return {problem.path: problem.message for problem in found.problems()}


def measured(*claims: dict[str, Any], **changed: Any) -> list[Measurement]:
    of = bundle(*claims, **changed).checked()
    return [measurement_of(of, claim) for claim in of.finding.claims]


def test_a_sound_finding_has_no_problems() -> None:
    assert bundle(ablation()).problems() == []


def test_a_pin_must_be_of_what_lies_here() -> None:
    other = Behavior.from_json({**BEHAVIOR.values(), "threshold": 0.9})
    assert "pin it anew" in messages(bundle(ablation(), behavior=other))["behavior"]


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ({"components": ["7.0"]}, "claims.0.spec", "2 layers"),
        ({"components": ["1.3"]}, "claims.0.spec", "3 heads"),
        ({"components": ["1.0@IO"]}, "claims.0.spec", "no position IO"),
        ({"corruption": "abc"}, "claims.0.spec.corruption", "no corruption 'abc'"),
        ({"prompts": "long"}, "claims.0.spec.prompts", "no prompts 'long'"),
        ({"metric": "logit_diff"}, "claims.0.spec.metric", "wrong answers"),
    ],
)
def test_what_the_neighbors_do_not_have_is_refused(spec: dict[str, Any], path: str, words: str) -> None:
    assert words in messages(bundle(ablation(**spec)))[path]


def test_what_a_technique_refuses_it_refuses_in_a_group_too() -> None:
    circuit = {"nodes": [], "groups": {"pair": ["1.0[END>FIRST]"]}}
    assert any("cannot be ablated" in words for words in messages(bundle(ablation(), circuit=circuit)).values())


@pytest.mark.parametrize(
    ("claim", "path", "words"),
    [
        (ablation({"top": ["1.0"], "of": 6}, components=["*.*"]), "claims.0.spec.over", "over: each"),
        (ablation({"top": ["1.0"], "of": 5}, components=["*.*"], over="each"), "claims.0.expect.of", "6 components"),
        (ablation({"top": ["0.0"], "of": 2}, over="each"), "claims.0.expect", "not among"),
        (ablation({"top": ["1.0"], "of": 2}, "absence", over="each"), "claims.0.kind", "ranking"),
    ],
)
def test_a_ranking_says_what_it_ranks(claim: dict[str, Any], path: str, words: str) -> None:
    assert words in messages(bundle(claim))[path]


def test_the_same_number_asked_for_in_other_words_is_one_measurement() -> None:
    named, written = ablation(), ablation(components=["1.2", "1.0", "1.2"])
    first, second = measured(named, {**written, "expect": {"at_most": -0.5}, "statement": "Other words."})
    assert first.sha256 == second.sha256


@pytest.mark.parametrize("spec", [{"ablation": "zero"}, {"components": ["1.0"]}, {"prompts": "long"}])
def test_what_decides_a_number_decides_the_hash(spec: dict[str, Any]) -> None:
    prompts = {**BEHAVIOR.values()["prompts"], "long": {"generator": "repeated_tokens", "length": 60}}
    behavior = Behavior.from_json({**BEHAVIOR.values(), "prompts": prompts})
    first, second = _measured_with(behavior, ablation(), ablation(**spec))
    assert first.sha256 != second.sha256


def _measured_with(behavior: Behavior, *claims: dict[str, Any]) -> list[Measurement]:
    of = bundle(*claims)
    pin = of.finding.behavior.model_copy(update={"revision": behavior.sha256})
    finding = of.finding.model_copy(update={"behavior": pin})
    pinned = of.model_copy(update={"finding": finding, "behaviors": {"induction": behavior}}).checked()
    return [measurement_of(pinned, claim) for claim in pinned.finding.claims]


def test_the_words_of_a_behavior_decide_no_number() -> None:
    retitled = Behavior.from_json({**BEHAVIOR.values(), "title": "Other", "threshold": 0.9})
    assert _measured_with(retitled, ablation())[0].sha256 == measured(ablation())[0].sha256


def test_a_measurement_reads_back_from_its_text() -> None:
    own = measured(ablation())[0]
    assert Measurement.read(own.text) == own


def test_an_effects_control_draws_sets_without_the_circuits_nodes() -> None:
    of = bundle(ablation())
    control = control_of(of, of.finding.claims[0])
    assert control is not None
    assert control.control == RandomSets(exclude=("1.0",), toward="below", reduce="group")
    assert control.sha256 != measurement_of(of, of.finding.claims[0]).sha256


def test_an_absences_control_is_the_whole_layer_unless_it_says_otherwise() -> None:
    absent = ablation({"between": [-0.05, 0.05]}, "absence")
    of = bundle(absent, {**absent, "power": ["0.1"]})
    first, second = (control_of(of, claim) for claim in of.finding.claims)
    assert first is not None and first.control == Power(components=("1.0", "1.1", "1.2"))
    assert second is not None and second.control == Power(components=("0.1",))


def test_a_circuit_claimed_complete_must_be_compared_with_one_that_lacks_some_of_it() -> None:
    complete = {
        "technique": "completeness",
        "spec": {"metric": "logit", "components": ["1.1"], "circuit": ["1.0", "1.1", "0.1"]},
        "expect": {"between": [-0.05, 0.05]},
        "kind": "absence",
    }
    of = bundle(complete, {**complete, "power": ["0.1"]}, {**complete, "power": ["0.1", "1.1"]})
    assert [(found.path, found.message) for found in of.problems()] == [
        ("claims.0.power", "state a circuit that must not do"),
        (
            "claims.1.power",
            "name half of the claim's circuit or more, but not all: what is missing must be noticed",
        ),
    ]


def test_a_behavior_claim_has_no_control() -> None:
    of = bundle({"technique": "behavior", "spec": {"metric": "accuracy"}, "expect": {"at_least": 0.9}})
    assert control_of(of, of.finding.claims[0]) is None
