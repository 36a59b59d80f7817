"""A clock that jumps by minutes, hours or days, forward and back. libfaketime tells the processes what time it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.chaos.fault import Fault
from benchmarks.chaos.places import embedded, no_servers, served
from benchmarks.chaos.site import Site

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
JUMPS = (90, 3_600, 5 * 86_400)  # seconds
NOTICED = 2.5  # seconds until every process has read the clock anew


PAUSES = """
import select, time
time.sleep = lambda seconds: select.select((), (), (), seconds) and None
"""
"""Python's own sleep ends with an error under libfaketime, which takes its end for a time of day (its issue 426)."""


def told(site: Site) -> Mapping[str, str]:
    """Only the time of day jumps, as on a real machine; what counts the seconds goes on."""
    set_to(site, 0)
    (site.folder / "started").mkdir()
    (site.folder / "started" / "sitecustomize.py").write_text(PAUSES)
    return {
        "PYTHONPATH": str(site.folder / "started"),
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(site.folder / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def told_to_all(site: Site) -> Mapping[str, str]:
    """One machine has one clock: whoever publishes there has it too."""
    site.environment |= told(site)
    return {}


def set_to(site: Site, offset: int) -> None:
    (site.folder / "clock").write_text(f"{offset:+d}")


def jump(site: Site, rng: Random) -> None:
    set_to(site, rng.choice((1, -1)) * rng.choice(JUMPS))
    time.sleep(NOTICED)


def no_library() -> str:
    return "" if LIBRARY else "not installed: libfaketime"


FAULTS = (
    Fault("clock jumps, SQLite", partial(embedded, more=told_to_all), jump, times=8, lacks=no_library),
    Fault(
        "workers' clock jumps, PostgreSQL",
        partial(served, more=told),
        jump,
        times=8,
        lacks=lambda: no_library() or no_servers(),
    ),
)
