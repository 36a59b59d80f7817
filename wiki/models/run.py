"""Runs: the row is the queue. And the workers that take them."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import DateTimeField, DurationField, Exists, ExpressionWrapper, Q, Value
from django.db.models.functions import Now

from wiki.models.claim import Claim, Measurement

ANY_OF_THE_HUB = "hub"
"""What a worker that fetches pinned models from the hub lists among what it can load."""


class RunState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    REFUSED = "refused", "Refused"
    ERRORED = "errored", "Errored"


class Priority(models.IntegerChoices):
    """What a verdict waits for comes first; what only adds a note to it comes last."""

    VERDICT = 0
    NOTE = 1


OPEN = (RunState.QUEUED, RunState.RUNNING)
BEGUN = (RunState.RUNNING, RunState.FINISHED)
WITHOUT_NUMBERS = (RunState.REFUSED, RunState.ERRORED)
GONE = 60  # seconds after the last sign of life until nobody expects a worker back
BACK_OFF = (0, 10)
"""Seconds until a run is due again after its first, second … attempt was cut short; the last ones for all later."""


def in_seconds(seconds: int) -> ExpressionWrapper:
    """That many seconds from now, by the database's clock: the only one that all workers share."""
    return ExpressionWrapper(
        Now() + Value(timedelta(seconds=seconds), output_field=DurationField()), output_field=DateTimeField()
    )


def beyond(field: str, seconds: int) -> Q:
    """Later than anything written by the rule could be: the clock was set back since."""
    return Q(**{f"{field}__gt": in_seconds(seconds)})


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> Self:
        heard = Q(last_seen__gte=in_seconds(-settings.LEASE)) & ~beyond("last_seen", settings.LEASE)
        return self.filter(heard, ended_at__isnull=True)

    def expected(self) -> Self:
        """Alive, or gone for so short a time that it may be just being started anew."""
        return self.filter(Q(last_seen__gte=in_seconds(-settings.LEASE - GONE)) & ~beyond("last_seen", settings.LEASE))


class Worker(models.Model):
    """A worker process: when it was last heard of, and what it can do. Once it has ended, its row stays for its runs.

    loadable: `sha256:…` of weights in its folders, and `hub` if it fetches any registered model of the hub.
    memory: MiB that a run may take there. queues: the memory classes whose bell it hears.
    """

    name = models.CharField(max_length=120, unique=True)
    loadable = models.JSONField(default=list)
    device = models.CharField(max_length=120, blank=True)
    memory = models.PositiveIntegerField()
    queues = models.JSONField(default=list)
    started_at = models.DateTimeField()
    last_seen = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def fits(self) -> Q:
        """Of runs: those whose weights it can load, and that take no more memory than it has."""
        hub = Q(measurement__weights__contains="@") if ANY_OF_THE_HUB in self.loadable else Q(pk__in=[])
        return (Q(measurement__weights__in=self.loadable) | hub) & Q(measurement__memory__lte=self.memory)

    def can_load(self, weights: str) -> bool:
        return weights in self.loadable or (ANY_OF_THE_HUB in self.loadable and "@" in weights)


class RunQuerySet(models.QuerySet["Run"]):
    def waiting(self) -> RunQuerySet:
        """In the order in which they will be claimed."""
        return self.filter(state=RunState.QUEUED).order_by("priority", "id")

    def due(self) -> RunQuerySet:
        """Waiting, and not held back after an attempt that was cut short."""
        held_back = Q(not_before__gt=Now()) & ~beyond("not_before", max(BACK_OFF))
        return self.waiting().exclude(held_back)

    def open(self) -> RunQuerySet:
        return self.filter(state__in=OPEN)

    def finished(self) -> RunQuerySet:
        return self.filter(state=RunState.FINISHED)

    def lost(self) -> RunQuerySet:
        """Running, but nobody has said so for the time of a lease."""
        lapsed = Q(lease_until__lt=Now()) | beyond("lease_until", 2 * settings.LEASE)
        return self.filter(lapsed, state=RunState.RUNNING)

    def overlooked(self, seconds: int) -> RunQuerySet:
        """Due that long for a living worker that could make it, while no run is under way or was claimed."""
        lately = self.filter(Q(state=RunState.RUNNING) | Q(claimed_at__gte=in_seconds(-seconds)))
        fits = Q(pk__in=[])
        for worker in Worker.objects.alive():
            fits |= worker.fits
        return self.ignored(seconds).filter(fits).exclude(Exists(lately))

    def ignored(self, seconds: int) -> RunQuerySet:
        """Due for that long."""
        long_ago = in_seconds(-seconds)
        held_back = Q(not_before__isnull=False) & ~Q(not_before__lt=long_ago)
        return self.due().filter(Q(created_at__lt=long_ago) | beyond("created_at", seconds)).exclude(held_back)

    def takeable_by(self, worker: Worker) -> RunQuerySet:
        return self.filter(worker.fits)

    def of_claim(self, claim: Claim) -> RunQuerySet:
        """Every run the claim's verdict rests on: its draws and its control."""
        if claim.expectation is None:
            return self.none()
        draws = Q(measurement=claim.measurement_id, draw__in=claim.expectation.draws)
        control = Q(measurement=claim.control_id, draw=0) if claim.control_id else Q(pk__in=[])
        return self.filter(draws | control).order_by("id")

    def newest_of(self, measurement: str, draw: int) -> Run | None:
        return self.filter(measurement=measurement, draw=draw).order_by("-id").first()


class Run(models.Model):
    """One draw of one measurement. Claimed by a conditional UPDATE that raises `fence`; the result is written only
    where the fence is still the claimer's; once finished it is append-only, by trigger.

    seed: what a fresh draw's prompts, or a control's sets, are drawn with (empty for draw 0, whose seed is public).
    not_before: when it is due again after an attempt was cut short. rings: how often its bell was rung in vain.
    asked_by: whose quota it counts on; null: the site itself. agent: which of their tokens asked (empty: on a page).
    numbers: Numbers, SetsTried or PowerTried as canonical JSON text. reason: why it was refused or errored.
    """

    measurement = models.ForeignKey(Measurement, on_delete=models.PROTECT, related_name="runs")
    draw = models.PositiveIntegerField()
    seed = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=RunState, default=RunState.QUEUED)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.VERDICT)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, null=True, related_name="runs")
    lease_until = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True)
    rings = models.PositiveSmallIntegerField(default=0)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="runs")
    agent = models.CharField(max_length=20, blank=True)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    progress_words = models.CharField(max_length=200, blank=True)
    numbers = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["priority", "id"], condition=Q(state="queued"), name="run_in_claiming_order"),
            models.Index(fields=["state", "measurement", "claimed_at", "finished_at"], name="run_by_state"),
            models.Index(fields=["claimed_at"], name="run_by_claim"),
            models.Index(fields=["asked_by", "created_at"], name="run_by_asker"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["measurement", "draw"],
                condition=~Q(state__in=WITHOUT_NUMBERS),
                name="run_once_per_measurement_and_draw",
            ),
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="run_state_is_known"),
            models.CheckConstraint(
                condition=Q(state=RunState.FINISHED) & ~Q(numbers="") | ~Q(state=RunState.FINISHED) & Q(numbers=""),
                name="run_has_numbers_iff_finished",
            ),
            models.CheckConstraint(
                condition=Q(state__in=WITHOUT_NUMBERS) & ~Q(reason="") | ~Q(state__in=WITHOUT_NUMBERS) & Q(reason=""),
                name="run_has_a_reason_iff_without_numbers",
            ),
            models.CheckConstraint(
                condition=Q(state=RunState.RUNNING, lease_until__isnull=False) | ~Q(state=RunState.RUNNING),
                name="run_has_a_lease_while_running",
            ),
            models.CheckConstraint(
                condition=Q(agent="") | Q(asked_by__isnull=False), name="run_of_an_agent_is_somebodys"
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN, finished_at__isnull=True)
                | ~Q(state__in=OPEN) & Q(finished_at__isnull=False),
                name="run_has_an_end_iff_it_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} (draw {self.draw})"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def published_seed(self) -> str:
        """A fresh draw's seed is a secret until the draw has finished."""
        return self.seed if self.state == RunState.FINISHED else ""
