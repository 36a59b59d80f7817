"""Where a site under test is put: a folder, a disk of a few MiB, PostgreSQL and Redis, several machines on a network.

Each is made here, used by nobody else, and gone at the end, however the benchmark ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.processes import undone
from benchmarks.chaos.site import MANAGE, WORK, Site
from tests.programs import POSTGRESQL, REDIS, path_of
from tests.servers import PostgreSQL, Redis

DISK = 48  # MiB
SUBNET = "10.213.77"
Environment = Callable[[Site], Mapping[str, str]]


def nothing_more(site: Site) -> Mapping[str, str]:
    return {}


@contextmanager
def embedded(workers: int = 1, more: Environment = nothing_more) -> Iterator[Site]:
    """SQLite and the broker of files. more: of the environment of its workers and its sweep."""
    with folder() as place, _running(Site(place, place / "data")) as site:
        site.keep_parts(workers, more(site))
        yield site


@contextmanager
def under_up() -> Iterator[Site]:
    """SQLite and files, with the whole site under `manage.py up`."""
    with folder() as place, _running(Site(place, place / "data")) as site:
        site.keep("up", (*MANAGE, "up"))
        yield site


@contextmanager
def on_small_disk() -> Iterator[Site]:
    """SQLite and files, on a disk of DISK MiB. The logs lie elsewhere."""
    with folder() as place, disk(place / "data"), _running(Site(place, place / "data")) as site:
        site.keep_parts(workers=1, more={})
        yield site


@contextmanager
def served(workers: int = 2, more: Environment = nothing_more) -> Iterator[Site]:
    """PostgreSQL and Redis. more: of the environment of its workers and its sweep."""
    with folder() as place, servers() as its, _running(Site(place, place / "data", its)) as site:
        site.keep_parts(workers, more(site))
        yield site


@contextmanager
def served_under_up() -> Iterator[Site]:
    """PostgreSQL and Redis, with the whole site under `manage.py up`."""
    with folder() as place, servers() as its, _running(Site(place, place / "data", its)) as site:
        site.keep("up", (*MANAGE, "up"))
        yield site


@dataclass(frozen=True)
class Machine:
    """A network namespace. port: the end of its cable at the switch."""

    name: str
    port: str


class Network:
    """Machines on a switch, which is this machine's end of all cables."""

    def __init__(self, switch: str, machines: tuple[Machine, ...]) -> None:
        self.switch, self.machines = switch, machines

    def cut(self, machine: Machine) -> None:
        """Nobody is told: what either side sends vanishes."""
        ip("link", "set", machine.port, "nomaster")

    def heal(self, machine: Machine) -> None:
        ip("link", "set", machine.port, "master", self.switch)


class SiteOfMachines(Site):
    """network: of the machines its workers run on, one each: `worker-0` on the first."""

    network: Network


@contextmanager
def on_machines(count: int = 2) -> Iterator[Site]:
    """PostgreSQL, Redis and the sweep on this machine, a worker on each of the others."""
    with network(count) as switched, folder() as place, servers(f"{SUBNET}.1") as its:
        site = SiteOfMachines(place, place / "data", its)
        site.network = switched
        with _running(site):
            site.keep("sweep", (*MANAGE, "ring"))
            for number, machine in enumerate(switched.machines):
                site.keep(f"worker-{number}", ("ip", "netns", "exec", machine.name, *WORK))
            yield site


@contextmanager
def servers(host: str = "127.0.0.1") -> Iterator[tuple[PostgreSQL, Redis]]:
    with PostgreSQL(host=host) as postgresql, Redis(host=host) as redis:
        yield postgresql, redis


@contextmanager
def _running(site: Site) -> Iterator[Site]:
    try:
        site.prepare()
        yield site
    finally:
        site.stop()


@contextmanager
def folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="interpedia-chaos-"))
    with undone(f"rm -rf {place}"):
        yield place


@contextmanager
def disk(place: Path) -> Iterator[None]:
    place.mkdir()
    with undone(f"umount -l {place}"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "interpedia-chaos", str(place)], check=True)
        yield


@contextmanager
def network(count: int) -> Iterator[Network]:
    number = os.getpid() % 100_000
    switch = f"ic{number}"
    machines = tuple(Machine(f"interpedia-chaos-{number}-{one}", f"ic{number}p{one}") for one in range(count))
    gone = "; ".join(f"ip netns del {machine.name}" for machine in machines)
    with undone(f"{gone}; ip link del {switch}"):
        ip("link", "add", switch, "type", "bridge")
        ip("address", "add", f"{SUBNET}.1/24", "dev", switch)
        ip("link", "set", switch, "up")
        for one, machine in enumerate(machines):
            _connect(machine, switch, f"{SUBNET}.{one + 2}/24")
        yield Network(switch, machines)


def _connect(machine: Machine, switch: str, address: str) -> None:
    ip("netns", "add", machine.name)
    ip("link", "add", machine.port, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
    ip("link", "set", machine.port, "master", switch, "up")
    for words in (
        ("address", "add", address, "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("link", "set", "lo", "up"),
    ):
        ip("-n", machine.name, *words)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


# ---------------------------------------------------------------------------------------------- what the machine lacks


def no_servers() -> str:
    """Why it cannot be had here; empty if it can."""
    lacking = [program.package for program in (POSTGRESQL, REDIS) if path_of(program) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def no_disk() -> str:
    return _unless_works("mount -t tmpfs -o size=1m interpedia-chaos {folder} && umount {folder}", "mounting a disk")


def no_network() -> str:
    name = f"interpedia-chaos-{os.getpid()}"
    if why := no_servers():
        return why
    if shutil.which("ip") is None:
        return "not installed: iproute2"
    bridge = f"ip link add ic{os.getpid() % 100_000} type bridge && ip link del ic{os.getpid() % 100_000}"
    return _unless_works(f"ip netns add {name} && ip netns del {name} && {bridge}", "making a network namespace")


def _unless_works(script: str, what: str) -> str:
    with folder() as place:
        works = subprocess.run(["sh", "-c", script.format(folder=place)], capture_output=True).returncode == 0
    return "" if works else f"{what} needs a privilege that is lacking here"
