"""Celery tasks: claim a run, call the engine, record. The row is the queue; a message only says that one waits."""

from __future__ import annotations

import json
import logging
from functools import cache
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from celery.worker import state as celery_worker
from django.conf import settings
from django.db import InterfaceError, OperationalError
from structlog.contextvars import bound_contextvars

from config.celery import app
from wiki import actions, evidence
from wiki.models import Run
from workers.allowance import deadline_of
from workers.child import Abandoned, Engine, EngineDied, EngineStopped, Limits, Progress
from workers.outlasting import outlast, unless_away
from workers.presence import Presence, ability

log = logging.getLogger("interpedia.worker")


@cache
def engine() -> Engine:
    on_cpu = settings.DEVICE == "cpu"  # elsewhere the memory that is short is the card's
    return Engine(Limits(memory=ability().memory if on_cpu else None, tick=1.0))


@cache
def presence() -> Presence:
    return Presence()


@app.task(name=actions.CHECK)
def check() -> None:
    """Makes the runs that wait, one after the other, until none is left or the worker is asked to stop."""
    while not _is_stopping() and (run := outlast(presence().claim, _is_stopping)) is not None:
        try:
            with bound_contextvars(run=run.pk, fence=run.fence, worker=presence().name):
                make(run)
        finally:
            presence().made(run)


def make(run: Run) -> None:
    """Whatever happens to it, the run ends decided, or goes back into the queue."""
    log.info("run %s begins: %s, draw %s, attempt %s", run.pk, run.measurement.technique, run.draw, run.attempts)
    try:
        asked = outlast(lambda: request(run), _is_stopping)
        seconds, why = deadline_of(run.measurement)
        reply = engine().ask(asked, lambda progress: _still_wanted(run, progress), seconds, why)
        kept = outlast(lambda: _record(run, reply), _is_stopping)
    except EngineDied as died:
        reason = str(died)
        kept = outlast(lambda: actions.release(run, reason), _is_stopping)
    except EngineStopped as stopped:
        reason = str(stopped)
        kept = outlast(lambda: actions.record_error(run, reason), _is_stopping)
    except Abandoned:
        kept = outlast(lambda: actions.put_back(run), _is_stopping)
        log.info("run %s %s", run.pk, "goes back into the queue" if kept else "is another's by now")
        return
    except (OperationalError, InterfaceError):
        raise  # the database stayed away; the sweep will find the run
    except Exception as error:
        log.exception("run %s could not be made", run.pk)
        reason = f"{type(error).__name__}: {error}"
        kept = outlast(lambda: actions.record_error(run, reason), _is_stopping)
    log.info("run %s %s", run.pk, "ends" if kept else "was another's by now; nothing of it is kept")


def request(run: Run) -> dict[str, Any]:
    return {
        "id": f"{run.pk}.{run.fence}",
        "measurement": json.loads(run.measurement.text),
        "draw": run.draw,
        "seed": run.seed or None,
        "stakes": evidence.stakes_on(run),
        "device": settings.DEVICE,
        "memory": ability().memory,
        "models": [str(folder) for folder in settings.MODELS],
    }


def _record(run: Run, reply: dict[str, Any]) -> bool:
    match reply:
        case {"event": "numbers", "numbers": numbers}:
            return actions.record_numbers(run, numbers)
        case {"event": "refused", "reason": reason}:
            return actions.record_refusal(run, reason)
        case {"event": "errored", "reason": reason}:
            return actions.record_error(run, reason)
        case _:
            return actions.record_error(
                run, f"the engine answered with {reply.get('event')!r}: nobody understands that"
            )


def _still_wanted(run: Run, progress: Progress) -> bool:
    beat = unless_away(lambda: actions.beat(run, progress.done, progress.total, progress.words))
    return beat and not _is_stopping()


def _is_stopping() -> bool:
    asked = (celery_worker.should_stop, celery_worker.should_terminate)
    return any(flag is not None and flag is not False for flag in asked)


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    engine().start()
    presence().begin(sender.hostname)
    check.apply_async(queue=presence().queue, ignore_result=True)


@worker_shutdown.connect
def _end(**_: Any) -> None:
    presence().end()
    engine().kill()  # it has nothing to lose, and takes seconds to end by itself
