"""The whole site as real processes, on a data folder of its own, or databases of its own on the servers it is told."""

import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import redis

from workers.engine.documents.kinds import DOCUMENTS

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0
FIRST_BROKER = 100
BEHAVIOR = json.loads((ROOT / "fixtures/behaviors/induction.json").read_text())
MODEL = json.loads((ROOT / "fixtures/models/induction-2l.json").read_text())


def finding(slug: str, bound: float) -> dict[str, Any]:
    """A true and small finding about a model that is shipped: without its second layer's heads it cannot do it."""
    return {
        "slug": slug,
        "title": "Induction needs the second layer",
        "behavior": {"slug": "induction", "revision": DOCUMENTS["behavior"].from_json(BEHAVIOR).sha256},
        "model": {"slug": "induction-2l", "revision": DOCUMENTS["model"].from_json(MODEL).sha256},
        "claims": [
            {
                "id": "does-it",
                "technique": "behavior",
                "spec": {"metric": "accuracy", "prompts": "default" if slug == "first" else "long"},
                "expect": {"at_least": bound},
            }
        ],
    }


def write_folder(folder: Path, *findings: dict[str, Any]) -> Path:
    documents = [("behaviors", BEHAVIOR), ("models", MODEL), *(("findings", one) for one in findings)]
    for kind, document in documents:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / kind / f"{document['slug']}.json").write_text(json.dumps(document))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_server(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def own_database(folder: Path) -> dict[str, str]:
    """Of the folder's site, on the PostgreSQL that DATABASE_URL= names; nothing without it."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        return {}
    name = f"site_{hashlib.sha256(bytes(folder)).hexdigest()[:12]}"
    with psycopg.connect(on_server(url, "postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f'CREATE DATABASE "{name}"')
    return {"DATABASE_URL": on_server(url, name)}


def own_broker() -> dict[str, str]:
    """A number on the Redis that REDIS_URL= names, above those of the test processes; nothing without it."""
    url = os.environ.get("REDIS_URL")
    if not url:
        return {}
    with redis.Redis.from_url(on_server(url, "0")) as client:
        return {"REDIS_URL": on_server(url, str(FIRST_BROKER + client.incr("sites")))}


class Site:
    """`manage.py up` on a folder. start() returns when it answers."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.data = folder / "data"
        self.log = folder / "log"
        self.port = port or free_port()
        self.environment = {key: value for key, value in os.environ.items() if key not in ("DATA", "SECRET_KEY")}
        self.environment |= {
            "DATA": str(self.data),
            "PORT": str(self.port),
            "FIXTURES": str(folder / "documents"),
            "HUB": "no",
            "LEASE": "3",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **own_database(folder),
            **own_broker(),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until it answered."""
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        before = self.said().count("Open  http")
        self.wait_for(lambda: self.said().count("Open  http") > before)
        return time.monotonic() - begun

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)

    def wait_for(self, met: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not met():
            assert self.process is not None and self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Seconds until it had ended."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        return time.monotonic() - begun

    def family(self) -> list[psutil.Process]:
        """All processes below `up`."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def member(self, *words: str) -> psutil.Process:
        return next(one for one in self.family() if all(word in " ".join(one.cmdline()) for word in words))

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        if url := self.environment.get("DATABASE_URL"):
            with psycopg.connect(url) as connection:
                return connection.execute(sql).fetchall()
        with closing(sqlite3.connect(self.data / "interpedia.sqlite3", timeout=20)) as connection:
            return connection.execute(sql).fetchall()
