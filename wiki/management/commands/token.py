"""manage.py token NAME: makes an API token and prints it, this once. An unknown NAME becomes a script's account."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from wiki import actions


class Command(BaseCommand):
    help = "Make an API token for NAME; it is shown only now. An unknown NAME becomes an account that cannot sign in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--steward", action="store_true", help="a new account may register models too")

    def handle(self, *args: Any, name: str, steward: bool, **options: Any) -> None:
        try:
            person, is_new = actions.script_account(name, steward)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if is_new:
            self.stderr.write(f"{name} is a new account, for scripts only: nobody can sign in with it")
        self.stdout.write(actions.make_token(person))
