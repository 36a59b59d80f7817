"""One fault against one site: strikes at random moments while runs are under way, then the audit."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from statistics import median

from benchmarks.chaos import audit
from benchmarks.chaos.changes import READ, changes
from benchmarks.chaos.fault import Fault
from benchmarks.chaos.publisher import CLAIMS
from benchmarks.chaos.site import LATE, MANAGE, Overdue, Site

FIRST = 8  # runs that have ended before anything is broken
STRIKING = 150.0  # seconds for all strikes
CLAIMED = (
    "SELECT f.slug, c.slug, c.measurement_id, e.first_draw, m.population, c.outcome, c.verdict, f.badge"
    " FROM wiki_claim c JOIN wiki_finding f ON f.entry_id = c.finding_id"
    " JOIN wiki_expectation e ON e.id = c.expectation_id JOIN wiki_measurement m ON m.sha256 = c.measurement_id"
)


@dataclass(frozen=True)
class Recovery:
    """Seconds from the end of a fault until the runs it interrupted have ended, and one that was claimed since then."""

    median: float
    worst: float


@dataclass(frozen=True)
class Row:
    """What became of the runs under one fault. recovery_s: null where no strike was recovered from, or none was made.

    errored: runs that ended without numbers, by their reasons. late: results that came after the run was another's.
    skipped: why the fault was not tried here.
    """

    fault: str
    strikes: int = 0
    runs: int = 0
    lost: int = 0
    doubled: int = 0
    errored: dict[str, int] = field(default_factory=dict)
    late: int = 0
    recovery_s: Recovery | None = None
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    skipped: str = ""


def campaign(fault: Fault, runs: int, rng: Random) -> Row:
    begun = time.monotonic()
    with fault.site() as site:
        publisher = publish(site, runs, fault.ahead)
        site.wait_for(lambda: len(site.ended()) >= FIRST, "the first runs")
        recoveries, overdue = [], []
        for recovery in _struck(fault, site, rng):
            (overdue if isinstance(recovery, str) else recoveries).append(recovery)
        end(publisher)
        overdue += _awaited(site)
        return _row(fault, site, recoveries, overdue, time.monotonic() - begun)


def publish(site: Site, runs: int, ahead: int) -> subprocess.Popen[bytes]:
    """A child that keeps so many runs waiting, and goes on until `runs` were asked for and it is told to end."""
    command = (sys.executable, "-m", "benchmarks.chaos.publisher", "--runs", str(runs), "--ahead", str(ahead))
    return site.spawn("publisher", *command, answers=site.published)


def end(publisher: subprocess.Popen[bytes]) -> None:
    assert publisher.stdin is not None
    publisher.stdin.close()
    publisher.wait()


def _struck(fault: Fault, site: Site, rng: Random) -> Iterator[float | str]:
    """For each strike the seconds until the site had recovered, or what did not come."""
    end = time.monotonic() + STRIKING
    for _ in range(fault.times):
        if time.monotonic() > end:
            return
        try:
            yield _strike(fault, site, rng)
        except Overdue as what:
            yield str(what)
        time.sleep(rng.uniform(0, 1))


def _strike(fault: Fault, site: Site, rng: Random) -> float:
    site.wait_for(site.running, "a run under way")
    time.sleep(rng.uniform(0, 0.3))
    struck = set(site.running())
    fault.strike(site, rng)
    begun = time.monotonic()
    ended, since = site.wait_for(lambda: (site.ended(), site.changes()), "the database")
    interrupted = struck - ended
    site.wait_for(lambda: interrupted <= site.ended(), "the end of an interrupted run")
    site.wait_for(lambda: site.has_made_one(since), "the end of another run")
    return time.monotonic() - begun


def _awaited(site: Site) -> list[str]:
    try:
        site.wait_for(site.is_done, "the end of all runs")
    except Overdue as what:
        return [str(what)]
    return []


def _row(fault: Fault, site: Site, recoveries: list[float], overdue: list[str], seconds: float) -> Row:
    site.stop()
    shown = _claims(site)
    site.run(*MANAGE, "reproject")
    recomputed = _claims(site)
    claims = [_claimed(name, shown[name], recomputed[name]) for name in shown]
    found = site.rows("SELECT measurement_id, draw, state, reason FROM wiki_run ORDER BY id")
    runs = [audit.Ended(*row) for row in found]
    seen = changes(site.rows(READ))
    published = CLAIMS * len(site.published.read_text().split())
    lost, doubled = audit.lost(runs, claims, seen, published), audit.doubled(seen)
    return Row(
        fault=fault.name,
        strikes=len(recoveries) + len(overdue),
        runs=len(runs),
        lost=len(lost),
        doubled=len(doubled),
        errored=dict(Counter(run.reason for run in runs if run.state != "finished")),
        late=site.said().count(LATE),
        recovery_s=Recovery(round(median(recoveries), 2), round(max(recoveries), 2)) if recoveries else None,
        seconds=round(seconds, 1),
        problems=(*lost, *doubled, *overdue),
    )


def _claims(site: Site) -> dict[str, tuple]:
    return {f"{row[0]}/{row[1]}": row[2:] for row in site.rows(CLAIMED)}


def _claimed(name: str, shown: tuple, recomputed: tuple) -> audit.Claimed:
    measurement, first, population = shown[:3]
    needs = (first, first + 1) if population == "seeded" else (0,)
    return audit.Claimed(name, measurement, needs, shown[3:], recomputed[3:])
