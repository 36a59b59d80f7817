from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from wiki import triggers


class WikiConfig(AppConfig):
    name = "wiki"

    def ready(self) -> None:
        post_migrate.connect(triggers.install, sender=self, dispatch_uid="append-only")
