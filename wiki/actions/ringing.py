"""The bell that tells workers that runs wait. The row is the queue: nothing is lost if nobody hears it."""

from __future__ import annotations

import logging
from collections import Counter

from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from config.celery import app
from config.queues import class_of, queue_of
from wiki.models import Run, Worker
from wiki.models.run import RunQuerySet, beyond, in_seconds

log = logging.getLogger("interpedia.queue")
CHECK = "workers.tasks.check"
MOST_RINGS = 8  # a worker that comes takes all that waits, so a few rings wake everybody
AT_ONCE = 500  # runs whose ringing is noted in one sweep; the SQL names each
RING_AGAIN = (10, 20, 40, 80, 160, 300)  # seconds after which a run that still waits is rung for anew, ever longer


def ring(bells: Counter[str]) -> None:
    """Tells workers how many runs wait, of a memory class or for one of them alone.

    A bell nobody hears is rung again by the sweep.
    """
    try:
        for name, runs in bells.items():
            for _ in range(min(runs, MOST_RINGS)):
                app.send_task(CHECK, queue=queue_of(name), ignore_result=True)
    except (OSError, OperationalError) as error:
        log.warning("the broker does not take messages (%s); they are sent again", error)


def ring_for_waiting() -> int:
    """The sweep's ring: for runs that have waited since the last one, ever longer. Returns how many those are."""
    waiting: Counter[str] = Counter()
    for rings, pause in enumerate(RING_AGAIN):
        runs = dict(_unheard(rings, pause).values_list("pk", "measurement__memory"))
        if runs:
            waiting.update(map(class_of, runs.values()))
            following = min(rings + 1, len(RING_AGAIN) - 1)
            Run.objects.filter(pk__in=list(runs)).update(rung_at=Now(), rings=following)
    if waiting:
        ring(_bells(waiting))
    return waiting.total()


def _bells(waiting: Counter[str]) -> Counter[str]:
    """One for each worker that hears the class: a bell goes to one of them, and not each can make each run."""
    hearing = Counter(name for worker in Worker.objects.alive() for name in worker.queues)
    return Counter({name: min(runs, max(1, hearing[name])) for name, runs in waiting.items()})


def _unheard(rings: int, pause: int) -> RunQuerySet:
    """Due runs that were rung for so often, and that long ago (or by a clock that was set back since); the first few.

    More than a few need no bell of their own: who comes for one takes all.
    """
    long_ago = Q(rung_at__isnull=True) | Q(rung_at__lt=in_seconds(-pause)) | beyond("rung_at", RING_AGAIN[0])
    return Run.objects.due().filter(long_ago, rings=rings)[:AT_ONCE]
