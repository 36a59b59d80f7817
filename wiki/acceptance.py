"""What keeps a run from being queued: no worker for it, what it would cost, or what its asker has used up already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from math import inf

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Sum

from wiki.models import Measurement, Revision, Run, Worker
from wiki.models.run import RunQuerySet, beyond, in_seconds
from workers.engine.cost import TERA, work

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Asker:
    """Who wants runs: a person, through one of their tokens or on a page. Nobody: the site itself, without a quota."""

    person: User | None = None
    agent: str = ""


THE_SITE = Asker()


def asker_of(revision: Revision) -> Asker:
    return Asker(revision.author, revision.agent)


class Acceptance:
    """What may be queued for an asker at this moment. Each run that is accepted leaves less for the next."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._taken = 0.0

    def accept(self, run: Run) -> bool:
        if self.obstacle(run.measurement):
            return False
        self._taken += run.measurement.cost
        return True

    def obstacle(self, measurement: Measurement) -> str:
        """In words, what keeps a run of the measurement from being queued; empty if nothing does."""
        if why := self.no_worker_for(measurement):
            return why
        most = settings.RUN_COST * TERA or inf
        if measurement.cost > most:
            return f"not run: it may take {work(measurement.cost)}, more than the {work(most)} one may"
        if self._taken + measurement.cost > self._left:
            return f"waits: the quota of {_whose(self._asker)} is used up for today"
        return ""

    @cached_property
    def _workers(self) -> list[Worker]:
        return list(Worker.objects.expected())

    @cached_property
    def _left(self) -> float:
        return left(self._asker)

    def no_worker_for(self, measurement: Measurement) -> str:
        """In words; empty if one can make it. While there is none at all, nobody knows, and one may come."""
        able = [worker for worker in self._workers if worker.can_load(measurement.weights)]
        if self._workers and not able:
            return "no worker can run it now"
        if able and not any(measurement.memory <= worker.memory for worker in able):
            return f"no worker can run it now: it may take {measurement.memory:,} MiB of memory"
        return ""


def left(asker: Asker) -> float:
    """Floating-point operations that may still be asked for within a day."""
    if asker.person is None:
        return inf
    day = int(DAY.total_seconds())
    mine = Run.objects.filter(asked_by=asker.person, created_at__gte=in_seconds(-day)).exclude(
        beyond("created_at", day)
    )
    of_person = _rest(settings.QUOTA_PERSON, mine)
    return of_person if not asker.agent else min(of_person, _rest(settings.QUOTA_AGENT, mine.filter(agent=asker.agent)))


def _rest(quota: int, runs: RunQuerySet) -> float:
    """quota: TFLOP, 0 for no limit."""
    if not quota:
        return inf
    return quota * TERA - float(runs.aggregate(used=Sum("measurement__cost", default=0.0))["used"])


def _whose(asker: Asker) -> str:
    assert asker.person is not None
    return f"{asker.person.username}'s agent {asker.agent}…" if asker.agent else asker.person.username
