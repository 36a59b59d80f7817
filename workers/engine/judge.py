"""judge(stake, gate, draws, control) -> Verdict: a pure function over stored numbers.

Two draws must agree. What a re-check adds is pooled: the verdict of the first two draws stands unless all draws
together show the opposite, and where the first two were undecided, all draws together decide. With k + 1 draws the
pooled interval may miss 1 / (k (k + 1)) of what one look may, so that asking for ever more re-checks cannot reach
whatever verdict one likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from workers.engine.draws import Judged, alpha_of, chance_of, judge_draw
from workers.engine.members import members_shown, own_in_draw
from workers.engine.numbers import Control, Numbers, PowerTried, SetsTried
from workers.engine.reading import Reading, finite, finite_number, read
from workers.engine.report import Share
from workers.engine.soundness import why_unsound, why_unsound_control
from workers.engine.specificity import judge_power, judge_sets
from workers.engine.techniques import TECHNIQUES
from workers.engine.vacuity import is_loose, is_vacuous
from workers.engine.verdict import (
    ComponentJudged,
    ControlJudged,
    DrawJudged,
    Gate,
    Interval,
    Outcome,
    Specific,
    Stake,
    Verdict,
)

__all__ = [
    "LOOKS",
    "ComponentJudged",
    "ControlJudged",
    "DrawJudged",
    "Gate",
    "Interval",
    "Outcome",
    "Specific",
    "Stake",
    "Verdict",
    "decided",
    "judge",
]

LOOKS = (64, 256, 1024, 4096)


def judge(stake: Stake, gate: Gate | None, draws: Sequence[Numbers], control: Control | None) -> Verdict:
    """draws: those eligible for this expectation, in order. gate: the behavior's; its chance level is always used."""
    if not draws:
        return Verdict(outcome="undecided", reason="nothing was measured yet")
    judged = [judge_draw(stake, gate, numbers) for numbers in draws]
    verdict = Verdict(
        outcome="undecided",
        reason="",
        gate=_telling_gate(judged),
        draws=tuple(one.draw for one in judged),
        loose=is_loose(stake),
        exhaustive=draws[0].population == "enumerated",
        stated_prompts_only=draws[0].population == "stated",
    )
    if stopped := _stopped(judged):
        return verdict.model_copy(update=dict(zip(("outcome", "reason"), stopped, strict=True)))
    return _controlled(stake, draws, control, _measured(stake, draws, judged, verdict, chance_of(stake, gate)), gate)


def decided(stake: Stake, gate: Gate | None, numbers: Numbers) -> bool:
    """Whether the draw needs no further look. A holding claim waits until each member's own effect is clear."""
    judged = judge_draw(stake, gate, numbers)
    if judged.end == "open":
        return False
    if judged.draw.outcome != "holds" or not _covers(stake):
        return True
    return own_in_draw(stake, numbers, chance_of(stake, gate), alpha_of(numbers)).all_clear


def _covers(stake: Stake) -> bool:
    return stake.kind == "effect" and TECHNIQUES[stake.technique].causal


def _telling_gate(judged: Sequence[Judged]) -> DrawJudged | None:
    gates = [one.gate for one in judged if one.gate is not None]
    return next((gate for gate in gates if gate.outcome != "holds"), gates[0] if gates else None)


def _stopped(judged: Sequence[Judged]) -> tuple[Outcome, str] | None:
    """What stands above any number: an error, an edit that changed nothing, a behavior that is not there."""
    for end in ("errored", "nothing", "gate"):
        for one in judged:
            if one.end == end:
                return one.draw.outcome, one.draw.reason
    return None


def _measured(
    stake: Stake, draws: Sequence[Numbers], judged: Sequence[Judged], verdict: Verdict, chance: float
) -> Verdict:
    """The outcome of the draws taken together, with the pooled number."""
    shares = [Share(numbers, one.draw.prompts) for numbers, one in zip(draws, judged, strict=True)]
    alpha = max(alpha_of(numbers) for numbers in draws)
    if len(draws) > 2:
        shares = [Share(numbers, len(numbers.prompts)) for numbers in draws]
        alpha /= (len(draws) - 1) * len(draws)
    reading = read(stake, shares, chance, alpha)
    outcome, reason = _agreed(draws, [one.draw for one in judged], reading)
    edits = TECHNIQUES[stake.technique].edits
    covers = outcome == "holds" and _covers(stake)
    members = members_shown(stake, draws[:2], chance, alpha_of(draws[0])) if covers else {}
    return verdict.model_copy(
        update={
            "outcome": outcome,
            "reason": reason,
            "measured": finite_number(reading.measured),
            "interval": finite(reading.interval),
            "vacuous": is_vacuous(stake, edits, shares, chance),
            "members": members,
        }
    )


def _agreed(draws: Sequence[Numbers], judged: Sequence[DrawJudged], pooled: Reading) -> tuple[Outcome, str]:
    match draws[0].population:
        case "enumerated":
            return judged[0].outcome, judged[0].reason
        case "stated":
            return judged[0].outcome, judged[0].reason
        case "seeded":
            return _two_agree(judged, pooled)
        case _:
            assert_never(draws[0].population)


def _two_agree(judged: Sequence[DrawJudged], pooled: Reading) -> tuple[Outcome, str]:
    if len(judged) == 1:
        return "undecided", f"one draw so far ({judged[0].outcome}); a second has to agree"
    first, second = judged[:2]
    agreed: Outcome = first.outcome if first.outcome == second.outcome else "undecided"
    reason = first.reason if first.reason == second.reason else f"one draw {first.outcome}, the other {second.outcome}"
    if len(judged) == 2:
        return agreed, f"in both draws {reason}" if first.reason == second.reason else reason
    together: Outcome = "holds" if pooled.holds else "fails" if pooled.fails else "undecided"
    if together != "undecided" and together != agreed:
        return together, f"all {len(judged)} draws together decide; the first two: {agreed}"
    return agreed, f"the first two draws: {reason}; {len(judged) - 2} more together with them: {together}"


def _controlled(
    stake: Stake, draws: Sequence[Numbers], control: Control | None, verdict: Verdict, gate: Gate | None
) -> Verdict:
    """With what the control says: how specific an effect is, or whether an absence could have been missed."""
    if not TECHNIQUES[stake.technique].controlled:
        return verdict
    match stake.kind:
        case "effect":
            return _with_specificity(stake, control, verdict, chance_of(stake, gate))
        case "absence":
            return _with_power(stake, control, verdict, chance_of(stake, gate), alpha_of(draws[0]))
        case _:
            assert_never(stake.kind)


def _with_specificity(stake: Stake, control: Control | None, verdict: Verdict, chance: float) -> Verdict:
    if not isinstance(control, SetsTried):
        return verdict
    if fault := why_unsound_control(control):
        return verdict.model_copy(update={"outcome": "errored", "reason": fault, "members": {}})
    specific, judged = judge_sets(stake, control, chance)
    return verdict.model_copy(update={"specific": specific, "control": judged})


def _with_power(stake: Stake, control: Control | None, verdict: Verdict, chance: float, alpha: float) -> Verdict:
    """Only an absence that would otherwise hold needs power: nobody doubts an effect that was seen."""
    if verdict.vacuous:
        return verdict
    if not isinstance(control, PowerTried):
        return _undecided_absence(verdict, "its power control has not been measured")
    technique = TECHNIQUES[stake.technique]
    if fault := why_unsound(stake.spec, technique.edits, False, control.numbers):
        return verdict.model_copy(update={"outcome": "errored", "reason": f"power control: {fault}"})
    judged = judge_power(stake, control, chance, alpha)
    told = verdict.model_copy(update={"control": judged})
    if judged.broke_the_bound:
        return told
    return _undecided_absence(told, "no power: the reference edit did not break the bound either")


def _undecided_absence(verdict: Verdict, reason: str) -> Verdict:
    if verdict.outcome != "holds":
        return verdict
    return verdict.model_copy(update={"outcome": "undecided", "reason": reason})
