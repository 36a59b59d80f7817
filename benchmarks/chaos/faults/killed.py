"""kill -9 of a worker, of the engine that measures for it, and of what supervises the whole site."""

from __future__ import annotations

from random import Random

from benchmarks.chaos.fault import Fault
from benchmarks.chaos.places import embedded, no_servers, served, under_up
from benchmarks.chaos.site import Site, engine_of


def kill_worker(site: Site, rng: Random) -> None:
    site.at_work(rng).kill()


def kill_engine(site: Site, rng: Random) -> None:
    engine = site.wait_for(lambda: engine_of(site.at_work(rng)), "an engine")
    engine.kill()


def kill_supervisor(site: Site, rng: Random) -> None:
    """`manage.py up`; web server, worker and sweep end with it."""
    site.kept("up").kill()


FAULTS = (
    Fault("worker killed, SQLite", embedded, kill_worker, times=6),
    Fault("worker killed, PostgreSQL", served, kill_worker, times=8, lacks=no_servers),
    Fault("engine killed", embedded, kill_engine, times=8),
    Fault("supervisor killed", under_up, kill_supervisor, times=5),
)
