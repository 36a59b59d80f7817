"""Runs, from the queue to their numbers. Only who holds the fence of a run may write to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from config.queues import classes_for
from wiki import evidence
from wiki.models import Run, RunState, Worker
from wiki.models.run import BACK_OFF, RunQuerySet, in_seconds
from wiki.turns import evidence_turn
from workers.engine.documents.document import Invalid

PATIENCE = 300  # seconds that a run may wait while others of a loaded model go before it
QUEUED_AGAIN: dict[str, Any] = {
    "state": RunState.QUEUED,
    "worker": None,
    "lease_until": None,
    "not_before": None,
    "rung_at": None,
    "rings": 0,
}


@dataclass(frozen=True)
class Ability:
    """What a worker can do. loadable: see Worker. memory: MiB that a run may take there."""

    loadable: Sequence[str]
    memory: int
    device: str


def see_worker(name: str, ability: Ability) -> Worker:
    """Notes that a worker lives and what it can do. The sweep queues what nobody could run before."""
    said = {
        "loadable": sorted(ability.loadable),
        "memory": ability.memory,
        "queues": classes_for(ability.memory),
        "device": ability.device,
    }
    worker, _ = Worker.objects.get_or_create(name=name, defaults={"started_at": Now(), "last_seen": Now(), **said})
    Worker.objects.filter(pk=worker.pk).update(last_seen=Now(), ended_at=None, **said)
    worker.refresh_from_db()
    return worker


def take_leave(name: str) -> None:
    """Notes that a worker has ended."""
    Worker.objects.filter(name=name).update(ended_at=Now())


def claim_run(worker: Worker, warm: str = "") -> Run | None:
    """The next run this worker can make, now its own; None when there is none.

    warm: the weights it has loaded. Their runs come first among equally urgent ones, unless another has waited long.
    """
    while (waiting := _next(worker, warm)) is not None:
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
            return _claimed(waiting)
    return None


def _claimed(waiting: Run) -> Run | None:
    """The run as its claimer holds it; None if it was lost again meanwhile, for its fence is another's then."""
    mine = Run.objects.filter(pk=waiting.pk, state=RunState.RUNNING, fence=waiting.fence + 1)
    return mine.select_related("measurement").first()


def _next(worker: Worker, warm: str) -> Run | None:
    due = Run.objects.due().takeable_by(worker).select_related("measurement").defer("measurement__text")
    first = due.first()
    if first is None or not warm or first.measurement.weights == warm:
        return first
    if Run.objects.ignored(PATIENCE).filter(pk=first.pk).exists():
        return first
    return due.filter(priority=first.priority, measurement__weights=warm).first() or first


def beat(run: Run, done: int = 0, total: int = 0, words: str = "") -> bool:
    """Renews the lease and notes the progress. False if the run is no longer its holder's."""
    renewed = _held(run).update(
        lease_until=in_seconds(settings.LEASE),
        progress_done=done,
        progress_total=total,
        progress_words=_clean(words)[:200],
    )
    return bool(renewed)


def renew(run: Run) -> bool:
    """Renews the lease alone. False if the run is no longer its holder's."""
    return bool(_held(run).update(lease_until=in_seconds(settings.LEASE)))


def record_numbers(run: Run, numbers: Any) -> bool:
    """What the engine measured, as JSON values. False, and nothing written, if the run is another's by now."""
    try:
        kept = evidence.read_numbers(run, numbers)
    except Invalid as error:
        return record_error(run, f"the engine's answer cannot be kept: {error}")
    return _end(_held(run), run, state=RunState.FINISHED, numbers=kept.text)


def record_refusal(run: Run, reason: str) -> bool:
    """The run could not measure anything: which prompt, and why."""
    return _end(_held(run), run, state=RunState.REFUSED, reason=_clean(reason))


def record_error(run: Run, reason: str) -> bool:
    return _end(_held(run), run, state=RunState.ERRORED, reason=_clean(reason))


def release(run: Run, reason: str) -> bool:
    """Gives the run back because its worker or engine ended; once too often, and it has errored."""
    return _give_back(_held(run), run, reason)


def put_back(run: Run) -> bool:
    """Gives the run back because its worker is asked to stop: no fault of the run, so the attempt does not count."""
    return bool(_held(run).update(attempts=F("attempts") - 1, **QUEUED_AGAIN))


def requeue_lost() -> int:
    """Gives back every run whose worker has not been heard of for the time of a lease."""
    lost = Run.objects.lost()
    reason = "the worker was not heard of any more"
    return sum(_give_back(lost.filter(pk=run.pk, fence=run.fence), run, reason) for run in list(lost.defer("numbers")))


def _give_back(held: RunQuerySet, run: Run, reason: str) -> bool:
    """held: the run, as long as it may be given back."""
    if run.attempts >= settings.ATTEMPTS:
        return _end(held, run, state=RunState.ERRORED, reason=f"given up after {run.attempts} attempts: {reason}")
    pause = BACK_OFF[min(run.attempts, len(BACK_OFF)) - 1]
    return bool(held.update(**QUEUED_AGAIN | {"not_before": in_seconds(pause) if pause else None}))


def _held(run: Run) -> RunQuerySet:
    return Run.objects.filter(pk=run.pk, state=RunState.RUNNING, fence=run.fence)


def _clean(text: str) -> str:
    """What the database can keep of words that a library or a prompt put there."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _end(held: RunQuerySet, run: Run, **ended: str) -> bool:
    with evidence_turn():
        if not held.update(finished_at=Now(), lease_until=None, **ended):
            return False
        evidence.refresh_concerned_by(run.measurement)
    return True
