"""Celery: a doorbell, nothing more. The row is the queue, so messages may be lost, repeated or come late."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
FOLDERS = ("queue", "control", "processed")


def broker_folder() -> Path:
    return Path(settings.DATA) / "broker"


def make_broker_folder() -> None:
    """The embedded broker's folders, closed to others: who can write there can ring, and no more."""
    for name in FOLDERS:
        (broker_folder() / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    broker_folder().chmod(0o700)


def remove_heard_rings() -> None:
    """The embedded broker keeps every message it has handed out."""
    for file in (broker_folder() / "processed").glob("*.msg"):
        file.unlink(missing_ok=True)


def _transport() -> dict[str, Any]:
    if settings.REDIS_URL:
        # kombu hands a lost message out again only as often as these say, whatever the visibility timeout is
        redis = {"visibility_timeout": 60, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
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
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=2,
    timezone="UTC",
)
