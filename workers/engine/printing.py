"""What the command line prints of a verification, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, assert_never

from workers.engine.documents.expect import AtLeast, AtMost, Between, Expect, RankAtMost, SetEquals, Top, Value
from workers.engine.verdict import ControlJudged, DrawJudged, Interval, Verdict
from workers.engine.words import listed

if TYPE_CHECKING:
    from workers.engine.verify import ClaimChecked, Verification

INDENT = "    "


def for_people(found: Verification) -> Iterator[str]:
    """A paragraph for each claim, then the badge."""
    for claim in found.claims:
        yield from _claim(claim)
        yield ""
    skipped = [claim.id for claim in found.bundle.finding.claims if not claim.runnable]
    if skipped:
        yield f"not machine-checkable, and no evidence: {listed(skipped)}"
    if found.made_seeds:
        yield "Draw 1 was seeded here (its seed stands above): no badge follows from this on any site."
    if found.badge is not None:
        would = "By the same rules it would be" if found.made_seeds else "Badge"
        yield f"{would}: {found.badge.state.replace('_', ' ')} ({found.badge.reason})"
        yield from (f"{INDENT}note: {note}" for note in found.badge.notes)


def for_machines(found: Verification) -> dict[str, Any]:
    return {
        "finding": found.bundle.finding.slug,
        "claims": [_claim_values(claim) for claim in found.claims],
        "made_seeds": found.made_seeds,
        "badge": None if found.badge is None else found.badge.state,
        "reason": None if found.badge is None else found.badge.reason,
        "notes": [] if found.badge is None else list(found.badge.notes),
        "exit": found.exit_status,
    }


def expected(expect: Expect) -> str:
    match expect:
        case Value():
            return f"{expect.value:g} within {expect.tolerance:g}"
        case AtLeast():
            return f"at least {expect.at_least:g}"
        case AtMost():
            return f"at most {expect.at_most:g}"
        case Between():
            return f"between {expect.between[0]:g} and {expect.between[1]:g}"
        case Top():
            return f"{listed(expect.top)} {expect.order} of {expect.of}"
        case RankAtMost():
            return f"{expect.component} among the {expect.rank_at_most} {expect.order}"
        case SetEquals():
            side = "above" if expect.order == "largest" else "below"
            return f"exactly {listed(expect.set_equals)} {side} {expect.threshold:g}"
        case _:
            assert_never(expect)


def measured(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "nothing"
    return f"{value:.4g}" if interval is None else f"{value:.4g}  [{interval[0]:.4g}, {interval[1]:.4g}]"


def _claim(checked: ClaimChecked) -> Iterator[str]:
    yield f"{checked.claim.id}: {checked.sentence}"
    if checked.verdict is None:
        yield f"{INDENT}cannot run   {checked.refused}"
        return
    yield from (INDENT + line for line in _verdict(checked, checked.verdict))


def _verdict(checked: ClaimChecked, verdict: Verdict) -> Iterator[str]:
    assert checked.claim.expect is not None
    yield f"expected     {expected(checked.claim.expect)}"
    yield f"measured     {measured(verdict.measured, verdict.interval)}"
    for draw, numbers in zip(verdict.draws, checked.draws, strict=True):
        yield f"draw {draw.draw}       {_draw(draw)}; {_drawn_with(numbers.seed)}"
    if verdict.control is not None:
        yield f"control      {_control(verdict.control)}"
    facts = [name.replace("_", " ") for name in ("vacuous", "loose", "exhaustive", "stated_prompts_only")]
    shown = [fact for fact in facts if getattr(verdict, fact.replace(" ", "_"))]
    notes = f"  ({', '.join(shown)})" if shown else ""
    yield f"verdict      {verdict.outcome.upper()}{notes}: {verdict.reason}"


def _draw(draw: DrawJudged) -> str:
    return f"{measured(draw.measured, draw.interval)} on {draw.prompts} prompts, {draw.outcome}"


def _drawn_with(seed: str | None) -> str:
    return "all the prompts there are" if seed is None else f"seed {seed}"


def _control(control: ControlJudged) -> str:
    match control.kind:
        case "random_sets":
            if not control.tried:
                return "no random control possible: there is no other set of components"
            of = f"{control.exceeding} of {control.tried} random sets from {control.pool} at least as extreme"
            return f"{of}, p = {control.p:.3g}, rank {control.rank} of {control.tried + 1}"
        case "power":
            seen = measured(control.reference, control.reference_interval)
            return f"the reference edit {'breaks' if control.broke_the_bound else 'does not break'} the bound: {seen}"
        case _:
            assert_never(control.kind)


def _claim_values(checked: ClaimChecked) -> dict[str, Any]:
    verdict, expect = checked.verdict, checked.claim.expect
    return {
        "id": checked.claim.id,
        "sentence": checked.sentence,
        "expect": None if expect is None else expect.values(),
        "kind": checked.claim.kind,
        "measured": None if verdict is None else verdict.measured,
        "interval": None if verdict is None else verdict.interval,
        "verdict": None if verdict is None else verdict.outcome,
        "specific": None if verdict is None else verdict.specific,
        "refused": checked.refused,
        "judged": None if verdict is None else verdict.values(),
        "seeds": {str(numbers.draw): numbers.seed for numbers in checked.draws},
        "soundness": [numbers.soundness.values() for numbers in checked.draws],
        "environment": checked.draws[0].environment.values() if checked.draws else None,
    }
