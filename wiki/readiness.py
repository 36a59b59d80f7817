"""Whether the database and the broker answer. Each is asked in a thread: one that hangs holds up nobody for long."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Unanswered
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Generic, TypeVar

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.celery import FOLDERS, broker_folder
from wiki.queues import Pulse, pulse

log = logging.getLogger("interpedia.health")
WITHIN = 2.0  # seconds
OK = "ok"
TROUBLE = (DatabaseTrouble, RedisError, OSError)

T = TypeVar("T")


@dataclass(frozen=True)
class Readiness:
    """database, broker: `ok`, or why not, in words that hold no address. pulse: None where the database is not ok."""

    database: str
    broker: str
    pulse: Pulse | None

    @property
    def ready(self) -> bool:
        return self.database == self.broker == OK


def readiness() -> Readiness:
    """Known within WITHIN seconds, whatever hangs."""
    asked_database, asked_broker = DATABASE.ask(), BROKER.ask()
    end = time.monotonic() + WITHIN
    database = _obstacle("database", asked_database, end) or OK
    broker = _obstacle("broker", asked_broker, end) or OK
    return Readiness(database, broker, asked_database.result() if database == OK else None)


class Probe(Generic[T]):
    """A question that may take for ever. It is never asked twice at once, so what hangs costs one thread."""

    def __init__(self, question: Callable[[], T]) -> None:
        self._question = question
        self._lock = Lock()
        self._asked: Future[T] | None = None

    def ask(self) -> Future[T]:
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                Thread(target=self._run, args=(self._asked,), daemon=True).start()
            return self._asked

    def _run(self, asked: Future[T]) -> None:
        try:
            asked.set_result(self._question())
        except TROUBLE as error:
            asked.set_exception(error)


def _obstacle(name: str, asked: Future[T], end: float) -> str:
    """In words, why there is no answer; empty if there is one."""
    try:
        asked.result(timeout=max(0.0, end - time.monotonic()))
    except Unanswered:
        return f"does not answer within {WITHIN:.0f} s"
    except TROUBLE as error:
        log.warning("the %s cannot be used: %s", name, " ".join(str(error).split()))
        return f"cannot be used ({type(error).__name__})"
    return ""


def _ask_database() -> Pulse:
    """On a connection of this thread's own, so that what is asked is also whether one can be made."""
    try:
        return pulse()
    finally:
        connection.close()


def _ask_broker() -> None:
    if settings.REDIS_URL:
        once = Retry(NoBackoff(), 0)
        timeouts = {"socket_connect_timeout": WITHIN, "socket_timeout": WITHIN}
        with Redis.from_url(settings.REDIS_URL, retry=once, **timeouts) as redis:
            redis.ping()
        return
    for folder in (broker_folder() / name for name in FOLDERS):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise NotADirectoryError(f"{folder} is no folder that can be written to")
        if not shutil.disk_usage(folder).free:
            raise OSError(f"there is no room left in {folder}")


DATABASE = Probe(_ask_database)
BROKER = Probe(_ask_broker)
