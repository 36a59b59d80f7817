"""The servers that tests start: of one's own, with their data kept over a stop, and gone with whoever started them."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest
import redis

from tests.servers import FAST, PostgreSQL, Redis, ServerFailed

from .tree import ROOT

STARTED_AND_KILLED = """
import os, signal
from tests.servers import FAST, PostgreSQL, Redis
with PostgreSQL(settings=FAST) as postgresql, Redis() as redis:
    for server in (postgresql, redis):
        print(server.pid, server.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def postgresql():
    with PostgreSQL(settings=FAST) as server:
        yield server


@pytest.mark.postgresql
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgresql_stopped_and_started_again_has_its_port_and_what_was_committed(postgresql, mode):
    url = postgresql.create_database(mode)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'é' AS letter")
    before = postgresql.pid
    postgresql.stop(mode)
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)
    postgresql.start()
    assert postgresql.pid != before
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT letter FROM kept").fetchall() == [("é",)]
    postgresql.drop_database(mode)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


@pytest.mark.postgresql
def test_postgresql_never_runs_as_root(postgresql):
    assert psutil.Process(postgresql.pid).uids().real != 0


@pytest.mark.postgresql
def test_a_server_that_cannot_start_says_why_in_one_line_and_leaves_nothing(postgresql, monkeypatch):
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # for nobody
        monkeypatch.setattr("tempfile.tempdir", folder)
        with pytest.raises(ServerFailed, match=r"PostgreSQL: .*Address already in use") as failed:
            PostgreSQL(port=postgresql.port, settings=FAST).__enter__()
        assert "\n" not in str(failed.value)
        assert list(Path(folder).iterdir()) == []


@pytest.mark.redis
def test_redis_killed_or_flushed_is_empty_on_the_same_port():
    with Redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("rings", 1)
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("rings")
        server.start()
        assert client.get("rings") is None
        client.set("rings", 1)
        server.flush()
        assert client.get("rings") is None


@pytest.mark.postgresql
@pytest.mark.redis
def test_killed_together_with_their_folders_when_whoever_started_them_is_killed():
    command = [sys.executable, "-c", STARTED_AND_KILLED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    started = [line.split() for line in done.stdout.splitlines()]
    assert len(started) == 2
    end = time.monotonic() + 20
    while any(psutil.pid_exists(int(pid)) or Path(folder).exists() for pid, folder in started):
        assert time.monotonic() < end, started
        time.sleep(0.05)
