"""The sweep: what nobody does when a worker or a message is lost, a worker came, or a quota is free again."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Exists, OuterRef, Q

from wiki.actions.queueing import catch_up
from wiki.actions.ringing import ring_for_waiting
from wiki.actions.running import requeue_lost
from wiki.models import Claim, Finding, Run, Worker
from wiki.models.claim import ClaimQuerySet
from wiki.models.run import ANY_OF_THE_HUB, in_seconds

log = logging.getLogger("interpedia.sweep")
KEPT = timedelta(days=1)  # that a worker which ended without a run to its name stays listed
LATE = 5.0  # seconds after the last sweep, at least, that no busy machine explains
A_WHILE = 0.5  # seconds that one sweep gives to findings
LOOKED_AT = 20  # findings in one look for what was kept back

Abilities = frozenset[tuple[str, int]]
"""Weights, and the memory of who can load them."""


class Sweep:
    """What lasts from one sweep to the next: what workers could do, and the findings that a change of it concerns."""

    def __init__(self) -> None:
        self._able: Abilities = frozenset()
        self._backlog: dict[int, None] = {}
        self._swept: float | None = None
        self._quiet_until = 0.0

    def once(self) -> None:
        """Raises what the database does; to be called again then."""
        if self._leases_can_be_trusted():
            requeue_lost()
        self._note_changes()
        self._work_off()
        ring_for_waiting()
        self._swept = time.monotonic()

    def _leases_can_be_trusted(self) -> bool:
        """Not when the database was away: all leases have lapsed then, and who holds one must get to renew it."""
        now = time.monotonic()
        if self._swept is not None and now - self._swept > max(settings.LEASE / 2, LATE):
            self._quiet_until = now + settings.LEASE
        return now >= self._quiet_until

    def _note_changes(self) -> None:
        able = frozenset(
            (weights, worker.memory) for worker in Worker.objects.expected() for weights in worker.loadable
        )
        if changed := {weights for weights, _ in able ^ self._able}:
            concerned = Claim.objects.undecided().filter(_on(changed))
            self._backlog |= dict.fromkeys(concerned.values_list("finding", flat=True))
        self._able = able

    def _work_off(self) -> None:
        end = time.monotonic() + A_WHILE
        while self._backlog and time.monotonic() < end:
            pk = next(iter(self._backlog))
            _look_at(Finding.objects.filter(pk=pk))
            del self._backlog[pk]


def tidy() -> None:
    """What need not be looked at in every sweep: what was kept back, some at random, and workers long gone."""
    kept_back = Finding.objects.filter(Q(claims__in=_idle()) | Q(claims__in=_without_notes()))
    chosen = kept_back.distinct().values_list("pk", flat=True)
    _look_at(Finding.objects.filter(pk__in=chosen).order_by("?")[:LOOKED_AT])
    long_ago = in_seconds(-int(KEPT.total_seconds()))
    Worker.objects.filter(last_seen__lt=long_ago, runs__isnull=True).delete()


def _look_at(findings: Collection[Finding]) -> None:
    """One that cannot be looked at must not keep the others waiting."""
    for finding in findings:
        try:
            catch_up(finding)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            log.exception("finding %s cannot be looked at", finding.slug)


def _on(weights: set[str]) -> Q:
    """Of claims: those measured on these weights."""
    hub = Q(measurement__weights__contains="@") if ANY_OF_THE_HUB in weights else Q(pk__in=[])
    return Q(measurement__weights__in=weights) | hub


def _idle() -> ClaimQuerySet:
    """Claims that wait for a first verdict while no run of theirs is open."""
    either = Q(measurement=OuterRef("measurement")) | Q(measurement=OuterRef("control"))
    return Claim.objects.undecided().exclude(Exists(Run.objects.open().filter(either)))


def _without_notes() -> ClaimQuerySet:
    """Claims of which a variant was never asked for."""
    return Claim.objects.runnable().filter(
        kind="effect", measurement__variants__isnull=False, measurement__variants__runs__isnull=True
    )
