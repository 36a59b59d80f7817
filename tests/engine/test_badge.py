"""The table of EVIDENCE 5, row by row, on verdicts written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from workers.engine.badge import Badge, badge, claims_covering
from workers.engine.claim_state import ClaimState
from workers.engine.documents.finding import Finding
from workers.engine.judge import ControlJudged, Verdict

REVISION = "sha256:" + "0" * 64
SETS = ControlJudged(kind="random_sets", exceeding=0, tried=199, possible=1000, p=0.005, rank=1)
POWER = ControlJudged(kind="power", reference=-2.0, reference_interval=(-2.1, -1.9), broke_the_bound=True)


def claim(name: str, **more: Any) -> dict[str, Any]:
    spec = {"metric": "logit_diff", "components": ["0.0", "0.1"]}
    return {"id": name, "technique": "ablation", "spec": spec, "expect": {"at_most": -1.0}, **more}


def absence(name: str) -> dict[str, Any]:
    return claim(name, kind="absence", expect={"value": 0.0, "tolerance": 0.1})


def untouched(name: str) -> dict[str, Any]:
    return claim(name, technique="behavior", spec={"metric": "logit_diff"}, expect={"at_least": 1.0})


def finding(*claims: Mapping[str, Any], nodes: tuple[str, ...] = ("0.0", "0.1"), **circuit: Any) -> Finding:
    pin = {"slug": "a", "revision": REVISION}
    return Finding.from_json(
        {
            "slug": "f",
            "title": "F",
            "behavior": pin,
            "model": pin,
            "circuit": {"nodes": [{"component": node} for node in nodes], **circuit},
            "claims": list(claims),
        }
    )


def holds(**more: Any) -> ClaimState:
    members = {"0.0": True, "0.1": True}
    filled: dict[str, Any] = {"reason": "", "specific": "yes", "control": SETS, "members": members, **more}
    return ClaimState(verdict=Verdict(outcome="holds", **filled))


def ended(outcome: Any, reason: str = "why") -> ClaimState:
    return ClaimState(verdict=Verdict(outcome=outcome, reason=reason))


HOLDS_ABSENT = ClaimState(verdict=Verdict(outcome="holds", reason="", control=POWER))
HOLDS_UNTOUCHED = ClaimState(verdict=Verdict(outcome="holds", reason=""))
WAITING = ClaimState(waiting=True)


def of(*claims: Mapping[str, Any], states: dict[str, ClaimState], **circuit: Any) -> Badge:
    return badge(finding(*claims, **circuit), states)


def test_verified() -> None:
    found = of(claim("a"), untouched("b"), states={"a": holds(), "b": HOLDS_UNTOUCHED})
    assert (found.state, found.reason) == ("verified", "2 of 2 heads, 2 of 2 claims")
    assert found.nodes == {"0.0": "covered", "0.1": "covered"}
    assert found.notes == ()


def test_proposed_until_something_runs() -> None:
    assert of(claim("a"), states={}).state == "proposed"
    unloadable = of(claim("a"), states={"a": ClaimState(held_up="no worker can run it now")})
    assert (unloadable.state, unloadable.notes) == ("proposed", ("no worker can run it now",))


def test_a_finding_in_words_only_is_proposed_for_good() -> None:
    found = of({"id": "a", "statement": "It is so."}, states={})
    assert (found.state, found.reason) == ("proposed", "nothing here can be run")


def test_checking_while_a_claim_waits_for_its_first_verdict_even_if_others_fail() -> None:
    found = of(claim("a"), claim("b", essential=True), states={"a": WAITING, "b": ended("fails")})
    assert (found.state, found.reason) == ("checking", "1 of 2 claims waits for a first verdict")


def test_a_waiting_recheck_of_a_judged_claim_is_not_checking() -> None:
    again = ClaimState(verdict=holds().verdict, waiting=True)
    assert of(claim("a"), states={"a": again}).state == "verified"


def test_refuted_if_an_essential_claim_fails() -> None:
    found = of(claim("a"), claim("b", essential=True), states={"a": holds(), "b": ended("fails")})
    assert (found.state, found.reason) == ("refuted", "essential: b fails")


def test_refuted_if_something_fails_and_nothing_causal_holds() -> None:
    states = {"a": ended("fails"), "b": HOLDS_UNTOUCHED}
    assert of(claim("a"), untouched("b"), states=states).state == "refuted"


def test_what_only_reads_can_take_a_badge_away() -> None:
    found = of(claim("a"), untouched("b"), states={"a": holds(), "b": ended("fails")})
    assert (found.state, found.reason) == ("partly_verified", "2 of 2 heads, 1 of 2 claims; 1 fails")


def test_a_finding_with_nothing_causal_in_it_is_undecided() -> None:
    found = of(untouched("a"), states={"a": HOLDS_UNTOUCHED})
    assert (found.state, found.reason) == ("undecided", "nothing causal is claimed")


@pytest.mark.parametrize(
    "spoilt",
    [
        holds(specific="no"),
        holds(specific=None, control=None),
        holds(vacuous=True),
        holds(members={"0.0": True, "0.1": False}),
        holds(members={}),
        ended("undecided"),
        ended("errored"),
        ClaimState(),
        ClaimState(held_up="no worker can run it now"),
    ],
)
def test_one_spoilt_claim_of_two_is_never_verified(spoilt: ClaimState) -> None:
    assert of(claim("a"), states={"a": spoilt}).state != "verified"
    whole = of(claim("a"), claim("b"), states={"a": holds(), "b": spoilt})
    verdict = spoilt.verdict
    only_members_missing = verdict is not None and verdict.specific == "yes" and not verdict.vacuous
    assert whole.state == ("verified" if only_members_missing else "partly_verified")


def test_what_is_not_specific_is_no_evidence() -> None:
    found = of(claim("a"), states={"a": holds(specific="no")})
    assert (found.state, found.reason) == ("undecided", "what holds is not specific: other components would do")
    assert found.nodes == {"0.0": "not_covered", "0.1": "not_covered"}


def test_what_is_vacuous_is_no_evidence() -> None:
    found = of(claim("a"), states={"a": holds(vacuous=True)})
    assert found.state == "undecided" and "vacuous" in found.reason
    assert found.counts.holding == 0


def test_a_model_without_the_behavior_is_undecided_and_says_so() -> None:
    reason = "the model does not show the behavior"
    found = of(claim("a"), states={"a": ended("undecided", reason)})
    assert (found.state, found.reason) == ("undecided", reason)


def test_an_error_is_told_before_anything_else() -> None:
    states = {"a": ended("undecided", "unclear"), "b": ended("errored", "out of memory")}
    assert of(claim("a"), claim("b"), states=states).reason == "out of memory"


def test_a_passenger_keeps_the_finding_from_being_verified() -> None:
    found = of(claim("a"), states={"a": holds(members={"0.0": True, "0.1": False})})
    assert (found.state, found.reason) == ("partly_verified", "1 of 2 heads, 1 of 1 claims")
    assert found.nodes == {"0.0": "covered", "0.1": "in_covered_group_not_shown"}


def test_a_head_nobody_intervened_on_is_not_covered() -> None:
    found = of(claim("a"), states={"a": holds()}, nodes=("0.0", "0.1", "1.1"))
    assert found.state == "partly_verified" and found.nodes["1.1"] == "not_covered"


def test_redundant_heads_may_be_verified_beside_the_effect_of_all() -> None:
    states = {"a": holds(), "b": HOLDS_ABSENT}
    assert of(claim("a"), absence("b"), states=states).state == "verified"


def test_an_absence_alone_is_causal_but_covers_no_node() -> None:
    found = of(absence("a"), states={"a": HOLDS_ABSENT})
    assert found.state == "partly_verified" and set(found.nodes.values()) == {"not_covered"}


def test_an_absence_without_power_is_no_evidence() -> None:
    unbroken = POWER.model_copy(update={"broke_the_bound": False})
    for control in (None, SETS, unbroken):
        weak = ClaimState(verdict=Verdict(outcome="holds", reason="", control=control))
        assert of(absence("a"), states={"a": weak}).state == "undecided"


def test_a_small_model_without_enough_random_heads_may_be_verified_and_it_is_noted() -> None:
    found = of(claim("a"), states={"a": holds(specific="not_testable")})
    assert (found.state, found.notes) == ("verified", ("no random control possible",))


def test_a_circuit_without_nodes_is_not_verified() -> None:
    assert of(claim("a"), states={"a": holds()}, nodes=()).state == "partly_verified"


def path(name: str, receivers: list[str], **more: Any) -> dict[str, Any]:
    spec = {
        "metric": "logit_diff",
        "corruption": "abc",
        "components": ["0.0", "0.1"],
        "receivers": receivers,
        "mlps": "frozen",
    } | more
    return claim(name, technique="path_patching", spec=spec, expect={"at_least": 0.2})


EDGES = {"edges": [["0.0", "2.3.q"], ["0.1@END", "2.3.q@END"]], "nodes": ("0.0", "0.1")}


def edges_of(spec: dict[str, Any], state: ClaimState | None = None, **circuit: Any) -> list[str]:
    return list(of(spec, states={"a": state or holds()}, **{**EDGES, **circuit}).edges.values())


def test_edges_are_not_checked_by_a_claim_that_is_not_of_a_path() -> None:
    found = of(claim("a"), states={"a": holds()}, edges=[["0.0", "0.1"]])
    assert (found.state, found.edges) == ("partly_verified", {("0.0", "0.1"): "not_checked"})
    assert "edges not checked" in found.notes


def test_an_edge_is_covered_by_a_claim_of_its_path_alone() -> None:
    found = of(path("a", ["2.3.q"]), states={"a": holds()}, **EDGES)
    assert (found.state, set(found.edges.values())) == ("verified", {"covered"})
    assert found.notes == ()


@pytest.mark.parametrize(
    ("receivers", "more"),
    [
        (["2.3"], {}),  # its k or v may have carried it
        (["2.3.q", "2.3.k"], {}),
        (["2.*.q"], {}),
        (["#late"], {}),
        (["2.3.q@END", "2.3.q@S2"], {}),
    ],
)
def test_an_edge_patched_together_with_others_is_not_shown_itself(receivers: list[str], more: dict) -> None:
    found = edges_of(path("a", receivers, **more), groups={"late": ["2.3.q", "3.0.q"]})
    assert found[1] == "in_covered_group_not_shown" and "covered" not in found


@pytest.mark.parametrize(
    ("receivers", "more"),
    [(["2.3.k"], {}), (["2.2.q"], {}), (["logits"], {}), (["2.3.q"], {"through": ["1.0"]}), (["2.3.q@S2"], {})],
)
def test_another_path_checks_no_edge(receivers: list[str], more: dict) -> None:
    assert edges_of(path("a", receivers, **more)) == ["not_checked", "not_checked"]


def test_a_path_at_one_position_covers_no_edge_without_one() -> None:
    assert edges_of(path("a", ["2.3.q@END"])) == ["not_checked", "covered"]
    sender = holds(members={"0.0@END": True, "0.1@END": True})
    assert edges_of(path("a", ["2.3.q"], components=["0.0@END", "0.1@END"]), sender) == ["not_checked", "covered"]


def test_a_sender_without_an_effect_of_its_own_has_no_edge() -> None:
    passenger = holds(members={"0.0": True, "0.1": False})
    assert edges_of(path("a", ["2.3.q"]), passenger) == ["covered", "in_covered_group_not_shown"]


@pytest.mark.parametrize("spoilt", [holds(specific="no"), holds(vacuous=True), holds(control=None, specific=None)])
def test_what_is_no_evidence_covers_no_edge(spoilt: ClaimState) -> None:
    assert edges_of(path("a", ["2.3.q"]), spoilt) == ["not_checked", "not_checked"]


def test_mlps_between_the_two_must_have_been_frozen_whether_the_circuit_names_them_or_not() -> None:
    """0.0 may say it to mlp.1, and that to 2.3."""
    recomputed = path("a", ["2.3.q"], mlps="recomputed")
    for nodes in (("0.0", "0.1"), ("0.0", "0.1", "mlp.1@END")):
        assert edges_of(recomputed, nodes=nodes) == ["in_covered_group_not_shown", "in_covered_group_not_shown"]


def test_a_finding_with_an_edge_that_is_not_shown_is_not_verified() -> None:
    edges = [["0.0", "2.3.q"], ["0.0", "2.3.k"]]
    found = of(path("a", ["2.3.q"]), states={"a": holds()}, edges=edges)
    assert found.state == "partly_verified"
    assert "1 of 2 edges not shown" in found.notes


@pytest.mark.parametrize(
    ("claimed", "node", "coverage"),
    [
        ("0.0", "0.0@END", "covered"),
        ("0.0@END", "0.0@END", "covered"),
        ("0.0@END", "0.0", "not_covered"),
        ("0.0@S2", "0.0@END", "not_covered"),
        ("0.0.q", "0.0", "not_covered"),
    ],
)
def test_a_claim_covers_the_positions_it_intervened_on(claimed: str, node: str, coverage: str) -> None:
    assert of(claim("a"), states={"a": holds(members={claimed: True})}, nodes=(node,)).nodes == {node: coverage}


def test_a_claim_in_words_is_counted_and_blocks_nothing() -> None:
    found = of(claim("a"), {"id": "b", "statement": "It is so."}, states={"a": holds()})
    assert (found.state, found.counts.not_machine_checkable) == ("verified", 1)
    assert found.reason == "2 of 2 heads, 1 of 2 claims; 1 not machine-checkable"


def test_a_verdict_attached_to_a_claim_in_words_is_not_evidence() -> None:
    assert of({"id": "a", "statement": "It is so."}, states={"a": holds()}).state == "proposed"


def test_only_what_can_be_run_counts_as_holding() -> None:
    found = of(claim("a"), {"id": "b", "statement": "It is so."}, states={"a": holds(), "b": holds()})
    assert found.counts.holding == 1


def test_a_vacuous_number_of_the_untouched_model_keeps_a_finding_from_being_verified() -> None:
    vacuous = ClaimState(verdict=Verdict(outcome="holds", reason="", vacuous=True))
    found = of(claim("a"), untouched("b"), states={"a": holds(), "b": vacuous})
    assert (found.state, found.reason) == ("partly_verified", "2 of 2 heads, 1 of 2 claims; 1 vacuous")


def test_what_fails_without_being_essential_leaves_it_partly_verified() -> None:
    found = of(claim("a"), claim("b"), states={"a": holds(), "b": ended("fails")})
    assert (found.state, found.counts.failing) == ("partly_verified", 1)


def test_components_that_are_no_heads_are_called_components() -> None:
    found = of(claim("a"), states={"a": holds(members={"mlp.0": True})}, nodes=("mlp.0",))
    assert found.reason.startswith("1 of 1 components")


def test_notes() -> None:
    state = ClaimState(
        verdict=holds(loose=True, exhaustive=True, stated_prompts_only=True).verdict,
        stated_after_measuring=2,
        withdrawn_after_failing=1,
        reworded=True,
        contested_by=("other/claim",),
        older_version=True,
        depends_on_ablation=True,
        confirmed="3 times on 2 machines, last 2026-11-20",
    )
    found = badge(finding(claim("a")), {"a": state}, withdrawn_after_failing=1)
    assert found.state == "verified"
    assert found.notes == (
        "loose",
        "stated prompts only",
        "exhaustive",
        "contested: 1 claim",
        "stated after measuring: 1 claim, 2 earlier",
        "withdrawn after failing: 2",
        "wording not reviewed since measured",
        "depends on ablation",
        "measured with an earlier version of a technique",
        "confirmed 3 times on 2 machines, last 2026-11-20",
    )


def test_which_claims_cover_a_node() -> None:
    stated = finding(claim("a"), claim("b"))
    states = {"a": holds(members={"0.0": True, "0.1": False}), "b": holds(members={"0.1": True})}
    assert [one.id for one in claims_covering(stated, states, "0.1")] == ["b"]
