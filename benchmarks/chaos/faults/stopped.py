"""A worker that stands still for longer than its lease, and then goes on as if nothing had been: a zombie."""

from __future__ import annotations

import time
from random import Random

from benchmarks.chaos.fault import Fault
from benchmarks.chaos.places import no_servers, served
from benchmarks.chaos.site import LEASE, Site

SWEEP = 2.0  # seconds between two sweeps


def stop_and_continue(site: Site, rng: Random) -> None:
    worker, engine = site.caught(rng)
    worker.suspend()
    engine.resume()
    time.sleep(LEASE + SWEEP + rng.uniform(0, 3))
    worker.resume()


FAULTS = (Fault("worker stopped and continued", served, stop_and_continue, times=8, lacks=no_servers),)
