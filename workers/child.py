"""The engine as a child process: JSON lines over pipes, kept warm with its loaded models from one run to the next.

It ends when its standard input does, so that a killed worker leaves none behind. No pickle, no Django, no torch here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import psutil

COMMAND = (sys.executable, "-m", "workers.engine", "serve")
MEBIBYTE = 1024 * 1024


class EngineDied(Exception):
    """The child ended in the middle of a run, by itself or by another's hand. The run may be tried again."""


class EngineStopped(Exception):
    """The run took more time or memory than it may, or said what nobody understands. Trying again would not help."""


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Limits:
    """deadline: seconds for one run. memory: MiB the child may take, None for no limit. tick: seconds between looks."""

    deadline: float
    memory: int | None
    tick: float


@dataclass(frozen=True)
class Progress:
    done: int = 0
    total: int = 0
    words: str = ""


class Engine:
    """One child. Started when first asked, and anew after it died."""

    def __init__(self, limits: Limits, command: tuple[str, ...] = COMMAND) -> None:
        self._limits = limits
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._lines: SimpleQueue[str | None] = SimpleQueue()

    def start(self) -> None:
        """Loading its libraries takes seconds, so it may be started before there is anything to ask."""
        if self._process is None or self._process.poll() is not None:
            self._start()

    def ask(self, request: dict[str, Any], still_wanted: Callable[[Progress], bool]) -> dict[str, Any]:
        """The child's last word on the request: {"event": "numbers" | "refused" | "errored", …}.

        still_wanted is called with the progress at every tick; when it says no, Abandoned is raised. Raises EngineDied
        and EngineStopped, too. After whatever was raised, the child is gone.
        """
        try:
            return self._ask(request, still_wanted)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Ends the child at once, and waits for it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _ask(self, request: dict[str, Any], still_wanted: Callable[[Progress], bool]) -> dict[str, Any]:
        self._send(request)
        end, progress, looked = time.monotonic() + self._limits.deadline, Progress(), 0.0
        while True:
            event = self._next_event()
            if event is not None and event.get("id") == request["id"]:
                if event["event"] != "progress":
                    return event
                progress = Progress(int(event["done"]), int(event["total"]), str(event["words"]))
            if time.monotonic() - looked >= self._limits.tick:
                looked = time.monotonic()
                self._look(end, still_wanted(progress))

    def _send(self, request: dict[str, Any]) -> None:
        self.start()
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._death() from error

    def _start(self) -> None:
        self._lines = SimpleQueue()
        # its own process group: Ctrl-C in a terminal is for the worker, which ends the child itself
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "TQDM_DISABLE": "1"},
            process_group=0,
        )
        Thread(target=_pass_on, args=(self._process, self._lines), daemon=True).start()

    def _next_event(self) -> dict[str, Any] | None:
        """The next line as an event; None if there was none within a tick."""
        try:
            line = self._lines.get(timeout=min(self._limits.tick, 0.5))
        except Empty:
            return None
        if line is None:
            raise self._death()
        try:
            event: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError as error:
            raise EngineStopped(f"the engine said what is no JSON: {line[:200]!r}") from error
        return event

    def _look(self, end: float, wanted: bool) -> None:
        if not wanted:
            raise Abandoned
        if time.monotonic() > end:
            raise EngineStopped(f"not done within {self._limits.deadline:.0f} seconds")
        if self._limits.memory is not None and (used := self._memory()) > self._limits.memory:
            raise EngineStopped(f"took {used} MiB of memory, more than the {self._limits.memory} MiB it may")

    def _memory(self) -> int:
        """MiB resident in the child."""
        assert self._process is not None
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss // MEBIBYTE)
        except psutil.NoSuchProcess:
            return 0

    def _death(self) -> EngineDied:
        assert self._process is not None
        code = self._process.wait()
        self._process = None
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return EngineDied(f"the engine ended in the middle of the run ({how})")


def _pass_on(process: subprocess.Popen[str], lines: SimpleQueue[str | None]) -> None:
    """Every line the child writes, then None. A thread of its own, since pipes cannot be waited on with a timeout."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)
