"""One server as a child process with a folder and a log: it and they end with us, however we end."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds a server may take to answer, or to end
LAST_WORDS = 5  # lines of its log that an error repeats
PR_SET_PDEATHSIG = 1


class ServerFailed(Exception):
    """The message is one line: what failed, and the server's last words."""


class ServerProcess:
    """folder: given, and kept at the end; or made in the system's temporary folder, and removed."""

    def __init__(self, name: str, folder: Path | None) -> None:
        self.name = name
        self._given = folder
        self._made: Path | None = None
        self._remover: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def folder(self) -> Path:
        assert self._made is not None, f"{self.name} has a folder only inside `with`"
        return self._made

    @contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """Makes the folder."""
        self._make_folder()
        try:
            yield
        except BaseException:
            self.stop(signal.SIGKILL)
            self.remove()
            raise

    def run_once(self, command: Sequence[str]) -> None:
        with self._popen(command, dies_by=signal.SIGKILL) as process:
            status = process.wait()
        if status != 0:
            raise self._failure(f"{Path(command[0]).name} ended with status {status}")

    def start(self, command: Sequence[str], dies_by: signal.Signals, answers: Callable[[], bool]) -> None:
        """Returns when it answers."""
        self._process = self._popen(command, dies_by)
        end = time.monotonic() + PATIENCE
        while not answers():
            if (status := self._process.poll()) is not None:
                raise self._failure(f"it ended with status {status} at its start")
            if time.monotonic() > end:
                raise self._failure(f"it did not answer within {PATIENCE:.0f} seconds")
            time.sleep(0.02)

    def stop(self, number: signal.Signals) -> None:
        """Nothing is done to one that has ended already."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.wait()
            raise self._failure(f"it did not end within {PATIENCE:.0f} seconds after {number.name}") from error

    def remove(self) -> None:
        if self._remover is not None:
            shutil.rmtree(self.folder)
            self._remover.terminate()
            self._remover.communicate()
        self._made = self._remover = None

    def _make_folder(self) -> None:
        if self._given is None:
            self._made = Path(tempfile.mkdtemp(prefix=f"interpedia-{self.name.lower()}-"))
            self._remover = remover(self._made)
        else:
            self._made = self._given
            self._made.mkdir(parents=True, exist_ok=True)
        if nobody := unprivileged():
            os.chown(self._made, nobody["user"], nobody["group"])

    def _popen(self, command: Sequence[str], dies_by: signal.Signals) -> subprocess.Popen[bytes]:
        try:
            with (self.folder / "log").open("ab") as log:
                return subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env={"PATH": os.defpath, "LC_ALL": "C"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for us, who then stop it
                    preexec_fn=lambda: _die_with_parent(dies_by),
                    **unprivileged(),
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise self._failure(f"{command[0]} cannot be run ({error})") from error

    def _failure(self, what: str) -> ServerFailed:
        log = self.folder / "log"
        said = log.read_text(errors="replace").split("\n") if log.exists() else []
        words = " / ".join([line.strip() for line in said if line.strip()][-LAST_WORDS:])
        return ServerFailed(f"{self.name}: {what}. Its last words: {words or 'none'}")


def unprivileged() -> dict[str, Any]:
    """subprocess's arguments with which root starts a process as `nobody`; none for other users."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def remover(folder: Path) -> subprocess.Popen[bytes]:
    """Waits at a pipe that closes when we end, however we end; gives the server time to end, and removes the folder."""
    script = 'read -r _; sleep 1; rm -rf "$1"'
    return subprocess.Popen(["sh", "-c", script, "sh", str(folder)], stdin=subprocess.PIPE, start_new_session=True)


def _die_with_parent(number: signal.Signals) -> None:
    """Runs in the new process, after it became `nobody`, which would undo it: on Linux the kernel sends the signal."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
