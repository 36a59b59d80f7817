"""What every process of the site does once at its start, after its settings were read."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from config import observing


class Process(AppConfig):
    name = "config"

    def ready(self) -> None:
        if settings.SENTRY_DSN:
            observing.report_errors(settings.SENTRY_DSN)
