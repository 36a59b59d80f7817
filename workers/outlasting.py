"""Outlasting a database that is away: restarted, out of disk, locked, behind a network that is cut."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection

log = logging.getLogger("interpedia.worker")
PATIENCE = 600.0  # seconds until it is given up; the sweep then finds the run
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
T = TypeVar("T")


def outlast(action: Callable[[], T], stopping: Callable[[], bool]) -> T:
    """What the action gives, as soon as the database lets it. It is repeated whole, so it must bear that."""
    end, tries = time.monotonic() + PATIENCE, 0
    while True:
        try:
            close_old_connections()
            return action()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if stopping() or time.monotonic() > end:
                raise
            log.warning("the database is away (%s); trying again", _first_line(error))
        time.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
        tries += 1


def unless_away(action: Callable[[], bool]) -> bool:
    """What the action says; yes while the database is away, since what is asked for may still be wanted."""
    try:
        return action()
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning("the database is away (%s); the run goes on", _first_line(error))
        return True


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
