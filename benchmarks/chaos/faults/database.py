"""The database: PostgreSQL stopped as if it had crashed, SQLite under four who write all the time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from benchmarks.chaos.fault import Fault
from benchmarks.chaos.places import embedded, no_servers, served
from benchmarks.chaos.site import Site

WRITERS = 4


def crash(site: Site, rng: Random) -> None:
    assert site.postgresql is not None
    site.postgresql.stop("immediate")
    time.sleep(rng.uniform(0.5, 5))
    site.postgresql.start()


@contextmanager
def with_writers() -> Iterator[Site]:
    with embedded() as site:
        for number in range(WRITERS):
            command = (sys.executable, "-m", "benchmarks.chaos.writer", str(number))
            site.spawn(f"writer-{number}", *command, answers=site.published)
        yield site


def look(site: Site, rng: Random) -> None:
    """They write before and after as they do now: what is measured is how long a run takes beside them."""


FAULTS = (
    Fault("PostgreSQL crashed", served, crash, times=8, lacks=no_servers),
    Fault("SQLite under four writers", with_writers, look, times=10),
)
