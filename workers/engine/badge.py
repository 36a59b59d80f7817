"""A finding's badge: what its claims' verdicts add up to (EVIDENCE 5). Pure; the first matching row of the table wins.

A node is covered by a holding effect claim, specific or not testable, in which that component's own effect was shown,
at that position or at all positions, on prompts of the finding's own behavior; an edge by such a claim of the path
alone (edge_coverage.py). Attention, untouched runs and whatever else only reads can take a badge away, never give it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from workers.engine.badge_words import counted, notes_of, why_undecided
from workers.engine.claim_state import ClaimState, Counts, Judgement
from workers.engine.documents.components import Component, component
from workers.engine.documents.finding import Claim, Finding
from workers.engine.documents.role import Role
from workers.engine.documents.spec import OtherPrompts
from workers.engine.edge_coverage import Edge, EdgeCoverage, edge_coverage, edge_notes
from workers.engine.role_tests import NodeRole, RoleTested, role_notes, roles_tested
from workers.engine.techniques import TECHNIQUES

State = Literal["proposed", "checking", "verified", "partly_verified", "undecided", "refuted"]
NodeCoverage = Literal["covered", "in_covered_group_not_shown", "not_covered"]


@dataclass(frozen=True)
class Badge:
    """reason: in words, e.g. "7 of 26 heads, 9 of 29 claims; 1 fails". notes: facts shown beside it.

    roles: what the roles' own tests say of the nodes that have one.
    """

    state: State
    reason: str
    notes: tuple[str, ...]
    nodes: Mapping[str, NodeCoverage]
    edges: Mapping[Edge, EdgeCoverage]
    roles: Mapping[NodeRole, RoleTested]
    counts: Counts


def badge(
    finding: Finding,
    states: Mapping[str, ClaimState],
    withdrawn_after_failing: int = 0,
    roles: Mapping[str, Role] | None = None,
) -> Badge:
    """states: by claim id; a claim without one was never asked for. withdrawn_after_failing: claims removed since.

    roles: the documents that the finding pins, by slug; without a document no role is tested.
    """
    judged = [Judgement(claim, states.get(claim.id, ClaimState())) for claim in finding.claims]
    causal = [one for one in judged if is_causal_evidence(one) and _is_of_its_behavior(finding, one.claim)]
    covering = [one for one in causal if one.claim.kind == "effect"]
    nodes = {node.component: node_coverage(component(node.component), covering) for node in finding.circuit.nodes}
    edges = {edge: edge_coverage(edge, finding.circuit, covering) for edge in finding.circuit.edges}
    tested = roles_tested(finding, judged, roles or {})
    counts = _counts(judged, nodes.values())
    shown = _is_all_covered(nodes.values(), edges.values()) and "fails" not in tested.values()
    state = _state(judged, causal, shown)
    return Badge(
        state=state,
        reason=_reason(state, finding, judged, causal, counts),
        notes=(*notes_of(judged, withdrawn_after_failing), *role_notes(tested), *edge_notes(edges.values())),
        nodes=nodes,
        edges=edges,
        roles=tested,
        counts=counts,
    )


def is_causal_evidence(judgement: Judgement) -> bool:
    """A holding claim that intervened: an effect that not any components would have, or an absence with power."""
    claim, verdict = judgement.claim, judgement.verdict
    if claim.technique is None or verdict is None or verdict.outcome != "holds" or verdict.vacuous:
        return False
    technique = TECHNIQUES[claim.technique]
    if not technique.causal:
        return False
    match claim.kind:
        case "effect":
            return verdict.specific in ("yes", "not_testable") or not technique.controlled
        case "absence":
            return verdict.control is not None and verdict.control.broke_the_bound is True
        case _:
            assert_never(claim.kind)


def _is_of_its_behavior(finding: Finding, claim: Claim) -> bool:
    """What components do for another behavior may stand beside; it shows nothing of how this one comes about."""
    prompts = None if claim.spec is None else claim.spec.prompts
    return not isinstance(prompts, OtherPrompts) or prompts.behavior == finding.behavior.slug


def node_coverage(node: Component, covering: Sequence[Judgement]) -> NodeCoverage:
    """covering: holding effect claims that are causal evidence."""
    found = [shown for one in covering for name, shown in one.members.items() if _reaches(name, node)]
    if any(found):
        return "covered"
    return "in_covered_group_not_shown" if found else "not_covered"


def _reaches(name: str, node: Component) -> bool:
    return component(name).covers(node)


def _is_all_covered(nodes: Iterable[NodeCoverage], edges: Iterable[EdgeCoverage]) -> bool:
    """A circuit without nodes is not covered: nothing is said that could be."""
    every = [*nodes, *edges]
    return bool(every) and all(one == "covered" for one in every)


def _state(judged: Sequence[Judgement], causal: Sequence[Judgement], all_shown: bool) -> State:
    """all_shown: every node and edge is covered, and no role's own test fails."""
    runnable = [one for one in judged if one.claim.runnable]
    fails = [one for one in runnable if one.outcome == "fails"]
    if all(one.verdict is None and not one.state.waiting for one in runnable):
        return "proposed"
    if any(one.verdict is None and one.state.waiting for one in runnable):
        return "checking"
    if any(one.claim.essential for one in fails) or (fails and not causal):
        return "refuted"
    if causal and all_shown and all(_is_in_order(one) for one in runnable):
        return "verified"
    return "partly_verified" if causal else "undecided"


def _is_in_order(judgement: Judgement) -> bool:
    """Holds, is not vacuous, and, where it intervened, is causal evidence: specific, or not testable, or with power.

    An effect of a controlled technique whose control never ran has specific None: unknown is not "not testable".
    """
    verdict, claim = judgement.verdict, judgement.claim
    if verdict is None or verdict.outcome != "holds" or verdict.vacuous:
        return False
    assert claim.technique is not None
    return is_causal_evidence(judgement) or not TECHNIQUES[claim.technique].causal


def _counts(judged: Sequence[Judgement], nodes: Iterable[NodeCoverage]) -> Counts:
    outcomes = [one.outcome for one in judged]
    coverage = list(nodes)
    return Counts(
        claims=len(judged),
        holding=sum(_earns(one) for one in judged),
        failing=outcomes.count("fails"),
        undecided=outcomes.count("undecided"),
        errored=outcomes.count("errored"),
        not_machine_checkable=sum(not one.claim.runnable for one in judged),
        nodes=len(coverage),
        nodes_covered=coverage.count("covered"),
    )


def _earns(judgement: Judgement) -> bool:
    verdict = judgement.verdict
    return verdict is not None and verdict.outcome == "holds" and not verdict.vacuous


def _reason(
    state: State, finding: Finding, judged: Sequence[Judgement], causal: Sequence[Judgement], counts: Counts
) -> str:
    match state:
        case "proposed":
            return "not checked yet" if any(one.claim.runnable for one in judged) else "nothing here can be run"
        case "checking":
            waiting = sum(one.verdict is None and one.state.waiting for one in judged)
            return f"{waiting} of {len(judged)} claims {'waits' if waiting == 1 else 'wait'} for a first verdict"
        case "refuted":
            return _why_refuted(judged, counts)
        case "verified" | "partly_verified":
            return counted(finding, counts, judged)
        case "undecided":
            return why_undecided(judged, has_causal=bool(causal))
        case _:
            assert_never(state)


def _why_refuted(judged: Sequence[Judgement], counts: Counts) -> str:
    essential = [one.claim.id for one in judged if one.claim.essential and one.outcome == "fails"]
    if essential:
        return f"essential: {', '.join(essential)} {'fails' if len(essential) == 1 else 'fail'}"
    return (
        f"{counts.failing} of {counts.claims} claims {'fails' if counts.failing == 1 else 'fail'}, nothing causal holds"
    )


def claims_covering(finding: Finding, states: Mapping[str, ClaimState], node: str) -> tuple[Claim, ...]:
    """Which claims cover a node, for the page that shows it."""
    judged = [Judgement(claim, states.get(claim.id, ClaimState())) for claim in finding.claims]
    causal = [one for one in judged if is_causal_evidence(one) and _is_of_its_behavior(finding, one.claim)]
    found = [one for one in causal if one.claim.kind == "effect"]
    return tuple(one.claim for one in found if node_coverage(component(node), [one]) == "covered")
