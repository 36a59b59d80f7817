"""manage.py load FOLDER: publishes a folder's behaviors, models, roles and findings. May be repeated."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from wiki import fixtures
from wiki.management.commands.up import needs_migration


class Command(BaseCommand):
    help = "Publish the documents in FOLDER/{behaviors,models,roles,findings}/*.json."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder")
        refuse_unmigrated()
        results: Counter[str] = Counter()
        for loaded in fixtures.load(folder):
            results[loaded.result] += 1
            for problem in loaded.problems:
                self.stderr.write(f"{loaded.file.relative_to(folder)}: {problem}")
        self.stdout.write(", ".join(f"{number} {result}" for result, number in results.items()) or "nothing to load")
        if results["invalid"]:
            raise CommandError(f"{results['invalid']} files were not loaded; the lines above say what to change")


def refuse_unmigrated() -> None:
    try:
        lacks_tables = needs_migration()
    except OperationalError as error:
        raise CommandError(f"the database cannot be used: {str(error).splitlines()[0]}") from error
    if lacks_tables:
        raise CommandError("the database is not ready for this version; first: python manage.py migrate")
