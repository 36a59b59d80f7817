"""A network that is cut between one worker and everything else, for longer than its lease, and comes back."""

from __future__ import annotations

import time
from random import Random

from benchmarks.chaos.fault import Fault
from benchmarks.chaos.places import Machine, SiteOfMachines, no_network, on_machines
from benchmarks.chaos.site import LEASE, Site


def cut(site: Site, rng: Random) -> None:
    """From a worker in the middle of a run: its result comes late."""
    assert isinstance(site, SiteOfMachines)
    worker, engine = site.caught(rng)
    machine = _machine_of(site, worker.pid)
    site.network.cut(machine)
    engine.resume()
    time.sleep(LEASE + rng.uniform(3, 20))
    site.network.heal(machine)


def _machine_of(site: SiteOfMachines, worker: int) -> Machine:
    machines = enumerate(site.network.machines)
    return next(one for number, one in machines if worker in {p.pid for p in site.kept(f"worker-{number}").family()})


FAULTS = (Fault("network cut between two machines", on_machines, cut, times=6, lacks=no_network),)
