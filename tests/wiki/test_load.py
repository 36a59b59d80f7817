"""`manage.py load` on a database that cannot take anything yet says so in one line."""

import os
import subprocess
import sys

import pytest

from tests.containers import ROOT

NOT_READY = "CommandError: the database is not ready for this version; first: python manage.py migrate\n"


@pytest.fixture
def load(tmp_path):
    def load(**told: str) -> subprocess.CompletedProcess[str]:
        inherited = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
        environment = {**inherited, "DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings", **told}
        command = [sys.executable, "manage.py", "load", "fixtures"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    return load


def test_without_tables_it_names_the_command_that_makes_them(load):
    done = load()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", NOT_READY)


def test_without_a_database_it_says_why_and_no_password(load):
    done = load(DATABASE_URL="postgres://ada:kept-secret@127.0.0.1:1/none")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("CommandError: the database cannot be used: ")
    assert "kept-secret" not in done.stderr
