"""Questions about the queue as it stands: what waits, who works, what failed. Ages are by the database's clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Case, Count, Exists, F, Max, Min, OuterRef, Prefetch, Q, Value, When
from django.db.models.functions import Now

from config.queues import CLASSES
from wiki.models import Claim, Run, RunState, Worker
from wiki.models.run import WITHOUT_NUMBERS, RunQuerySet, WorkerQuerySet, in_seconds

Row = Mapping[str, Any]

DAY = 24 * 3600
NOW = Max(Now())
"""Beside another aggregate: an age is the difference of two readings of one clock."""


@dataclass(frozen=True)
class Pulse:
    """In seconds. None: no run waits; none was ever claimed."""

    oldest_waiting: float | None
    last_claim: float | None
    workers: int


@dataclass(frozen=True)
class Queue:
    """The runs of one memory class. most: MiB they take at most. oldest: for how long the first of them has waited."""

    name: str
    most: int
    waiting: int
    oldest: timedelta | None
    running: int
    workers: int


@dataclass(frozen=True)
class Stuck:
    """Waiting runs that no living worker can take: of which weights, how much memory they need, and why not."""

    weights: str
    memory: int
    count: int
    oldest: timedelta
    first: int
    reason: str


@dataclass(frozen=True)
class Reason:
    """Why so many runs have no numbers. newest: one of them."""

    state: str
    words: str
    count: int
    newest: int
    age: timedelta


def pulse() -> Pulse:
    waits = Run.objects.filter(state=RunState.QUEUED).aggregate(then=Min("created_at"), now=NOW)
    claimed = Run.objects.aggregate(then=Max("claimed_at"), now=NOW)
    return Pulse(_seconds(waits), _seconds(claimed), Worker.objects.alive().count())


def memory_class() -> Case:
    """Of a run, as `config.queues.class_of` has it."""
    *smaller, largest = CLASSES
    cases = (When(measurement__memory__lte=CLASSES[name], then=Value(name)) for name in smaller)
    return Case(*cases, default=Value(largest))


def queues() -> list[Queue]:
    """One for each memory class, smallest first."""
    rows = Run.objects.open().order_by().annotate(memory_class=memory_class()).values("memory_class", "state")
    counted = {
        (row["memory_class"], row["state"]): row
        for row in rows.annotate(count=Count("id"), then=Min("created_at"), now=NOW)
    }
    hearing = Counter(name for worker in Worker.objects.alive() for name in worker.queues)
    nothing: Row = {"count": 0, "then": None}

    def queue(name: str) -> Queue:
        waiting = counted.get((name, RunState.QUEUED), nothing)
        running = counted.get((name, RunState.RUNNING), nothing)
        return Queue(name, CLASSES[name], waiting["count"], _age(waiting), running["count"], hearing[name])

    return [queue(name) for name in CLASSES]


def workers(most: int) -> WorkerQuerySet:
    """Those heard of within a day, living ones first; `making` is what each has claimed and not ended."""
    claimed = Run.objects.filter(state=RunState.RUNNING).select_related("measurement")
    making = Prefetch("runs", claimed.defer("numbers", "measurement__text"), to_attr="making")
    alive = Exists(Worker.objects.alive().filter(pk=OuterRef("pk")))
    heard = Worker.objects.filter(last_seen__gte=in_seconds(-DAY)).annotate(alive=alive, now=Now())
    return heard.order_by("-alive", "-started_at", "name").prefetch_related(making)[:most]


def stuck(most: int) -> list[Stuck]:
    alive = list(Worker.objects.alive())
    takeable = Q(pk__in=[])
    for worker in alive:
        takeable |= worker.fits
    rows = Run.objects.waiting().exclude(takeable).order_by().values("measurement__weights", "measurement__memory")
    groups = rows.annotate(count=Count("id"), first=Min("id"), then=Min("created_at"), now=NOW).order_by("then")
    return [_stuck(row, alive) for row in groups[:most]]


def failures() -> RunQuerySet:
    """Runs that ended without numbers and were not asked for again since, newest first."""
    later = Run.objects.filter(measurement=OuterRef("measurement"), draw=OuterRef("draw"), id__gt=OuterRef("id"))
    return Run.objects.filter(~Exists(later), state__in=WITHOUT_NUMBERS).order_by("-id")


def failures_like(run: Run) -> RunQuerySet:
    """Those that ended as this one did, for the same reason."""
    return failures().filter(state=run.state, reason=run.reason)


def reasons(most: int) -> list[Reason]:
    """Why runs failed, the most frequent first."""
    rows = failures().order_by().values("state", "reason")
    groups = rows.annotate(count=Count("id"), newest=Max("id"), then=Max("finished_at"), now=NOW)
    return [
        Reason(row["state"], row["reason"], row["count"], row["newest"], row["now"] - row["then"])
        for row in groups.order_by("-count", "-newest")[:most]
    ]


def claims_on(measurements: Iterable[str]) -> dict[str, list[Claim]]:
    """By measurement: the claims of which something rests on it, as their own, their control or a variant."""
    wanted = set(measurements)
    found: dict[str, dict[int, Claim]] = defaultdict(dict)
    claims = Claim.objects.select_related("finding").defer("verdict", "finding__html", "finding__badge_detail")
    for path in ("measurement", "control", "measurement__variants"):
        for claim in claims.filter(**{f"{path}__in": wanted}).annotate(asked=F(path)):
            found[claim.asked][claim.pk] = claim
    return {measurement: list(its.values()) for measurement, its in found.items()}


def _stuck(row: Row, alive: list[Worker]) -> Stuck:
    weights, memory = row["measurement__weights"], row["measurement__memory"]
    able = [worker.memory for worker in alive if worker.can_load(weights)]
    if not alive:
        reason = "no worker lives"
    elif not able:
        reason = f"none of the {len(alive)} living workers has these weights"
    else:
        reason = f"{memory:,} MiB are needed, and the largest worker with these weights has {max(able):,}"
    return Stuck(weights, memory, row["count"], row["now"] - row["then"], row["first"], reason)


def _age(row: Row) -> timedelta | None:
    """Never negative: another machine's clock may be ahead."""
    return None if row["then"] is None else max(row["now"] - row["then"], timedelta(0))


def _seconds(row: Row) -> float | None:
    age = _age(row)
    return None if age is None else age.total_seconds()
