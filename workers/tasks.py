"""Celery tasks: claim a run, call the engine, record. The row is the queue; a message only says that one waits."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from celery.worker import state as celery_worker
from django.conf import settings

from config.celery import app
from wiki import actions, evidence
from wiki.models import Run
from workers.child import Abandoned, Engine, EngineDied, EngineStopped, Limits, Progress
from workers.presence import Presence


@cache
def engine() -> Engine:
    memory = settings.RUN_MEMORY or None
    return Engine(Limits(deadline=settings.RUN_DEADLINE, memory=memory, tick=1.0))


@cache
def presence() -> Presence:
    return Presence()


@app.task(name=actions.CHECK)
def check() -> None:
    """Makes the runs that wait, one after the other, until none is left or the worker is asked to stop."""
    worker = presence().worker()
    while not _is_stopping() and (run := actions.claim_run(worker)) is not None:
        make(run)


def make(run: Run) -> None:
    """Whatever happens to it, the run ends decided, or goes back into the queue."""
    try:
        _record(run, engine().ask(request(run), lambda progress: _still_wanted(run, progress)))
    except EngineDied as died:
        actions.release(run, str(died))
    except EngineStopped as stopped:
        actions.record_error(run, str(stopped))
    except Abandoned:
        actions.put_back(run)


def request(run: Run) -> dict[str, Any]:
    return {
        "id": f"{run.pk}.{run.fence}",
        "measurement": json.loads(run.measurement.text),
        "draw": run.draw,
        "seed": run.seed or None,
        "stakes": evidence.stakes_on(run),
        "device": settings.DEVICE,
        "models": [str(folder) for folder in settings.MODELS],
    }


def _record(run: Run, reply: dict[str, Any]) -> None:
    match reply:
        case {"event": "numbers", "numbers": numbers}:
            actions.record_numbers(run, numbers)
        case {"event": "refused", "reason": reason}:
            actions.record_refusal(run, reason)
        case {"event": "errored", "reason": reason}:
            actions.record_error(run, reason)
        case _:
            actions.record_error(run, f"the engine answered {str(reply)[:200]}, which nobody understands")


def _still_wanted(run: Run, progress: Progress) -> bool:
    return actions.beat(run, progress.done, progress.total, progress.words) and not _is_stopping()


def _is_stopping() -> bool:
    asked = (celery_worker.should_stop, celery_worker.should_terminate)
    return any(flag is not None and flag is not False for flag in asked)


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    engine().start()
    presence().begin(sender.hostname)
    check.delay()


@worker_shutdown.connect
def _end(**_: Any) -> None:
    presence().end()
    engine().kill()  # it has nothing to lose, and takes seconds to end by itself
