"""manage.py work: a worker. Celery's, of one process, that hears the queues of the runs that fit this machine."""

from __future__ import annotations

import os
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.queues import classes_for, queue_of
from workers.engine.device import memory_of


class Command(BaseCommand):
    help = "Make the runs that wait, until stopped. WORKER_MEMORY= and DEVICE= say what on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loglevel", default="info")

    def handle(self, *args: Any, loglevel: str, **options: Any) -> None:
        memory = settings.WORKER_MEMORY or memory_of(settings.DEVICE)
        os.environ["WORKER_MEMORY"] = str(memory)
        # a name of its own for every process: two workers on one machine are two rows
        name = f"worker-{os.getpid()}@{socket.gethostname()}"
        queues = ",".join(map(queue_of, (*classes_for(memory), name)))
        command = f"-m celery --app config.celery --quiet worker --pool solo --queues {queues} --hostname {name}"
        command += f" --loglevel {loglevel}"
        command += " --without-gossip --without-mingle --without-heartbeat"
        # celery warns of root because of pickle, which our messages never are
        warnings = ["-W", "ignore:You're running the worker with superuser privileges"]
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *warnings, *command.split()])
