"""Queueing: which runs a finding still needs, and the bell that tells workers so. The row is the queue."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError

from config.celery import app
from wiki import evidence
from wiki.models import Claim, Finding, Measurement, Run
from wiki.models.run import WITHOUT_NUMBERS, Priority, RunQuerySet, in_seconds
from workers.engine.seeds import fresh_seed

log = logging.getLogger("interpedia.queue")
CHECK = "workers.tasks.check"
MOST_RINGS = 8  # a worker that comes takes all that waits, so a few rings wake everybody
RING_AGAIN = 10  # seconds after which a run that still waits is rung for anew


def queue(finding: Finding) -> int:
    """Queues what the finding's claims lack, i.e. was never asked for, as far as a worker could run it."""
    claims = finding.claims.runnable().with_evidence()
    wanted = [*(run for claim in claims for run in _needed(claim)), *(run for claim in claims for run in _notes(claim))]
    return _queue(run for run in wanted if not _runs_like(run).exists())


def queue_all() -> None:
    """Queues what any claim lacks: a worker came that can load a model nobody could before."""
    with transaction.atomic():
        for finding in Finding.objects.filter(claims__in=Claim.objects.undecided()).distinct():
            if queue(finding):
                evidence.refresh_badge(finding)


def try_again(claim: Claim) -> int:
    """Queues anew those of the claim's runs that ended without numbers (refused or errored)."""
    with transaction.atomic():
        ended = {"state__in": WITHOUT_NUMBERS}
        queued = _queue(run for run in _needed(claim) if not _runs_like(run).exclude(**ended).exists())
        for measurement in filter(None, (claim.measurement, claim.control)):
            evidence.refresh_concerned_by(measurement)
    return queued


def ring(runs: int = 1) -> None:
    """Tells workers that runs wait. A bell nobody hears is rung again by the sweep."""
    try:
        for _ in range(min(runs, MOST_RINGS)):
            app.send_task(CHECK, ignore_result=True)
    except (OSError, OperationalError) as error:
        log.warning("the broker does not take messages (%s); the sweep will ring again", error)


def ring_for_waiting() -> int:
    """The sweep's ring: for runs that have waited a while since the last one. Returns how many those are."""
    waited = Q(rung_at__isnull=True) | Q(rung_at__lt=in_seconds(-RING_AGAIN))
    count = Run.objects.waiting().filter(waited).update(rung_at=Now())
    if count:
        ring()
    return count


def _queue(needed: Iterable[Run]) -> int:
    runs = {(run.measurement_id, run.draw): run for run in needed}
    Run.objects.bulk_create(runs.values(), ignore_conflicts=True)
    if runs:
        transaction.on_commit(lambda: ring(len(runs)))
    return len(runs)


def _needed(claim: Claim) -> Iterator[Run]:
    """The runs its verdict rests on, not saved, as far as a worker could make them."""
    assert claim.measurement is not None and claim.expectation is not None
    if evidence.can_be_run(claim.measurement.weights):
        yield from (_run(claim.measurement, draw) for draw in claim.expectation.draws)
        if claim.control is not None:
            yield _run(claim.control, 0)


def _notes(claim: Claim) -> Iterator[Run]:
    """The runs that only add a note to its verdict: the public draw of each variant."""
    assert claim.measurement is not None
    if claim.kind == "effect" and evidence.can_be_run(claim.measurement.weights):
        for variant in claim.measurement.variants.all():
            yield _run(variant, 0, Priority.NOTE)


def _run(measurement: Measurement, draw: int, priority: int = Priority.VERDICT) -> Run:
    seed = _seed(measurement, draw)
    return Run(measurement=measurement, draw=draw, seed=seed, priority=priority, rung_at=timezone.now())


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
