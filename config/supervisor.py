"""Keeping a few processes running together: started, started again when they die, and all ended when one is told to."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import psutil

GRACE = 8.0  # seconds to end by oneself after being told to
STEADY = 60.0  # seconds of life after which a death counts as the first one again
LONGEST_PAUSE = 30.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1


class Told(Exception):
    """A signal said to stop."""


@dataclass
class Child:
    """A process to keep running. deaths: in a row, each sooner than STEADY after its start."""

    name: str
    command: Sequence[str]
    descriptors: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    not_before: float = field(default=0.0)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, pass_fds=self.descriptors, preexec_fn=_end_with_parent
        )
        self.started = time.monotonic()

    def exit_status(self) -> int | None:
        """None while it runs, or waits to be started."""
        return None if self.process is None else self.process.poll()


class Supervisor:
    def __init__(self, children: Iterable[Child], say: Callable[[str], None]) -> None:
        self.children = list(children)
        self._say = say

    def start(self) -> None:
        for child in self.children:
            child.start()

    def watch(self) -> None:
        """Starts again what has died, after a pause that grows while it goes on dying. Called every now and then."""
        for child in self.children:
            if child.process is None and time.monotonic() >= child.not_before:
                child.start()
            elif (status := child.exit_status()) is not None:
                self._note_death(child, status)

    def restart(self, child: Child) -> None:
        if child.process is not None:
            _end([child.process])
            child.process = None
        child.not_before = 0.0

    def stop(self) -> None:
        """Ends every child with all of its descendants."""
        _end([child.process for child in self.children if child.process is not None])

    def _note_death(self, child: Child, status: int) -> None:
        child.deaths = 1 if time.monotonic() - child.started > STEADY else child.deaths + 1
        pause = min(LONGEST_PAUSE, 2.0 ** (child.deaths - 1) - 1)
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        self._say(f"The {child.name} ended ({how}); starting it again{f' in {pause:.0f} s' if pause else ''}")
        child.process, child.not_before = None, time.monotonic() + pause


class StopOnSignal:
    """Turns INT, TERM and HUP into Told, once; later ones are ignored, so that stopping is not itself stopped."""

    def __enter__(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._tell)

    def __exit__(self, *_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _tell(self, number: int, frame: FrameType | None) -> None:
        for other in SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        raise Told


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    family = [member for process in processes for member in _family(process.pid)]
    for process in processes:
        process.terminate()
    _, left = psutil.wait_procs(family, timeout=GRACE)
    for member in left:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    for process in processes:
        process.wait()


def _family(pid: int) -> list[psutil.Process]:
    """The process and its descendants, as of now."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end_with_parent() -> None:
    """Runs in the new process: on Linux the kernel ends it when its parent dies, even by kill -9."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
