"""Queueing: which runs a finding still needs. The row is the queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models.functions import Now

from config.queues import class_of
from wiki import evidence
from wiki.acceptance import Acceptance, Asker, asker_of
from wiki.actions.ringing import ring
from wiki.models import Claim, Finding, Measurement, Run
from wiki.models.run import WITHOUT_NUMBERS, Priority, RunQuerySet
from wiki.turns import evidence_turn
from workers.engine.seeds import fresh_seed


def queue(finding: Finding) -> int:
    """Queues what the finding's claims lack, i.e. was never asked for, as far as that is accepted."""
    return _queue(_lacking(finding), _asker(finding))


def catch_up(finding: Finding) -> None:
    """Queues what can be accepted by now, and shows what keeps the rest. Takes a turn only if that changes anything."""
    acceptance = Acceptance(_asker(finding))
    if any(acceptance.accept(run) for run in _lacking(finding)) or evidence.badge_is_old(finding):
        with evidence_turn():
            queue(finding)
            evidence.refresh_badge(finding)


def _asker(finding: Finding) -> Asker:
    assert finding.entry.current is not None
    return asker_of(finding.entry.current)


def _lacking(finding: Finding) -> list[Run]:
    claims = finding.claims.runnable().with_evidence()
    wanted = [*(run for claim in claims for run in _needed(claim)), *(run for claim in claims for run in _notes(claim))]
    return [run for run in wanted if not _runs_like(run).exists()]


def try_again(claim: Claim, asker: Asker) -> int:
    """Queues anew those of the claim's runs that ended without numbers (refused or errored)."""
    with evidence_turn():
        ended = {"state__in": WITHOUT_NUMBERS}
        runs = [*_needed(claim), *_notes(claim)]
        queued = _queue((run for run in runs if not _runs_like(run).exclude(**ended).exists()), asker)
        for measurement in filter(None, (claim.measurement, claim.control)):
            evidence.refresh_concerned_by(measurement)
    return queued


def retry(run: Run, asker: Asker) -> bool:
    """Queues anew one run that ended without numbers. False if it did not, or was tried again already."""
    with evidence_turn():
        stands = _runs_like(run).exclude(state__in=WITHOUT_NUMBERS).exists()
        if stands or not _queue([_run(run.measurement, run.draw, run.priority)], asker):
            return False
        evidence.refresh_concerned_by(run.measurement)
    return True


def _queue(wanted: Iterable[Run], asker: Asker) -> int:
    acceptance = Acceptance(asker)
    runs = list({(run.measurement_id, run.draw): run for run in wanted}.values())
    accepted = [run for run in runs if acceptance.accept(run)]
    for run in accepted:
        run.asked_by, run.agent = asker.person, asker.agent
    Run.objects.bulk_create(accepted, ignore_conflicts=True)
    if accepted:
        bells = Counter(class_of(run.measurement.memory) for run in accepted)
        transaction.on_commit(lambda: ring(bells))
    return len(accepted)


def _needed(claim: Claim) -> Iterator[Run]:
    """The runs its verdict rests on, not saved."""
    assert claim.measurement is not None and claim.expectation is not None
    yield from (_run(claim.measurement, draw) for draw in claim.expectation.draws)
    if claim.control is not None:
        yield _run(claim.control, 0)


def _notes(claim: Claim) -> Iterator[Run]:
    """The runs that only add a note to its verdict: the public draw of each variant."""
    assert claim.measurement is not None
    if claim.kind == "effect":
        for variant in claim.measurement.variants.all():
            yield _run(variant, 0, Priority.NOTE)


def _run(measurement: Measurement, draw: int, priority: int = Priority.VERDICT) -> Run:
    seed = _seed(measurement, draw)
    return Run(measurement=measurement, draw=draw, seed=seed, priority=priority, rung_at=Now())


def _runs_like(run: Run) -> RunQuerySet:
    return Run.objects.filter(measurement=run.measurement_id, draw=run.draw)


def _seed(measurement: Measurement, draw: int) -> str:
    """Empty for a public draw: draw 0 of a claim's own measurement.

    A control's is that of what it controls: one that excludes other nodes must not be another throw of the dice.
    """
    if draw == 0 and not measurement.is_control:
        return ""
    return fresh_seed(evidence_secret(), measurement.control_of_id or measurement.sha256, draw)


def evidence_secret() -> bytes:
    if not settings.EVIDENCE_SECRET:
        raise ImproperlyConfigured("there is no EVIDENCE_SECRET; `manage.py up` makes one in DATA")
    return str(settings.EVIDENCE_SECRET).encode()
