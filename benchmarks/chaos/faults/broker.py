"""The doorbell: its messages wiped, its folder gone, Redis emptied, Redis killed and started again."""

from __future__ import annotations

import shutil
import time
from random import Random

from benchmarks.chaos.fault import Fault
from benchmarks.chaos.places import embedded, no_servers, served
from benchmarks.chaos.site import Site


def wipe_messages(site: Site, rng: Random) -> None:
    """Those of some seconds, most of them before they are heard."""
    end = time.monotonic() + rng.uniform(1, 4)
    while time.monotonic() < end:
        for message in (site.data / "broker").rglob("*.msg"):
            message.unlink(missing_ok=True)
        time.sleep(0.005)


def remove_folder(site: Site, rng: Random) -> None:
    shutil.rmtree(site.data / "broker", ignore_errors=True)


def flush_redis(site: Site, rng: Random) -> None:
    assert site.redis is not None
    site.redis.flush()


def restart_redis(site: Site, rng: Random) -> None:
    """It keeps nothing on disk, so it comes back empty."""
    assert site.redis is not None
    site.redis.kill()
    time.sleep(rng.uniform(0.5, 4))
    site.redis.start()


FAULTS = (
    Fault("broker's messages wiped", embedded, wipe_messages, times=8, ahead=1),
    Fault("broker's folder removed", embedded, remove_folder, times=8, ahead=1),
    Fault("Redis flushed", served, flush_redis, times=12, lacks=no_servers, ahead=1),
    Fault("Redis killed and restarted", served, restart_redis, times=8, lacks=no_servers, ahead=1),
)
