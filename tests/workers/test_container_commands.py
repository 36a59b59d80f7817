"""Each command that a container starts, started here: on a PostgreSQL and a Redis of its own, with its health check.

What differs from a container: addresses, ports and folders; and whose programs these are.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from tests.containers import ROOT, Service, services
from tests.servers import FAST, PostgreSQL, Redis, free_port

pytestmark = [pytest.mark.postgresql, pytest.mark.redis]
PATIENCE = 120.0
SECRETS = dict.fromkeys(("POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY", "EVIDENCE_SECRET"), "0123abcd")
TOLD = {**SECRETS, "LEASE": "3", "HUB": "no", "WORKER_CPUS": "1", "WEB_CONCURRENCY": "2", "LOG_FORMAT": "text"}
PR_SET_PDEATHSIG = 1


class Containers:
    """Services of docker-compose.yml on one machine, without containers. prepared: what `prepare` said at first."""

    prepared: subprocess.CompletedProcess[str]

    def __init__(self, folder: Path, database: PostgreSQL, broker: Redis) -> None:
        self.folder, self.database, self.broker = folder, database, broker
        self.port = free_port("127.0.0.1")
        self.services = {name: self._here(service) for name, service in services(TOLD).items()}

    def _here(self, service: Service) -> Service:
        places = {"DATABASE_URL": self.database.url, "REDIS_URL": self.broker.url, "DATA": str(self.folder)}
        places |= {"MODELS": str(ROOT / "fixtures/models")} if "MODELS" in service.environment else {}
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        at_port = [
            tuple(word.replace("8000", str(self.port)) for word in words) for words in (service.command, service.check)
        ]
        environment = {**service.environment, **places, "PATH": programs, "LANG": "C.UTF-8"}
        return replace(service, command=at_port[0], check=at_port[1], environment=environment)

    def run(self, name: str, words: str = "command") -> subprocess.CompletedProcess[str]:
        service = self.services[name]
        return subprocess.run(
            getattr(service, words), cwd=ROOT, env=service.environment, capture_output=True, text=True, timeout=PATIENCE
        )

    def is_healthy(self, name: str) -> bool:
        return self.run(name, "check").returncode == 0

    def started(self, name: str) -> AbstractContextManager[psutil.Popen]:
        service = self.services[name]
        return process(service.command, service.environment, self._log(name))

    def said(self, name: str) -> str:
        return self._log(name).read_text()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def rows(self, sql: str) -> list[tuple]:
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            return connection.execute(sql).fetchall()


@contextmanager
def process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[psutil.Popen]:
    """It and its descendants end with the block, and with us."""
    with log.open("ab") as out:
        started = psutil.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, preexec_fn=_die_with_us)
    try:
        yield started
    finally:
        for one in (*started.children(recursive=True), started) if started.is_running() else ():
            with suppress(psutil.NoSuchProcess):
                one.kill()
        started.wait()


def _die_with_us() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(met: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture(scope="module")
def containers(tmp_path_factory) -> Iterator[Containers]:
    """After `prepare` has made the tables and loaded what is shipped."""
    with PostgreSQL(settings=FAST) as database, Redis() as broker:
        containers = Containers(tmp_path_factory.mktemp("containers"), database, broker)
        containers.prepared = containers.run("prepare")
        yield containers


def test_prepare_makes_the_tables_and_loads_the_shipped_entries(containers):
    assert containers.prepared.returncode == 0, containers.prepared.stderr
    assert containers.prepared.stdout.endswith(" new\n")
    assert containers.rows("SELECT COUNT(*) > 0 FROM wiki_run WHERE state = 'queued'") == [(True,)]
    again = containers.run("prepare")
    assert (again.returncode, again.stdout.endswith(" unchanged\n")) == (0, True)


def test_the_site_answers_and_its_check_knows_when_it_does_not(containers):
    assert not containers.is_healthy("web")
    with containers.started("web") as site:
        wait_for(lambda: containers.is_healthy("web"))
        master, *processes = site, *site.children()
        assert len(processes) >= 2
        for process in (master, *processes):
            process.suspend()
        assert not containers.is_healthy("web")
        for process in (master, *processes):
            process.resume()
        assert containers.is_healthy("web")
        site.terminate()
        assert site.wait(30) == 0
    assert not containers.is_healthy("web")


def test_the_sweep_gives_a_lost_run_back_and_its_check_knows_when_it_cannot(containers):
    assert not containers.is_healthy("sweep")
    with containers.started("sweep") as sweep:
        wait_for(lambda: containers.is_healthy("sweep"))
        lost = "state = 'running', fence = 1, attempts = 1, lease_until = now() - interval '1 hour'"
        ((run,),) = containers.rows(
            f"UPDATE wiki_run SET {lost} WHERE id = (SELECT MAX(id) FROM wiki_run) RETURNING id"
        )
        wait_for(lambda: containers.rows(f"SELECT state FROM wiki_run WHERE id = {run}") == [("queued",)])
        containers.database.stop()
        wait_for(lambda: not containers.is_healthy("sweep"))
        containers.database.start()
        wait_for(lambda: containers.is_healthy("sweep"))
        sweep.terminate()
        assert sweep.wait(30) == 0


def test_the_worker_makes_a_run_and_gives_the_next_back_when_told_to_stop(containers):
    assert not containers.is_healthy("worker")
    with containers.started("worker") as worker:
        wait_for(lambda: containers.rows("SELECT COUNT(*) FROM wiki_run WHERE state = 'finished'") != [(0,)])
        assert containers.is_healthy("worker")
        worker.suspend()
        wait_for(lambda: not containers.is_healthy("worker"))
        worker.resume()
        wait_for(lambda: containers.is_healthy("worker"))
        wait_for(lambda: containers.rows("SELECT COUNT(*) FROM wiki_run WHERE state = 'running'") == [(1,)])
        worker.terminate()
        assert worker.wait(30) == 0
    assert containers.rows("SELECT COUNT(*) FROM wiki_run WHERE state = 'running'") == [(0,)]
    assert containers.rows("SELECT COUNT(*) FROM wiki_worker WHERE ended_at IS NULL") == [(0,)]
    wait_for(lambda: not containers.is_healthy("worker"))


def test_a_worker_that_starts_before_its_database_is_there_as_soon_as_that_is(containers):
    """As after the host started again, when the engine keeps no order."""
    containers.database.stop()
    with containers.started("worker"):
        wait_for(lambda: "no sign of life this time" in containers.said("worker"))
        containers.database.start()
        wait_for(lambda: containers.is_healthy("worker"))
        assert containers.rows("SELECT COUNT(*) FROM wiki_worker WHERE ended_at IS NULL") == [(1,)]


def test_the_broker_wants_its_password_and_forgets_no_ring_to_make_room(containers, tmp_path):
    broker, port = services(TOLD)["broker"], free_port("127.0.0.1")
    shell, option, script = broker.command
    script = script.replace("--dir /data", f"--dir {tmp_path} --port {port} --bind 127.0.0.1")
    there = {**broker.environment, "PATH": os.environ["PATH"]}
    check = [broker.check[0], "-p", str(port), *broker.check[1:]]
    with process((shell, option, script), there, tmp_path / "log") as server:
        wait_for(lambda: _can_be_reached(port))
        assert subprocess.run(check, env=there, capture_output=True).returncode == 0
        assert subprocess.run(check, env=there | {"REDISCLI_AUTH": "other"}, capture_output=True).returncode != 0
        password = urlsplit(services(TOLD)["web"].environment["REDIS_URL"]).password
        with redis.Redis(port=port, password=password) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendonly") == {"appendonly": "yes"}
        server.terminate()
        server.wait(30)
        assert subprocess.run(check, env=there, capture_output=True).returncode != 0


def test_the_database_takes_its_settings_and_its_check_knows_when_it_is_down(containers):
    service = services(TOLD)["database"]
    assert service.command[:2] == ("postgres", "-c")
    settings = dict(word.split("=") for word in service.command[2::2])
    check = [*service.check, "--port"]
    with PostgreSQL(settings=settings) as database:
        with psycopg.connect(database.url) as connection:
            assert connection.execute("SHOW max_connections").fetchone() == (settings["max_connections"],)
        assert subprocess.run([*check, str(database.port)], capture_output=True).returncode == 0
        database.stop("immediate")
        assert subprocess.run([*check, str(database.port)], capture_output=True).returncode != 0


def _can_be_reached(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
