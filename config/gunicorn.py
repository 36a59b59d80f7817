"""gunicorn's settings that are code:  gunicorn --config python:config.gunicorn config.wsgi

How it logs, and the folder in which its processes count requests together (prometheus_client's multiprocess mode).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psutil

from config import environment, observing

logconfig_dict = observing.logging_settings(environment.text("LOG_FORMAT", "text"))
SHARED = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "interpedia-metrics-"


def on_starting(server: Any) -> None:
    """Before any process is forked: an empty folder; a given one loses what it counted before.

    Never within DATA: the counts are mapped files, and writing to one on a full disk ends the process (SIGBUS).
    """
    if given := environment.text(SHARED, ""):
        Path(given).mkdir(parents=True, exist_ok=True)
        for counts in Path(given).glob("*.db"):
            counts.unlink(missing_ok=True)
    else:
        _remove_left_behind()
        os.environ[SHARED] = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_memory())


def on_exit(server: Any) -> None:
    if Path(os.environ[SHARED]).name.startswith(PREFIX):
        shutil.rmtree(os.environ[SHARED], ignore_errors=True)


def _memory() -> str:
    """A file system in memory, where there is one."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else tempfile.gettempdir()


def _remove_left_behind() -> None:
    """Folders of servers that were killed."""
    for folder in Path(_memory()).glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
