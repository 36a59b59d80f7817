"""Emptying the test database between tests: the one place where the append-only triggers are lifted."""

from typing import Any

from django.core.management.commands.flush import Command as Flush

from wiki import triggers


class Command(Flush):
    def handle(self, **options: Any) -> None:
        triggers.lift(options["database"])
        super().handle(**options)
        triggers.install(options["database"])
