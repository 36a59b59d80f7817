"""Whether a node is what its role's word says, on verdicts written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.test_badge import REVISION, ended, holds
from workers.engine.badge import Badge, badge
from workers.engine.claim_state import ClaimState
from workers.engine.documents.document import Document
from workers.engine.documents.finding import Finding
from workers.engine.documents.role import Role
from workers.engine.verdict import ComponentJudged, DrawJudged, Verdict

LOOKS_BACK = {
    "technique": "attention_pattern",
    "spec": {"components": ["$head[induction]"]},
    "expect": {"at_least": 0.4},
}
COPIES = {"technique": "ov_copying", "spec": {"components": ["$head"]}, "expect": {"at_least": 0.5}}
HOLDS = ClaimState(verdict=Verdict(outcome="holds", reason=""))


def a_role(*claims: dict[str, Any], behavior: str | None = None) -> Role:
    technique = claims[0]["technique"] if claims else None
    test = {"words": "Look.", "level": "primary", "technique": technique, "claims": list(claims)}
    words = {"slug": "induction", "title": "R", "definition": "D", "decided_by": "several"}
    return Role.from_json({**words, "test": test, "behavior": behavior})


def attention(name: str, at_least: float = 0.4, *heads: str, **more: Any) -> dict[str, Any]:
    components = [f"{head}[induction]" for head in heads or ("1.2",)]
    spec = {"components": components, **more}
    return {"id": name, "technique": "attention_pattern", "spec": spec, "expect": {"at_least": at_least}}


def copying(name: str, at_least: float = 0.5, **more: Any) -> dict[str, Any]:
    spec = {"components": ["1.2"], **more}
    return {"id": name, "technique": "ov_copying", "spec": spec, "expect": {"at_least": at_least}}


def a_finding(*claims: dict[str, Any], nodes: tuple[str, ...] = ("1.2",), **circuit: Any) -> Finding:
    pin = {"slug": "task", "revision": REVISION}
    named = [{"component": node, "role": "induction"} for node in nodes]
    return Finding.from_json(
        {
            "slug": "f",
            "title": "F",
            "behavior": pin,
            "model": pin,
            "roles": {"induction": REVISION},
            "circuit": {"nodes": named, **circuit},
            "claims": list(claims),
        }
    )


def state_of(role: Document, *claims: dict[str, Any], **states: ClaimState) -> str:
    assert isinstance(role, Role)
    found = badge(a_finding(*claims), states, roles={"induction": role})
    return found.roles["1.2", "induction"]


def test_a_claim_that_is_the_test_tests_the_role() -> None:
    assert state_of(a_role(LOOKS_BACK), attention("a"), a=HOLDS) == "holds"
    assert state_of(a_role(LOOKS_BACK), attention("a"), a=ended("fails")) == "fails"
    assert state_of(a_role(LOOKS_BACK), attention("a"), a=ended("undecided")) == "undecided"
    assert state_of(a_role(LOOKS_BACK), attention("a")) == "not_tested"


def test_a_stricter_claim_tests_it_if_it_holds_and_says_nothing_if_it_fails() -> None:
    assert state_of(a_role(LOOKS_BACK), attention("a", 0.8), a=HOLDS) == "holds"
    assert state_of(a_role(LOOKS_BACK), attention("a", 0.8), a=ended("fails")) == "not_tested"


def test_a_weaker_claim_tests_it_if_it_fails_and_says_nothing_if_it_holds() -> None:
    assert state_of(a_role(LOOKS_BACK), attention("a", 0.2), a=HOLDS) == "not_tested"
    assert state_of(a_role(LOOKS_BACK), attention("a", 0.2), a=ended("fails")) == "fails"


def test_a_claim_that_holds_and_excludes_the_test_speaks_against_the_role() -> None:
    little = {**attention("a"), "expect": {"between": [0.05, 0.2]}}
    assert state_of(a_role(LOOKS_BACK), little, a=HOLDS) == "fails"


def test_another_head_technique_or_spec_is_another_test() -> None:
    others = [
        attention("a", 0.4, "1.3"),
        {**attention("a"), "spec": {"components": ["1.2[previous-token]"]}},
        copying("a"),
    ]
    for other in others:
        assert state_of(a_role(LOOKS_BACK), other, a=HOLDS) == "not_tested"
    assert state_of(a_role(COPIES), copying("a", sign="negative"), a=HOLDS) == "not_tested"
    assert state_of(a_role(COPIES), copying("a", top=10), a=HOLDS) == "not_tested"
    assert state_of(a_role(COPIES), copying("a"), a=HOLDS) == "holds"


def test_all_parts_of_a_test_have_to_hold() -> None:
    both = a_role(LOOKS_BACK, COPIES)
    assert state_of(both, attention("a"), copying("b"), a=HOLDS, b=HOLDS) == "holds"
    assert state_of(both, attention("a"), a=HOLDS) == "not_tested"
    assert state_of(both, attention("a"), copying("b"), a=HOLDS, b=ended("fails")) == "fails"
    assert state_of(both, attention("a"), copying("b"), a=HOLDS, b=ended("undecided")) == "undecided"


def test_a_part_without_a_threshold_decides_nothing() -> None:
    number = {key: value for key, value in COPIES.items() if key != "expect"}
    assert state_of(a_role(number), copying("a"), a=HOLDS) == "no_threshold"
    assert state_of(a_role(LOOKS_BACK, number), attention("a"), a=HOLDS) == "holds"


def test_a_mean_over_several_heads_says_nothing_about_one() -> None:
    together = attention("a", 0.4, "1.2", "1.3", over="mean")
    assert state_of(a_role(LOOKS_BACK), together, a=HOLDS) == "not_tested"
    assert state_of(a_role(LOOKS_BACK), attention("a", 0.4, "1.2", over="mean"), a=HOLDS) == "holds"


def test_vacuous_claims_test_nothing() -> None:
    vacuous = ClaimState(verdict=Verdict(outcome="holds", reason="", vacuous=True))
    assert state_of(a_role(LOOKS_BACK), attention("a"), a=vacuous) == "undecided"


def test_a_role_with_a_task_of_its_own_is_tested_on_that_task() -> None:
    own = a_role(LOOKS_BACK, behavior="random-tokens")
    elsewhere = {"behavior": "random-tokens", "revision": REVISION, "set": "long"}
    assert state_of(own, attention("a"), a=HOLDS) == "not_tested"
    assert state_of(own, attention("a", prompts=elsewhere), a=HOLDS) == "holds"


def test_a_claim_about_every_head_of_a_layer_or_a_group_is_about_each() -> None:
    assert state_of(a_role(LOOKS_BACK), attention("a", 0.4, "1.*"), a=HOLDS) == "holds"
    grouped = a_finding({**copying("a"), "spec": {"components": ["#both"]}}, groups={"both": ["1.2", "1.3"]})
    assert badge(grouped, {"a": HOLDS}, roles={"induction": a_role(COPIES)}).roles["1.2", "induction"] == "holds"


def judged(*shown: tuple[str, float, float]) -> ClaimState:
    """A claim of several heads that failed: how far each of their intervals reached, in both draws alike."""
    components = tuple(
        ComponentJudged(component=name, measured=(low + high) / 2, interval=(low, high)) for name, low, high in shown
    )
    draw = {"prompts": 64, "look": 0, "measured": 0.1, "interval": None, "outcome": "fails", "reason": ""}
    draws = tuple(DrawJudged(draw=i, components=components, **draw) for i in range(2))
    return ClaimState(verdict=Verdict(outcome="fails", reason="", draws=draws))


def test_if_a_claim_of_several_heads_fails_it_fails_for_those_it_fails_by() -> None:
    failed = judged(("1.2[induction]", 0.05, 0.15), ("1.3[induction]", 0.7, 0.9))
    finding = a_finding(attention("a", 0.4, "1.2", "1.3"), nodes=("1.2", "1.3"))
    found = badge(finding, {"a": failed}, roles={"induction": a_role(LOOKS_BACK)})
    assert found.roles == {("1.2", "induction"): "fails", ("1.3", "induction"): "undecided"}


def test_roles_are_not_tested_without_their_documents_or_of_what_has_no_attention() -> None:
    assert badge(a_finding(attention("a")), {"a": HOLDS}).roles == {("1.2", "induction"): "not_tested"}
    mlp = a_finding(attention("a"), nodes=("mlp.1",))
    assert badge(mlp, {"a": HOLDS}, roles={"induction": a_role(LOOKS_BACK)}).roles == {
        ("mlp.1", "induction"): "not_tested"
    }


def all_covered(role: Role, state: ClaimState, expect: dict[str, Any]) -> Badge:
    spec = {"metric": "logit_diff", "components": ["1.2"]}
    causal = {"id": "causal", "technique": "ablation", "spec": spec, "expect": {"at_most": -1.0}}
    claim = {**attention("a"), "expect": expect}
    return badge(
        a_finding(causal, claim), {"causal": holds(members={"1.2": True}), "a": state}, roles={"induction": role}
    )


def test_a_tested_role_is_counted_and_a_failing_one_keeps_the_badge_from_being_whole() -> None:
    good = all_covered(a_role(LOOKS_BACK), HOLDS, {"at_least": 0.5})
    assert (good.state, good.notes) == ("verified", ("roles tested: 1 of 1",))
    bad = all_covered(a_role(LOOKS_BACK), HOLDS, {"between": [0.05, 0.2]})
    assert bad.state == "partly_verified"
    assert bad.notes == ("roles tested: 1 of 1", "role test fails: 1.2 as induction")
    none = all_covered(a_role(), HOLDS, {"at_least": 0.5})
    assert (none.state, none.notes) == ("verified", ("role not tested",))


@pytest.mark.parametrize("outcome", ["errored"])
def test_an_error_is_no_answer(outcome: str) -> None:
    assert state_of(a_role(LOOKS_BACK), attention("a"), a=ended(outcome)) == "not_tested"
