"""Runs, from the queue to their numbers. Only who holds the fence of a run may write to it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from wiki import evidence
from wiki.actions.queueing import queue_all
from wiki.models import Run, RunState, Worker
from wiki.models.run import RunQuerySet, in_seconds
from workers.engine.documents.document import Invalid


def see_worker(name: str, loadable: list[str], device: str) -> Worker:
    """Notes that a worker lives and what it can load; queues what nobody could run before."""
    worker, _ = Worker.objects.get_or_create(name=name, defaults={"started_at": Now(), "last_seen": Now()})
    learnt = set(loadable) - set(worker.loadable)
    Worker.objects.filter(pk=worker.pk).update(loadable=sorted(loadable), device=device, last_seen=Now())
    if learnt:
        queue_all()
    worker.refresh_from_db()
    return worker


def claim_run(worker: Worker) -> Run | None:
    """The next waiting run this worker can load, now its own; None when there is none."""
    while (waiting := Run.objects.waiting().loadable_by(worker).first()) is not None:
        claimed = Run.objects.filter(pk=waiting.pk, state=RunState.QUEUED, fence=waiting.fence).update(
            state=RunState.RUNNING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            worker=worker,
            lease_until=in_seconds(settings.LEASE),
            claimed_at=Now(),
            progress_done=0,
            progress_total=0,
            progress_words="",
        )
        if claimed:
            return Run.objects.select_related("measurement").get(pk=waiting.pk)
    return None


def beat(run: Run, done: int = 0, total: int = 0, words: str = "") -> bool:
    """Renews the lease and notes the progress. False if the run is no longer its holder's."""
    renewed = _held(run).update(
        lease_until=in_seconds(settings.LEASE), progress_done=done, progress_total=total, progress_words=words[:200]
    )
    return bool(renewed)


def record_numbers(run: Run, numbers: Any) -> bool:
    """What the engine measured, as JSON values. False, and nothing written, if the run is another's by now."""
    try:
        kept = evidence.read_numbers(run, numbers)
    except Invalid as error:
        return record_error(run, f"the engine's answer cannot be kept: {error}")
    return _end(run, state=RunState.FINISHED, numbers=kept.text)


def record_refusal(run: Run, reason: str) -> bool:
    """The run could not measure anything: which prompt, and why."""
    return _end(run, state=RunState.REFUSED, reason=reason)


def record_error(run: Run, reason: str) -> bool:
    return _end(run, state=RunState.ERRORED, reason=reason)


def release(run: Run, reason: str) -> bool:
    """Gives the run back because its worker or engine ended; once too often, and it has errored."""
    if run.attempts >= settings.ATTEMPTS:
        return record_error(run, f"given up after {run.attempts} attempts: {reason}")
    return bool(_held(run).update(state=RunState.QUEUED, lease_until=None, worker=None))


def put_back(run: Run) -> bool:
    """Gives the run back because its worker is asked to stop: no fault of the run, so the attempt does not count."""
    return bool(_held(run).update(state=RunState.QUEUED, lease_until=None, worker=None, attempts=F("attempts") - 1))


def requeue_lost() -> int:
    """Gives back every run whose worker has not been heard of for the time of a lease."""
    lost = list(Run.objects.lost())
    return sum(release(run, "the worker was not heard of any more") for run in lost)


def _held(run: Run) -> RunQuerySet:
    return Run.objects.filter(pk=run.pk, state=RunState.RUNNING, fence=run.fence)


def _end(run: Run, **ended: str) -> bool:
    with transaction.atomic():
        if not _held(run).update(finished_at=Now(), lease_until=None, **ended):
            return False
        evidence.refresh_concerned_by(run.measurement)
    return True
