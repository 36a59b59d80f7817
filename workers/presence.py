"""A worker's sign of life: which weights it could load, written at its start and at every heartbeat."""

from __future__ import annotations

import logging
from threading import Event, Thread

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from wiki import actions
from wiki.models import Worker
from wiki.models.run import ANY_OF_THE_HUB
from workers.engine.checkpoint import checkpoints

log = logging.getLogger("interpedia.worker")


class Presence:
    """A thread of its own, so that the worker counts as alive while it waits for a long run."""

    def __init__(self) -> None:
        self._ended = Event()
        self._name = ""

    def begin(self, name: str) -> None:
        self._name = name
        self.worker()
        Thread(target=self._beat, daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def worker(self) -> Worker:
        return actions.see_worker(self._name, loadable(), settings.DEVICE)

    def _beat(self) -> None:
        while not self._ended.wait(settings.HEARTBEAT):
            try:
                close_old_connections()
                self.worker()
            except (DatabaseError, InterfaceError, OSError) as error:
                log.warning("no sign of life this time (%s); a lease outlasts several", error)


def loadable() -> list[str]:
    """Weights in the models folders, by hash (files are hashed once while unchanged), and the hub if it is allowed."""
    local = {weights for _, weights in checkpoints(settings.MODELS)}
    return sorted({*local, *([ANY_OF_THE_HUB] if settings.HUB else [])})
