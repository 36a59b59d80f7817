"""manage.py token NAME: makes an API token for a person and prints it, this once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from wiki import actions


class Command(BaseCommand):
    help = "Make an API token for the person NAME; it is shown only now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        person = User.objects.filter(username=name, is_active=True).first()
        if person is None:
            raise CommandError(f"there is no {name!r}; sign up on the web first")
        self.stdout.write(actions.make_token(person))
