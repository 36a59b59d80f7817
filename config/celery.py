"""Celery: a doorbell, nothing more. The row is the queue, so messages may be lost, repeated or come late."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import Celery
from django.conf import settings

from config.queues import queue_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
OLD = 3_600.0  # seconds after which a ring is of no use: those for runs that still wait come every five minutes
FOLDERS = ("queue", "control", "processed")


def broker_folder() -> Path:
    return Path(settings.DATA) / "broker"


def make_broker_folder() -> None:
    """The embedded broker's folders, closed to others: who can write there can ring, and no more. None with Redis."""
    if settings.REDIS_URL:
        return
    for name in FOLDERS:
        (broker_folder() / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    broker_folder().chmod(0o700)


def remove_heard_rings() -> None:
    """The embedded broker keeps every message it has handed out, and those of queues that nobody hears any more."""
    for file in (broker_folder() / "processed").glob("*.msg"):
        file.unlink(missing_ok=True)
    for file in (broker_folder() / "queue").glob("*.msg"):
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > OLD:
                file.unlink()


def _transport() -> dict[str, Any]:
    if settings.REDIS_URL:
        # kombu hands a lost message out again only as often as these say, whatever the visibility timeout is
        redis = {
            "visibility_timeout": 60,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": 2,
            "socket_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        }
        return {"broker_url": settings.REDIS_URL, "broker_transport_options": redis}
    folder = broker_folder()
    options = {
        "data_folder_in": str(folder / "queue"),
        "data_folder_out": str(folder / "queue"),
        "control_folder": str(folder / "control"),
        "processed_folder": str(folder / "processed"),
        "store_processed": True,
        "polling_interval": 0.1,
    }
    return {"broker_url": "filesystem://", "broker_transport_options": options}


app = Celery("interpedia", include=["workers.tasks"])
app.conf.update(
    **_transport(),
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=False,
    task_default_queue=queue_of("small"),
    task_create_missing_queues=True,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0},  # a connection that a restart cut is made anew
    worker_prefetch_multiplier=0,  # no limit: what could not be acknowledged while Redis was away counts for ever
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=2,
    timezone="UTC",
)
