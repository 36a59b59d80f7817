"""What Prometheus is told of the queue: computed from the database at every scrape, so no process has to count."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import Error as DatabaseTrouble
from django.db.models import Count, DurationField, ExpressionWrapper, F, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from wiki.models import Run, RunState
from wiki.models.run import OPEN
from wiki.queues import Pulse, pulse, queues


class QueueCollector(Collector):
    """A metric that is unknown, or an age of nothing, has no sample."""

    def collect(self) -> Iterator[Metric]:
        answers = GaugeMetricFamily("interpedia_database_answers", "Whether the database answered this scrape.")
        try:
            found = list(_found())
        except DatabaseTrouble:
            found = []
        answers.add_metric((), float(bool(found)))
        yield from (answers, *found)


def _found() -> Iterator[Metric]:
    yield _runs()
    yield from _ages(pulse())
    yield from _queues()
    yield from _ended()


def _runs() -> Metric:
    counted = Run.objects.order_by().values_list("state").annotate(Count("id"))
    runs = GaugeMetricFamily("interpedia_runs", "Runs by state.", labels=("state",))
    for state, count in {**dict.fromkeys(RunState.values, 0), **dict(counted)}.items():
        runs.add_metric((state,), count)
    return runs


def _ages(found: Pulse) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("interpedia_oldest_waiting_seconds", "For how long the oldest waiting run has waited.")
    claim = GaugeMetricFamily("interpedia_last_claim_seconds", "How long ago a worker last claimed a run.")
    for metric, seconds in ((waiting, found.oldest_waiting), (claim, found.last_claim)):
        if seconds is not None:
            metric.add_metric((), seconds)
        yield metric
    workers = GaugeMetricFamily("interpedia_workers", "Living workers.")
    workers.add_metric((), found.workers)
    yield workers


def _queues() -> Iterator[Metric]:
    by_class = ("memory_class",)
    waiting = GaugeMetricFamily("interpedia_waiting_runs", "Waiting runs by memory class.", labels=by_class)
    running = GaugeMetricFamily("interpedia_running_runs", "Runs under way by memory class.", labels=by_class)
    workers = GaugeMetricFamily("interpedia_class_workers", "Living workers that take the class.", labels=by_class)
    for queue in queues():
        waiting.add_metric((queue.name,), queue.waiting)
        running.add_metric((queue.name,), queue.running)
        workers.add_metric((queue.name,), queue.workers)
    yield from (waiting, running, workers)


def _ended() -> Iterator[Metric]:
    """Runs are never deleted, so their numbers only rise."""
    took = Sum(ExpressionWrapper(F("finished_at") - F("claimed_at"), output_field=DurationField()))
    groups = Run.objects.exclude(state__in=OPEN).order_by().values("state", technique=F("measurement__technique"))
    ended = CounterMetricFamily("interpedia_ended_runs", "Runs that ended.", labels=("state", "technique"))
    seconds = SummaryMetricFamily("interpedia_run_seconds", "How long finished runs took.", labels=("technique",))
    for group in groups.annotate(count=Count("id"), took=took):
        ended.add_metric((group["state"], group["technique"]), group["count"])
        if group["state"] == RunState.FINISHED:
            seconds.add_metric((group["technique"],), group["count"], group["took"].total_seconds())
    yield from (ended, seconds)
