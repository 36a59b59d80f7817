"""PostgreSQL and Redis of one's own: the machine's installed programs, on free ports, in folders that are thrown away.

Both end with the process that started them, even when that is killed, and their folders with them. Started by root they
run as `nobody`, since PostgreSQL refuses root: their folders must lie where another user can enter.
"""

import random
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import psycopg
import redis

from tests.programs import POSTGRESQL, REDIS, Program, path_of
from tests.server_process import ServerFailed, ServerProcess

FAST = {"fsync": "off", "full_page_writes": "off"}
"""Settings of a PostgreSQL that may lose its data when the machine stops."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
STOPS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}  # PostgreSQL's names for these signals
REDIS_DATABASES = 1024
# Below the ports that outgoing connections are given: nobody takes a stopped server's port until it starts again, and
# a client that dials it meanwhile cannot be connected to itself.
PORTS = range(20_000, 30_000)


class PostgreSQL:
    """A cluster with the empty database `interpedia`, whoever connects is let in. A given folder is kept at the end.

    settings: of postgresql.conf, e.g. FAST. host: the address it listens on; others than loopback admit their subnet.
    """

    def __init__(
        self,
        folder: Path | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.host, self.port = host, port or free_port(host)
        self.settings = dict(settings or {})
        self._server = ServerProcess("PostgreSQL", folder)

    @property
    def url(self) -> str:
        return self.url_of("interpedia")

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def folder(self) -> Path:
        return self._server.folder

    def url_of(self, database: str) -> str:
        return f"postgres://interpedia@{self.host}:{self.port}/{database}"

    def __enter__(self) -> Self:
        with self._server.removed_on_failure():
            self._initialize()
            self.start()
            self.create_database("interpedia")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        self._server.remove()

    def start(self) -> None:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            **self.settings,
        }
        command = [installed(POSTGRESQL), "-D", str(self.folder / "data")]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._server.start(command, dies_by=signal.SIGQUIT, answers=self._answers)

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """fast: connections are cut and everything is written. immediate: as if it had crashed; start() recovers."""
        self._server.stop(STOPS[mode])

    def create_database(self, name: str) -> str:
        """Its address."""
        self._execute(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _initialize(self) -> None:
        initdb = str(Path(installed(POSTGRESQL)).resolve().with_name("initdb"))
        people = ("--username=interpedia", "--auth=trust")
        letters = ("--encoding=UTF8", "--no-locale")
        self._server.run_once([initdb, *people, *letters, "--no-sync", str(self.folder / "data")])
        if self.host not in LOOPBACK:
            with (self.folder / "data/pg_hba.conf").open("a") as admitted:
                admitted.write("host all all samenet trust\n")

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(sql)

    def _answers(self) -> bool:
        """By its own word in its own folder: on its port another one might answer."""
        status = self.folder / "data/postmaster.pid"
        said = status.read_text().split() if status.exists() else []
        return said[:1] == [str(self.pid)] and said[-1] == "ready"


class Redis:
    """It keeps nothing on disk: what starts again is empty. A given folder is kept at the end."""

    def __init__(self, folder: Path | None = None, host: str = "127.0.0.1", port: int | None = None) -> None:
        self.host, self.port = host, port or free_port(host)
        self._server = ServerProcess("Redis", folder)

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def folder(self) -> Path:
        return self._server.folder

    def __enter__(self) -> Self:
        with self._server.removed_on_failure():
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._server.remove()

    def start(self) -> None:
        settings = {
            "port": str(self.port),
            "bind": self.host,
            "protected-mode": "yes" if self.host in LOOPBACK else "no",
            "dir": str(self.folder),
            "save": "",
            "databases": str(REDIS_DATABASES),
        }
        command = [installed(REDIS), *(word for name, value in settings.items() for word in (f"--{name}", value))]
        self._server.start(command, dies_by=signal.SIGKILL, answers=self._answers)

    def stop(self) -> None:
        self._server.stop(signal.SIGTERM)

    def kill(self) -> None:
        self._server.stop(signal.SIGKILL)

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return client.info("server")["process_id"] == self.pid
        except redis.ConnectionError:
            return False


def installed(program: Program) -> str:
    path = path_of(program)
    if path is None:
        raise ServerFailed(f"{program.package} is not installed")
    return path


def free_port(host: str) -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise ServerFailed(f"no free port was found on {host} from {PORTS[0]} to {PORTS[-1]}")
