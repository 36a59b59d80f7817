"""`manage.py ring`, one sweep of it."""

import signal
from collections.abc import Iterator

import pytest
from django.core.management import call_command

from config.celery import FOLDERS

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, answer in before.items():
        signal.signal(number, answer)


def test_a_sweep_makes_the_embedded_brokers_folder_anew(transactional_db, settings, tmp_path):
    settings.DATA, settings.REDIS_URL = tmp_path, ""
    call_command("ring", once=True)
    assert {folder.name for folder in (tmp_path / "broker").iterdir()} == set(FOLDERS)


def test_a_sweep_makes_no_folder_where_redis_is_the_broker(transactional_db, settings, tmp_path):
    settings.DATA, settings.REDIS_URL = tmp_path, "redis://127.0.0.1:1/0"
    call_command("ring", once=True)
    assert not (tmp_path / "broker").exists()
