"""The engine as a child process: JSON lines over pipes, kept warm with its loaded models from one run to the next.

It ends when its standard input does, so that a killed worker leaves none behind. No pickle, no Django, no torch here.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from signal import SIGKILL
from threading import Thread
from typing import Any

import psutil

log = logging.getLogger("interpedia.worker")
COMMAND = (sys.executable, "-m", "workers.engine", "serve")
TO_END = 5.0  # seconds that a child without output has to end by itself
MEBIBYTE = 1024 * 1024


class EngineDied(Exception):
    """The child ended in the middle of a run, by itself or by another's hand. The run may be tried again."""


class EngineStopped(Exception):
    """The run took more time or memory than it may, or said what nobody understands. Trying again would not help."""


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Limits:
    """memory: MiB the child and what it starts may take, None for no limit. tick: seconds between looks."""

    memory: int | None
    tick: float


@dataclass(frozen=True)
class Deadline:
    """end: by the monotonic clock. words: how long it was, and why."""

    end: float
    words: str

    @classmethod
    def in_seconds(cls, seconds: float, why: str) -> Deadline:
        because = f", {why}" if why else ""
        return cls(time.monotonic() + seconds, f"{seconds:,.0f} seconds{because}")

    @property
    def passed(self) -> bool:
        return time.monotonic() > self.end

    def __str__(self) -> str:
        return self.words


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

    def ask(
        self, request: dict[str, Any], still_wanted: Callable[[Progress], bool], deadline: float, why: str = ""
    ) -> dict[str, Any]:
        """The child's last word on the request: {"event": "numbers" | "refused" | "errored", …}.

        still_wanted is called with the progress at every tick; when it says no, Abandoned is raised. Raises EngineDied
        and EngineStopped, too. After whatever was raised, the child is gone. deadline: seconds for this request;
        why: what they were taken from, told if they pass ("10 times its estimated cost").
        """
        try:
            return self._ask(request, still_wanted, Deadline.in_seconds(deadline, why))
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Ends the child and all that it started at once, and waits for it."""
        if self._process is not None:
            _kill_group(self._process)
            self._process.wait()
            self._process = None

    def _ask(
        self, request: dict[str, Any], still_wanted: Callable[[Progress], bool], deadline: Deadline
    ) -> dict[str, Any]:
        self._send(request)
        progress, looked = Progress(), 0.0
        while True:
            event = self._next_event()
            if event is not None and event.get("id") == request["id"]:
                if event["event"] != "progress":
                    return event
                progress = Progress(int(event["done"]), int(event["total"]), str(event["words"]))
            if time.monotonic() - looked >= self._limits.tick:
                looked = time.monotonic()
                self._look(deadline, still_wanted(progress))

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
            log.error("the engine said what is no JSON: %r", line[:200])
            raise EngineStopped("the engine said what is no JSON; what it was stands in the worker's log") from error
        return event

    def _look(self, deadline: Deadline, wanted: bool) -> None:
        if not wanted:
            raise Abandoned
        if deadline.passed:
            raise EngineStopped(f"not done within {deadline}")
        if self._limits.memory is not None and (used := self._memory()) > self._limits.memory:
            raise EngineStopped(f"out of memory: took {used:,} MiB, more than the {self._limits.memory:,} MiB it may")

    def _memory(self) -> int:
        """MiB resident in the child and in all that it started."""
        assert self._process is not None
        return sum(map(_resident, _with_descendants(self._process.pid))) // MEBIBYTE

    def _death(self) -> EngineDied:
        assert self._process is not None
        _await_end(self._process.pid)
        _kill_group(self._process)
        code = self._process.wait()
        self._process = None
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return EngineDied(f"the engine ended in the middle of the run ({how})")


def _pass_on(process: subprocess.Popen[str], lines: SimpleQueue[str | None]) -> None:
    """Every line the child writes, then None. A thread of its own, since pipes cannot be waited on with a timeout."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):  # else it was killed in the middle of it
            lines.put(line)
    lines.put(None)


def _await_end(pid: int) -> None:
    """A child that has closed its output is about to end; one that does not is killed with its group.

    It keeps its number, which is its group's, until it is waited for.
    """
    end = time.monotonic() + TO_END
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
        time.sleep(0.01)


def _kill_group(process: subprocess.Popen[str]) -> None:
    """The child and all that it started; a child that was waited for has given its number back."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)


def _with_descendants(pid: int) -> list[psutil.Process]:
    try:
        child = psutil.Process(pid)
        return [child, *child.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    """Bytes; none in a process that is gone by now."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
