"""From stored runs to verdicts and badges: reads rows, asks the pure functions, writes the caches."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any, cast

from django.db import DatabaseError

from wiki.acceptance import Acceptance, asker_of
from wiki.models import BadgeState, Claim, Finding, Kind, Measurement, Node, Outcome, Revision, Run, RunState
from workers.engine.badge import Badge, badge
from workers.engine.claim_state import ClaimState
from workers.engine.documents import finding as documents
from workers.engine.documents import measurement as measurements
from workers.engine.documents.canonical import canonical
from workers.engine.documents.document import Invalid, Problem
from workers.engine.documents.expect import FORMS, ClaimKind, Expect
from workers.engine.documents.role import Role
from workers.engine.judge import judge
from workers.engine.numbers import Control, Numbers, PowerTried, SetsTried
from workers.engine.variants import changes_sign
from workers.engine.verdict import Gate, Stake, Verdict

log = logging.getLogger("interpedia.evidence")
CONTROLS: dict[str, type[SetsTried] | type[PowerTried]] = {"random_sets": SetsTried, "power": PowerTried}


def refresh(finding: Finding) -> None:
    """Every verdict of the finding, and its badge, computed anew."""
    for claim in finding.claims.runnable().with_evidence():
        refresh_verdict(claim)
    refresh_badge(finding)


def refresh_concerned_by(measurement: Measurement) -> None:
    """The verdicts that rest on the measurement, and the badges of all findings that have one of them."""
    claims = Claim.objects.concerned_by(measurement).with_evidence()
    findings = {refresh_verdict(claim).finding for claim in claims}
    for finding in findings:
        refresh_badge(finding)


def refresh_verdict(claim: Claim) -> Claim:
    """A claim that cannot be judged has errored, and says why: it must not keep others from theirs."""
    try:
        verdict = verdict_of(claim)
    except DatabaseError:
        raise  # that the numbers could not be read says nothing about the claim
    except Exception as error:  # whatever it is, the claim earns nothing, and the log has the traceback
        log.exception("claim %s of %s cannot be judged", claim.slug, claim.finding.slug)
        verdict = Verdict(outcome="errored", reason=f"cannot be judged: {type(error).__name__}: {error}")
    claim.verdict = "" if verdict is None else verdict.text
    claim.outcome = "" if verdict is None else verdict.outcome
    claim.depends_on_ablation = verdict is not None and verdict.measured is not None and _depends_on_ablation(claim)
    claim.save(update_fields=["verdict", "outcome", "depends_on_ablation"])
    return claim


def refresh_badge(finding: Finding) -> None:
    """From the cached verdicts: the badge, its words, and what covers each node and edge.

    A finding of which no badge can be made has none that says anything: it must not keep others from theirs.
    """
    try:
        found = badge_of(finding)
    except DatabaseError:
        raise
    except Exception as error:
        log.exception("no badge can be made of %s", finding.slug)
        words = f"no badge can be made: {type(error).__name__}: {error}"
        Finding.objects.filter(pk=finding.pk).update(badge=BadgeState.UNDECIDED, badge_reason=words[:500])
        return
    Finding.objects.filter(pk=finding.pk).update(
        badge=found.state, badge_reason=found.reason[:500], badge_detail=_detail(found)
    )
    for node in finding.nodes.all():
        Node.objects.filter(pk=node.pk).update(coverage=found.nodes[node.component])
    for edge in finding.edges.all():
        type(edge).objects.filter(pk=edge.pk).update(coverage=found.edges[edge.sender, edge.receiver])


def badge_is_old(finding: Finding) -> bool:
    """Whether the cached one is another than could be made now."""
    return finding.badge_detail != _detail(badge_of(finding))


def badge_of(finding: Finding) -> Badge:
    assert finding.entry.current is not None
    document = finding.entry.current.document
    assert isinstance(document, documents.Finding)
    acceptance = Acceptance(asker_of(finding.entry.current))
    states = {claim.slug: state_of(claim, acceptance) for claim in finding.claims.runnable().with_evidence()}
    return badge(document, states, finding.entry.withdrawals.count(), _roles(document))


def _roles(finding: documents.Finding) -> dict[str, Role]:
    """The revisions that the finding pins; one that is not stored tests nothing."""
    pins = finding.roles.items()
    pinned = {slug: Revision.objects.pinned(Kind.ROLE, slug, revision) for slug, revision in pins}
    return {slug: cast(Role, revision.document) for slug, revision in pinned.items() if revision is not None}


def state_of(claim: Claim, acceptance: Acceptance) -> ClaimState:
    """Where a runnable claim stands, from its cached verdict and its runs. acceptance: of the finding's author."""
    assert claim.measurement is not None and claim.expectation is not None
    late = claim.expectation.stated_after_measuring
    waiting = Run.objects.of_claim(claim).open().exists()
    return ClaimState(
        verdict=Verdict.read(claim.verdict) if claim.verdict else None,
        waiting=waiting,
        held_up="" if claim.verdict else held_up(claim, waiting, acceptance),
        stated_after_measuring=claim.expectation.earlier if late else None,
        reworded=claim.reworded,
        depends_on_ablation=claim.depends_on_ablation,
    )


def held_up(claim: Claim, waiting: bool, acceptance: Acceptance) -> str:
    """What keeps the claim's runs from being queued, or made once they are, in words; empty if nothing does."""
    ask = acceptance.no_worker_for if waiting else acceptance.obstacle
    return next(filter(None, map(ask, filter(None, (claim.measurement, claim.control)))), "")


def verdict_of(claim: Claim) -> Verdict | None:
    """What the claim's runs say; None while one that it needs has not ended."""
    assert claim.measurement_id is not None and claim.expectation is not None
    needed = [Run.objects.newest_of(claim.measurement_id, draw) for draw in claim.expectation.draws]
    ended = [run for run in needed if run is not None and not run.is_open]
    if len(ended) < len(needed):
        return None
    if faults := [_fault(run) for run in ended if run.state != RunState.FINISHED]:
        return Verdict(outcome="errored", reason="; ".join(dict.fromkeys(faults)))
    return _controlled(claim, list(_draws(claim, ended[0].draw)))


def _controlled(claim: Claim, draws: list[Numbers]) -> Verdict | None:
    """With the control, where the claim has one: only a claim that fails fails without it."""
    stake, gate = stake_of(claim), gate_of(claim)
    if claim.control_id is None:
        return judge(stake, gate, draws, None)
    control = Run.objects.newest_of(claim.control_id, 0)
    if control is not None and control.state == RunState.FINISHED:
        return judge(stake, gate, draws, control_in(control))
    without = judge(stake, gate, draws, None)
    if without.outcome == Outcome.FAILS:
        return without
    if control is None or control.is_open:
        return None
    return Verdict(outcome="errored", reason=f"its control: {_fault(control)}")


def _depends_on_ablation(claim: Claim) -> bool:
    """Whether the effect has the other sign, on the public draw, when the components are ablated in another way."""
    assert claim.measurement is not None and claim.measurement_id is not None
    own = Run.objects.finished().filter(measurement=claim.measurement_id).order_by("draw").first()
    variants = Run.objects.finished().filter(measurement__in=claim.measurement.variants.all(), draw=0)
    if own is None or not variants:
        return False
    stake, gate, numbers = stake_of(claim), gate_of(claim), Numbers.read(own.numbers)
    return any(
        changes_sign(stake, gate, numbers, Numbers.read(run.numbers), _measured(run.measurement).spec)
        for run in variants.select_related("measurement")
    )


def _measured(measurement: Measurement) -> measurements.Measurement:
    return measurements.Measurement.read(measurement.text)


def stake_of(claim: Claim) -> Stake:
    assert claim.measurement is not None
    measured = _measured(claim.measurement)
    kind: ClaimKind = "absence" if claim.kind == "absence" else "effect"
    return Stake(measured.technique, measured.spec, expect_of(claim), kind, measured.model.dimensions)


def expect_of(claim: Claim) -> Expect:
    stated = json.loads(claim.expect)
    form = next(form for key, form in FORMS.items() if key in stated)
    return cast(Expect, form.from_json(stated))


def gate_of(claim: Claim) -> Gate | None:
    return Gate(**json.loads(claim.gate)) if claim.gate else None


def control_in(run: Run) -> Control:
    """A finished control's numbers, as the type they are of."""
    return CONTROLS[json.loads(run.numbers)["kind"]].read(run.numbers)


def stakes_on(run: Run) -> list[dict[str, Any]]:
    """What is staked on the run now: it goes on until each of these is decided."""
    claims = [claim for claim in Claim.objects.concerned_by(run.measurement).with_evidence() if _needs(claim, run)]
    stated = dict.fromkeys((claim.expect, claim.kind, claim.gate) for claim in claims)
    return [{"expect": json.loads(e), "kind": kind, "gate": json.loads(g) if g else None} for e, kind, g in stated]


def _needs(claim: Claim, run: Run) -> bool:
    assert claim.expectation is not None
    return claim.control_id == run.measurement_id or run.draw in claim.expectation.draws


def read_numbers(run: Run, given: Any) -> Numbers | SetsTried | PowerTried:
    """What the engine answered, as its type; raises Invalid unless it is of this very run."""
    kind = given.get("kind") if isinstance(given, dict) and run.measurement.is_control else None
    numbers = CONTROLS[kind].from_json(given) if kind in CONTROLS else Numbers.from_json(given)
    measured = numbers.numbers if isinstance(numbers, PowerTried) else numbers
    if (measured.measurement, measured.draw) != (run.measurement_id, run.draw):
        raise Invalid([Problem("measurement", "the engine answered for another measurement or draw")])
    if run.seed and measured.seed not in (run.seed, None):
        raise Invalid([Problem("seed", "the engine drew other prompts than those asked for")])
    if run.measurement.is_control == isinstance(numbers, Numbers):
        raise Invalid([Problem("kind", "the engine took a control for a claim, or the reverse")])
    return numbers


def _draws(claim: Claim, first: int) -> Iterator[Numbers]:
    """All finished draws the expectation may be judged on: nobody chooses among them, later ones only add."""
    finished = Run.objects.finished().filter(measurement=claim.measurement_id, draw__gte=first)
    for run in finished.order_by("draw"):
        yield Numbers.read(run.numbers)


def _fault(run: Run) -> str:
    return f"refused: {run.reason}" if run.state == RunState.REFUSED else run.reason


def _detail(found: Badge) -> str:
    """The whole badge as canonical JSON text."""
    return canonical(
        {
            "state": found.state,
            "reason": found.reason,
            "notes": list(found.notes),
            "nodes": dict(found.nodes),
            "edges": [[sender, receiver, coverage] for (sender, receiver), coverage in found.edges.items()],
            "roles": [[node, role, tested] for (node, role), tested in found.roles.items()],
            "counts": vars(found.counts),
        }
    )
