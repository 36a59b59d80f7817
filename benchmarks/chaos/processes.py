"""Programs that are started again when they end, as a service manager would, and that end with us, however we end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import IO

import psutil

from benchmarks.made_findings import ROOT

PAUSE = 1.0  # seconds between an end and the next start
PR_SET_PDEATHSIG = 1
OF_A_SITE = ("DATA", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "EVIDENCE_SECRET", "FIXTURES", "MODELS", "PORT")


class Kept:
    """One program. Each of its starts has a PGAPPNAME of its own, under which PostgreSQL knows its connections."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._command, self._environment, self._log = command, environment, log
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = Event()
        # the kernel ends a child with the thread that made it, so this one lives as long as the program is kept
        self._thread = Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Kills it with all that descends from it."""
        self._stopped.set()
        while self._thread.is_alive():
            kill(self.family())
            self._thread.join(timeout=0.1)

    def kill(self) -> None:
        """Only itself, as it runs now; it is started again."""
        assert self._process is not None
        self._process.kill()

    def family(self) -> list[psutil.Process]:
        """It and its descendants, as of now."""
        try:
            process = psutil.Process(self._process.pid) if self._process else None
            return [process, *process.children(recursive=True)] if process else []
        except psutil.NoSuchProcess:
            return []

    def _keep(self) -> None:
        starts = 0
        while not self._stopped.is_set():
            starts += 1
            environment = {**self._environment, "PGAPPNAME": f"{self.name}.{starts}"}
            with self._log.open("ab") as log:
                self._process = start(self._command, environment, log)
            self._process.wait()
            self._stopped.wait(PAUSE)


def start(
    command: Sequence[str], environment: Mapping[str, str], log: IO[bytes], answers: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C is for us, who then end it. answers: for its stdout, not the log."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=answers or log,
        stderr=log,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


def kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


@contextmanager
def undone(script: str) -> Iterator[None]:
    """A shell script that runs at the end, and when we end, however we end: it waits at a pipe that closes then."""
    waiting = ["sh", "-c", f"read -r _; sleep 0.5; {script}"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield
        finally:
            process.communicate()


def plain_environment() -> dict[str, str]:
    """Ours, without what would lead a site to another one's data."""
    return {name: value for name, value in os.environ.items() if name not in OF_A_SITE}


def _die_with_parent() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
