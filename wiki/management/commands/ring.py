"""manage.py ring: the sweep. Takes lost runs back, rings again for those that wait, follows which workers live."""

from __future__ import annotations

import logging
import signal
import time
from argparse import ArgumentParser
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections

from config import signs
from config.celery import make_broker_folder, remove_heard_rings
from wiki import actions

log = logging.getLogger("interpedia.sweep")
EVERY = 2.0  # seconds
TIDY_EVERY = 30.0


class Command(BaseCommand):
    help = "Sweep the queue until stopped: lost runs go back into it, and waiting ones are rung for again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="sweep once and end")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        ended = Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: ended.set())
        sweep, tidied = actions.Sweep(), 0.0
        while not ended.is_set():
            try:
                make_broker_folder()  # somebody may have removed it, and a worker ends without it
                close_old_connections()
                sweep.once()
                if time.monotonic() - tidied >= TIDY_EVERY:
                    actions.tidy()
                    tidied = time.monotonic()
                signs.give("sweep")
                remove_heard_rings()
            except (DatabaseError, InterfaceError, OSError) as error:
                log.warning("the sweep comes again: %s", (str(error).splitlines() or [type(error).__name__])[0])
            if once:
                return
            ended.wait(EVERY)
