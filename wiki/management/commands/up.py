"""manage.py up: the whole of Interpedia on one machine: web server, one worker and the sweep, until told to stop."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.db.migrations.executor import MigrationExecutor

from config.celery import make_broker_folder
from config.supervisor import Child, StopOnSignal, Supervisor, Told
from wiki import actions, fixtures, triggers
from wiki.models import Run

PATIENCE = 60.0  # seconds the web server may take to answer at first
LOOK = 0.5  # seconds between looks at the children
OVERLOOKED = 60  # seconds a run may wait while nobody claims any, before the worker is started anew


class CannotStart(Exception):
    """The message is the one line that says why."""


class Command(BaseCommand):
    help = "Run web server, worker and sweep until stopped. PORT= and DATA= choose where."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with StopOnSignal():
                self._run()
        except CannotStart as reason:
            self.stderr.write(f"interpedia: {reason}")
            sys.exit(1)
        except Told:
            self._say("Stopped")

    def _run(self) -> None:
        listener = listening_socket(settings.HOST, settings.PORT)
        lock = lock_of(Path(settings.DATA))
        self._say(f"Interpedia keeps its data in {settings.DATA}")
        self._prepare()
        web, worker, sweep = children_of(listener)
        supervisor = Supervisor((web, worker, sweep), self._say)
        try:
            supervisor.start()
            self._await_answer(web)
            self._welcome()
            self._watch(supervisor, worker)
        finally:
            supervisor.stop()
            lock.close()

    def _prepare(self) -> None:
        make_broker_folder()
        if needs_migration():
            self._say("Making the database ready")
            call_command("migrate", verbosity=0, interactive=False)
        triggers.install()  # a migration that was cut short left none
        self._say("Loading what comes with it")
        results: Counter[str] = Counter()
        for loaded in fixtures.load(settings.FIXTURES):
            results[f"{loaded.kind}s {loaded.result}"] += 1
            for problem in loaded.problems:
                self.stderr.write(f"{loaded.file}: {problem}")
        self._say(f"  {', '.join(f'{number} {what}' for what, number in results.items()) or 'nothing'}")

    def _await_answer(self, web: Child) -> None:
        self._say("Starting the web server, one worker and the sweep")
        end = time.monotonic() + PATIENCE
        while not answers(address()):
            if web.exit_status() is not None:
                raise CannotStart("the web server ended at its start; its last words are above")
            if time.monotonic() > end:
                raise CannotStart(f"the web server did not answer within {PATIENCE:.0f} seconds")
            time.sleep(LOOK / 5)

    def _welcome(self) -> None:
        self._say(f"\nOpen  {address()}")
        if token := actions.invite_steward():
            self._say(f"Become the steward (once):  {address()}welcome/{token}/")
        if waiting := Run.objects.open().count():
            self._say(f"{waiting} runs wait or are under way: watch the badges turn")
        self._say("Ctrl-C stops everything; the data stays")

    def _watch(self, supervisor: Supervisor, worker: Child) -> None:
        looked = time.monotonic()
        while True:
            supervisor.watch()
            time.sleep(LOOK)
            if time.monotonic() - looked > OVERLOOKED / 4:
                looked = time.monotonic()
                if looked - worker.started > OVERLOOKED and self._overlooks_runs():
                    self._say("Runs wait and nobody claims them; starting the worker again")
                    supervisor.restart(worker)

    def _overlooks_runs(self) -> bool:
        close_old_connections()
        try:
            return Run.objects.overlooked(OVERLOOKED).exists()
        except (DatabaseError, InterfaceError) as error:
            self._say(f"The database does not answer ({error}); looking again")
            return False

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def listening_socket(host: str, port: int) -> socket.socket:
    """Opened here and handed on, so that a taken port is known before anything is done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise CannotStart(f"port {port} on {host} {why}. Choose another: PORT={port + 1}") from error
    listener.set_inheritable(True)
    return listener


def lock_of(data: Path) -> IO[str]:
    """Held while this process lives: two of them on one folder would fight over the queue."""
    lock = (data / "up.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CannotStart(f"another one runs on {data} already. Choose another folder: DATA=…") from error
    return lock


def needs_migration() -> bool:
    executor = MigrationExecutor(connections["default"])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def children_of(listener: socket.socket) -> tuple[Child, Child, Child]:
    processes = min(4, max(2, os.cpu_count() or 1))
    web = f"gunicorn config.wsgi --config python:config.gunicorn --bind fd://{listener.fileno()}"
    web += f" --workers {processes} --threads 4 --log-level warning --graceful-timeout 3 --no-control-socket"
    manage = (sys.executable, str(settings.BASE_DIR / "manage.py"))
    return (
        Child("web server", (sys.executable, "-m", *web.split()), descriptors=(listener.fileno(),)),
        Child("worker", (*manage, "work", "--loglevel", "warning")),
        Child("sweep", (*manage, "ring")),
    )


def address() -> str:
    host = "127.0.0.1" if settings.HOST in ("0.0.0.0", "::") else settings.HOST
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}/"


def answers(url: str) -> bool:
    """Whether anything comes back, be it an error page."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
