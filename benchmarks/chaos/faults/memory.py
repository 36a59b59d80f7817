"""An engine that the system gives too little memory, when it starts, loads its model, or measures.

It dies of it, and the run is tried again, or it says so, and the run has errored; the next ones are made.
"""

from __future__ import annotations

import resource
import sys
import time
from random import Random

import psutil

from benchmarks.chaos.fault import Fault
from benchmarks.chaos.places import embedded
from benchmarks.chaos.site import Site, engine_of

MEBIBYTE = 1024 * 1024
ENOUGH = 1_000  # MiB of addresses that an engine with a small model takes
WITHIN = 15.0  # seconds until it has met its limit, or needs no more


def starve(site: Site, rng: Random) -> None:
    """A new engine, since one that has made runs keeps the memory for as many again."""
    worker = site.at_work(rng)
    old = site.wait_for(lambda: engine_of(worker), "an engine")
    old.kill()
    new = site.wait_for(lambda: _another(worker, old), "another engine")
    before = site.ended()
    _limit(new, int(rng.uniform(0.1, 1.0) * ENOUGH) * MEBIBYTE)
    end = time.monotonic() + WITHIN
    while new.is_running() and not site.ended() - before and time.monotonic() < end:
        time.sleep(0.05)
    _limit(new, resource.RLIM_INFINITY)


def _another(worker: psutil.Process, old: psutil.Process) -> psutil.Process | None:
    engine = engine_of(worker)
    return None if engine == old else engine


def _limit(engine: psutil.Process, most: int) -> None:
    """On the memory it may address; nothing if it has ended."""
    try:
        resource.prlimit(engine.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    except ProcessLookupError:
        return


def no_limits() -> str:
    return "" if sys.platform == "linux" else "another process's limits can be set on Linux only"


FAULTS = (Fault("engine out of memory", embedded, starve, times=8, lacks=no_limits),)
