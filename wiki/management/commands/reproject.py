"""manage.py reproject: rebuilds everything that follows from revisions and runs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from wiki import actions
from wiki.models import Entry


class Command(BaseCommand):
    help = "Rebuild findings, claims, nodes, edges, verdicts, badges and costs from revisions and runs."

    def handle(self, *args: Any, **options: Any) -> None:
        entries = Entry.objects.filter(current__isnull=False).select_related("current")
        for entry in entries.iterator():
            actions.reproject(entry)
        actions.estimate_anew()
        self.stdout.write(f"{entries.count()} entries reprojected")
