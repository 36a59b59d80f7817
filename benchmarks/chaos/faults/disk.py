"""A disk that is full for some seconds: the database, its log and the broker are on it."""

from __future__ import annotations

import time
from random import Random

from benchmarks.chaos.fault import Fault
from benchmarks.chaos.places import no_disk, on_small_disk
from benchmarks.chaos.site import Site

BLOCK = 64 * 1024


def fill(site: Site, rng: Random) -> None:
    ballast = site.data / "ballast"
    try:
        with ballast.open("wb", buffering=0) as out:
            while out.write(bytes(BLOCK)):
                pass
    except OSError:
        time.sleep(rng.uniform(1, 5))
    finally:
        ballast.unlink()


FAULTS = (Fault("disk full", on_small_disk, fill, times=8, lacks=no_disk),)
