"""A worker's sign of life: what it can do, written at its start and at every heartbeat. And what it takes next."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import Counter
from functools import cache
from threading import Event, Thread

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from config import signs
from config.queues import queue_of
from wiki import actions
from wiki.models import Run, Worker
from wiki.models.run import ANY_OF_THE_HUB
from workers.engine.checkpoint import checkpoints
from workers.engine.device import memory_of

log = logging.getLogger("interpedia.worker")
IDLE = 5  # seconds that a worker may be idle, and a run due for it, until it rings for itself
UNHEARD = 90.0  # seconds until it then counts as one that no longer hears; it connects anew every 30 at least
TO_END = 15.0  # seconds that it has to end by itself


class Presence:
    """A thread of its own, so that the worker counts as alive, and holds its run, whatever else it waits for."""

    def __init__(self) -> None:
        self.name = ""
        self._ended = Event()
        self._thread = Thread(target=self._beat, daemon=True)
        self._warm = ""
        self._run: Run | None = None
        self._idle_since: float | None = None  # None: it makes a run, or asks for one
        self._deaf_since: float | None = None
        self._rang_at = 0.0

    def begin(self, name: str) -> None:
        self.name, self._idle_since = name, time.monotonic()
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=TO_END)  # its last sign of life must not come after the leave
        try:
            actions.take_leave(self.name)
        except (DatabaseError, InterfaceError) as error:
            log.warning("could not say that this worker ends (%s); its silence will", error)

    @property
    def queue(self) -> str:
        """One that nobody else hears: a bell of a memory class goes to any worker that hears it."""
        return queue_of(self.name)

    def worker(self) -> Worker:
        worker = actions.see_worker(self.name, ability())
        signs.give("worker")
        return worker

    def claim(self) -> Run | None:
        self._idle_since = None
        self._run = actions.claim_run(self.worker(), self._warm)
        self._idle_since = time.monotonic() if self._run is None else None
        return self._run

    def made(self, run: Run) -> None:
        self._run, self._warm, self._idle_since = None, run.measurement.weights, time.monotonic()

    def _beat(self) -> None:
        while not self._ended.is_set():
            try:
                close_old_connections()
                self._renew()
                self._look_after(self.worker())
            except (DatabaseError, InterfaceError, OSError) as error:
                log.warning("no sign of life this time (%s); a lease outlasts several", error)
            except Exception:
                log.exception("no sign of life this time")
            self._ended.wait(settings.HEARTBEAT)
        connection.close()

    def _renew(self) -> None:
        """Also while a result waits for its turn, when nobody else would."""
        if (run := self._run) is not None:
            actions.renew(run)

    def _look_after(self, worker: Worker) -> None:
        """Sees to it that this worker leaves no runs lying that it could make, whatever became of their bells.

        It rings for itself; if it goes on not hearing even that, it ends, to be started anew by who started it.
        """
        now = time.monotonic()
        idle = 0.0 if self._idle_since is None else now - self._idle_since
        if idle < IDLE or not Run.objects.ignored(IDLE).takeable_by(worker).exists():
            self._deaf_since = None
            return
        if self._deaf_since is None:
            self._deaf_since = now
        if now - self._rang_at >= IDLE:
            self._rang_at = now
            actions.ring(Counter({self.name: 1}))
        if now - self._deaf_since > UNHEARD:
            log.error("runs wait and this worker does not hear of them; it ends, to be started anew")
            os.kill(os.getpid(), signal.SIGTERM)
            if not self._ended.wait(TO_END):
                os._exit(1)


def ability() -> actions.Ability:
    return actions.Ability(loadable(), settings.WORKER_MEMORY or _memory(), settings.DEVICE)


@cache
def _memory() -> int:
    return memory_of(settings.DEVICE)


def loadable() -> list[str]:
    """Weights in the models folders, by hash (files are hashed once while unchanged), and the hub if it is allowed."""
    local = {weights for _, weights in checkpoints(settings.MODELS)}
    return sorted({*local, *([ANY_OF_THE_HUB] if settings.HUB else [])})
