"""The sweep: what nobody does when a worker or a message is lost."""

from __future__ import annotations

from wiki import evidence
from wiki.actions.queueing import queue_all, ring_for_waiting
from wiki.actions.running import requeue_lost
from wiki.models import Claim, Finding, Worker


def sweep(loadable_before: frozenset[str]) -> frozenset[str]:
    """Returns what the living workers can load, to be handed in at the next sweep."""
    requeue_lost()
    loadable = frozenset(weights for worker in Worker.objects.alive() for weights in worker.loadable)
    if loadable != loadable_before:
        queue_all()
        for finding in Finding.objects.filter(claims__in=Claim.objects.undecided()).distinct():
            evidence.refresh_badge(finding)
    ring_for_waiting()
    return loadable
