"""Settings come from the environment, strictly; secrets are made once, for their owner's eyes only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment, keys

ROOT = Path(__file__).resolve().parents[2]
READ = "from django.conf import settings; print(settings.DATABASES['default']['ENGINE'], settings.DEBUG, settings.HOST)"


def read_settings(**given: str) -> subprocess.CompletedProcess[str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT,
        env={**kept, "DJANGO_SETTINGS_MODULE": "config.settings", **given},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_an_environment_it_is_sqlite_closed_to_others_and_nothing_is_made_by_looking(tmp_path):
    found = read_settings(DATA=str(tmp_path / "data"))
    assert found.stdout == "django.db.backends.sqlite3 False 127.0.0.1\n", found.stderr
    assert not (tmp_path / "data").exists()


def test_a_database_url_is_honored():
    assert "postgresql" in read_settings(DATABASE_URL="postgres://x:y@localhost/z").stdout


def test_what_does_not_read_is_an_error_that_says_what_to_write():
    assert "PORT='eighty' is not a whole number from 1 to 65535" in read_settings(PORT="eighty").stderr
    assert "DEBUG='maybe' is neither yes nor no" in read_settings(DEBUG="maybe").stderr


@pytest.mark.parametrize(("given", "meant"), [("yes", True), ("0", False), ("TRUE", True), ("", True)])
def test_flags(monkeypatch, given, meant):
    monkeypatch.setenv("SWITCH", given)
    assert environment.flag("SWITCH", default=True) is meant


def test_numbers_have_bounds(monkeypatch):
    monkeypatch.setenv("NUMBER", "70000")
    with pytest.raises(ImproperlyConfigured):
        environment.whole_number("NUMBER", 1, 0, 65_535)


def test_folders_are_added_to_the_default_ones(monkeypatch, tmp_path):
    monkeypatch.setenv("PLACES", f"{tmp_path}/a:{tmp_path}/b")
    assert environment.folders("PLACES", (Path("/c"),)) == (Path("/c"), tmp_path / "a", tmp_path / "b")


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path):
    data = tmp_path / "data"
    assert keys.stored(data, keys.SECRET_KEY) == ""
    keys.make_missing(data)
    first = keys.stored(data, keys.SECRET_KEY), keys.stored(data, keys.EVIDENCE_SECRET)
    keys.make_missing(data)
    assert (keys.stored(data, keys.SECRET_KEY), keys.stored(data, keys.EVIDENCE_SECRET)) == first
    assert first[0] != first[1] and min(map(len, first)) > 60
    assert [file.stat().st_mode & 0o777 for file in sorted(data.iterdir())] == [0o600, 0o600]
    assert data.stat().st_mode & 0o777 == 0o700
