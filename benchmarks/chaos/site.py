"""The site under test: its real processes, on a database and a broker of its own.

Workers and the sweep, or `manage.py up`, run as on a real machine, and are started again when they end. Only the lease
is shorter than a real site's, so that its passing can be waited for often.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, TypeVar

import psutil
import psycopg

from benchmarks.chaos import changes
from benchmarks.chaos.processes import Kept, plain_environment, start
from benchmarks.made_findings import ROOT
from tests.servers import PostgreSQL, Redis, free_port

LEASE = 3  # seconds; a real site's is 30
PATIENCE = 120.0
UNDER_WAY = 0.2
MANAGE = (sys.executable, "manage.py")
WORK = (*MANAGE, "work", "--loglevel", "warning")
ENDED = "('finished', 'refused', 'errored')"
LATE = "another's by now"
AWAY = (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)
T = TypeVar("T")


class Overdue(Exception):
    """What was waited for did not come. The message says what."""


class Site:
    """folder: the logs of its processes. servers: its database and its broker; none for the embedded ones.

    published: a file with a line for each finding whose publication was acknowledged.
    """

    def __init__(self, folder: Path, data: Path, servers: tuple[PostgreSQL, Redis] | None = None) -> None:
        self.folder, self.data = folder, data
        self.postgresql, self.redis = servers or (None, None)
        self.port = free_port("127.0.0.1")
        self.environment = plain_environment() | {
            "DATA": str(data),
            "PORT": str(self.port),
            "FIXTURES": str(folder / "fixtures"),
            "SECRET_KEY": "known to everybody, and good for nothing but this benchmark",
            "EVIDENCE_SECRET": "known to everybody, and good for nothing but this benchmark",
            "HUB": "no",
            "LEASE": str(LEASE),
            "OMP_NUM_THREADS": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        if servers is not None:
            self.environment |= {"DATABASE_URL": servers[0].url, "REDIS_URL": servers[1].url}
        self.published = folder / "published"
        self._kept: dict[str, Kept] = {}
        self._connection: Any = None

    # ------------------------------------------------------------------------------------------ its processes

    def prepare(self) -> None:
        """An empty database, which the benchmark's own triggers watch."""
        (self.folder / "fixtures").mkdir()
        self.data.mkdir(exist_ok=True)
        self.run(*MANAGE, "migrate", "--verbosity", "0")
        self.run(sys.executable, "-c", "from config.celery import make_broker_folder as make; make()")
        for statement in changes.on_postgresql() if self.postgresql else changes.on_sqlite():
            self._execute(statement)

    def keep(self, name: str, command: Sequence[str], more: Mapping[str, str] = MappingProxyType({})) -> Kept:
        self._kept[name] = kept = Kept(name, command, self.environment | dict(more), self.log(name))
        kept.start()
        return kept

    def keep_parts(self, workers: int, more: Mapping[str, str]) -> None:
        """The sweep, and so many workers."""
        self.keep("sweep", (*MANAGE, "ring"), more)
        for number in range(workers):
            self.keep(f"worker-{number}", WORK, more)

    def spawn(self, name: str, *command: str, answers: Path | None = None) -> subprocess.Popen[bytes]:
        """Once. answers: a file for its standard output."""
        with self.log(name).open("ab") as log, (answers or self.log(name)).open("ab") as out:
            return start(command, self.environment, log, out)

    def run(self, *command: str) -> None:
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr}")

    def stop(self) -> None:
        for kept in self._kept.values():
            kept.stop()
        self._forget_connection()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self) -> str:
        return "".join(log.read_text(errors="replace") for log in sorted(self.folder.glob("*.log")))

    def kept(self, name: str) -> Kept:
        return self._kept[name]

    def at_work(self, rng: Random) -> psutil.Process:
        """A worker that holds a run, or any if none does at this moment."""
        workers = self.wait_for(self.workers, "a worker")
        holding = self._holding()
        return rng.choice([worker for worker in workers if worker.pid in holding] or workers)

    def caught(self, rng: Random) -> tuple[psutil.Process, psutil.Process]:
        """A worker in the middle of a run, and its engine, which stands still and must be resumed."""
        return self.wait_for(lambda: self._catch(self.at_work(rng)), "a worker in the middle of a run")

    def _catch(self, worker: psutil.Process) -> tuple[psutil.Process, psutil.Process] | None:
        engine = engine_of(worker)
        if engine is None:
            return None
        engine.suspend()
        held = self._holding().get(worker.pid)
        time.sleep(UNDER_WAY)  # what was answered already is written by now
        if held is not None and self._holding().get(worker.pid) == held:
            return worker, engine
        engine.resume()
        return None

    def _holding(self) -> dict[int, tuple[int, int]]:
        """By a worker's process: the run it holds, and with which fence."""
        sql = "SELECT w.name, r.id, r.fence FROM wiki_worker w JOIN wiki_run r ON r.worker_id = w.id"
        return {_process_of(name): (run, fence) for name, run, fence in self.rows(f"{sql} WHERE r.state = 'running'")}

    def workers(self) -> list[psutil.Process]:
        return [one for kept in self._kept.values() for one in kept.family() if _runs(one, "celery", "worker")]

    # ------------------------------------------------------------------------------------------ its runs

    def running(self) -> list[int]:
        return [run for (run,) in self.rows("SELECT id FROM wiki_run WHERE state = 'running'")]

    def ended(self) -> set[int]:
        return {run for (run,) in self.rows(f"SELECT id FROM wiki_run WHERE state IN {ENDED}")}

    def changes(self) -> int:
        """How many there were so far: a moment in what the database saw."""
        return int(self.rows("SELECT COALESCE(MAX(id), 0) FROM chaos_change")[0][0])

    def has_made_one(self, since: int) -> bool:
        """Whether a run that was claimed since then has ended."""
        claimed = f"SELECT run FROM chaos_change WHERE id > {since} AND state_after = 'running'"
        return bool(self.rows(f"SELECT 1 FROM wiki_run WHERE state IN {ENDED} AND id IN ({claimed}) LIMIT 1"))

    def is_done(self) -> bool:
        return not self.rows(f"SELECT 1 FROM wiki_run WHERE state NOT IN {ENDED} LIMIT 1")

    def wait_for(self, found: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
        """What it finds first that is not nothing. While the database is away, there is nothing to be found."""
        end = time.monotonic() + patience
        while True:
            try:
                if something := found():
                    return something
            except AWAY:
                self._forget_connection()
            if time.monotonic() > end:
                raise Overdue(f"{what} did not come within {patience:.0f} seconds")
            time.sleep(0.02)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._execute(sql).fetchall()]

    def _execute(self, sql: str) -> Any:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection.execute(sql)

    def _connect(self) -> Any:
        if self.postgresql is not None:
            return psycopg.connect(self.postgresql.url, autocommit=True, connect_timeout=5)
        return sqlite3.connect(self.data / "interpedia.sqlite3", timeout=20, isolation_level=None)

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def engine_of(worker: psutil.Process) -> psutil.Process | None:
    """The child that measures for it; none while it is being started."""
    return next((one for one in worker.children() if _runs(one, "workers.engine", "serve")), None)


def _process_of(worker: str) -> int:
    """The number in its name: `machine-number@machine`."""
    return int(worker.partition("@")[0].rpartition("-")[2])


def _runs(process: psutil.Process, *words: str) -> bool:
    try:
        return set(words) <= set(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def moment(written: datetime | str) -> datetime:
    """A time as the database hands it out: SQLite keeps text."""
    return datetime.fromisoformat(written) if isinstance(written, str) else written
