"""What a badge says beside its state: counts, reasons and notes, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workers.engine.claim_state import Counts, Judgement
from workers.engine.documents.components import component
from workers.engine.documents.finding import Finding
from workers.engine.techniques import TECHNIQUES


def counted(finding: Finding, counts: Counts, judged: Sequence[Judgement]) -> str:
    """ "7 of 26 heads, 9 of 29 claims; 1 fails"."""
    heads = all(component(node.component).kind == "head" for node in finding.circuit.nodes)
    parts = [
        f"{counts.nodes_covered} of {counts.nodes} {'heads' if heads else 'components'}",
        f"{counts.holding} of {counts.claims} claims",
    ]
    return "; ".join([", ".join(parts), *_shortfalls(counts, judged)])


def _shortfalls(counts: Counts, judged: Sequence[Judgement]) -> Iterator[str]:
    if counts.failing:
        yield f"{counts.failing} {'fails' if counts.failing == 1 else 'fail'}"
    if counts.undecided:
        yield f"{counts.undecided} undecided"
    if counts.errored:
        yield f"{counts.errored} errored"
    if unspecific := sum(one.verdict is not None and one.verdict.specific == "no" for one in judged):
        yield f"{unspecific} not specific: other components would do"
    if vacuous := sum(one.verdict is not None and one.verdict.vacuous for one in judged):
        yield f"{vacuous} vacuous"
    if counts.not_machine_checkable:
        yield f"{counts.not_machine_checkable} not machine-checkable"


def why_undecided(judged: Sequence[Judgement], has_causal: bool) -> str:
    """The first thing that stands in the way: an error, a behavior that is not there, then what is missing."""
    assert not has_causal
    verdicts = [one.verdict for one in judged if one.verdict is not None]
    for outcome in ("errored", "undecided"):
        for verdict in verdicts:
            if verdict.outcome == outcome:
                return verdict.reason
    if not any(one.claim.technique is not None and TECHNIQUES[one.claim.technique].causal for one in judged):
        return "nothing causal is claimed"
    if any(verdict.vacuous for verdict in verdicts):
        return "what holds is vacuous: it would hold had nothing happened, or of any model"
    if any(verdict.specific == "no" for verdict in verdicts):
        return "what holds is not specific: other components would do"
    return "nothing causal has been shown"


def notes_of(judged: Sequence[Judgement], removed_after_failing: int) -> tuple[str, ...]:
    return (*_of_verdicts(judged), *_of_states(judged, removed_after_failing))


def _of_verdicts(judged: Sequence[Judgement]) -> Iterator[str]:
    verdicts = [one.verdict for one in judged if one.verdict is not None]
    if any(verdict.loose for verdict in verdicts):
        yield "loose"
    if any(verdict.specific == "not_testable" for verdict in verdicts):
        yield "no random control possible"
    if any(verdict.stated_prompts_only for verdict in verdicts):
        yield "stated prompts only"
    if any(verdict.exhaustive for verdict in verdicts):
        yield "exhaustive"


def _of_states(judged: Sequence[Judgement], removed_after_failing: int) -> Iterator[str]:
    states = [one.state for one in judged]
    if contested := sum(bool(state.contested_by) for state in states):
        yield f"contested: {contested} {'claim' if contested == 1 else 'claims'}"
    if late := [state.stated_after_measuring for state in states if state.stated_after_measuring is not None]:
        yield f"stated after measuring: {len(late)} {'claim' if len(late) == 1 else 'claims'}, {sum(late)} earlier"
    if withdrawn := removed_after_failing + sum(state.withdrawn_after_failing for state in states):
        yield f"withdrawn after failing: {withdrawn}"
    if any(state.reworded for state in states):
        yield "wording not reviewed since measured"
    if any(state.depends_on_ablation for state in states):
        yield "depends on ablation"
    if any(state.older_version for state in states):
        yield "measured with an earlier version of a technique"
    yield from dict.fromkeys(state.held_up for state in states if state.held_up)
    yield from dict.fromkeys(f"confirmed {state.confirmed}" for state in states if state.confirmed)
