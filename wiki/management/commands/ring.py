"""manage.py ring: the sweep. Takes lost runs back, rings again for those that wait, follows which workers live."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections

from config.celery import remove_heard_rings
from wiki import actions

EVERY = 2.0  # seconds


class Command(BaseCommand):
    help = "Sweep the queue until stopped: lost runs go back into it, and waiting ones are rung for again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="sweep once and end")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        ended = Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: ended.set())
        loadable: frozenset[str] = frozenset()
        while not ended.is_set():
            try:
                close_old_connections()
                loadable = actions.sweep(loadable)
            except (DatabaseError, InterfaceError) as error:
                self.stderr.write(f"the sweep comes again: {error}")
            remove_heard_rings()
            if once:
                return
            ended.wait(EVERY)
