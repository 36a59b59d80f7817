"""The bell: rung when an edit is committed, and again by the sweep; nothing depends on it."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.celery import app, make_broker_folder, remove_heard_rings
from config.queues import CLASSES, queue_of
from tests.wiki.documents import DOES, KNOCK_OUT, neighbors, publish
from wiki import actions
from wiki.models import Run

BROKER = Path(settings.DATA) / "broker"
QUEUES = [queue_of(name) for name in CLASSES]


@pytest.fixture(autouse=True)
def broker():
    make_broker_folder()
    with app.connection_for_write() as connection:
        for queue in QUEUES:
            connection.default_channel.queue_purge(queue)


def rings() -> int:
    with app.connection_for_write() as connection:
        return sum(connection.default_channel.queue_declare(queue).message_count for queue in QUEUES)


def rang(ago: float) -> None:
    Run.objects.update(rung_at=timezone.now() - timedelta(seconds=ago))


@pytest.mark.django_db(transaction=True)
def test_the_bell_rings_once_per_run_when_the_edit_is_committed_and_not_before():
    neighbors()
    with transaction.atomic():
        publish(None, DOES, KNOCK_OUT)
        assert rings() == 0
    assert rings() == Run.objects.waiting().count() == 7


@pytest.mark.django_db(transaction=True)
def test_an_edit_that_is_rolled_back_rings_for_nobody():
    neighbors()
    with pytest.raises(RuntimeError), transaction.atomic():
        publish(None, DOES)
        raise RuntimeError
    assert (rings(), Run.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_the_sweep_rings_again_for_runs_that_have_waited():
    neighbors()
    publish(None, DOES)
    assert actions.ring_for_waiting() == 0
    rang(ago=60)
    assert (actions.ring_for_waiting(), rings()) == (2, 1)
    assert actions.ring_for_waiting() == 0


@pytest.mark.django_db
def test_each_ring_that_nobody_hears_makes_the_next_one_wait_longer():
    neighbors()
    publish(None, DOES)
    for rings_before, pause in enumerate((10, 20, 40, 80, 160, 300)):
        assert set(Run.objects.values_list("rings", flat=True)) == {rings_before}
        rang(ago=pause - 2)
        assert actions.ring_for_waiting() == 0
        rang(ago=pause + 2)
        assert actions.ring_for_waiting() == 2
    rang(ago=302)
    assert actions.ring_for_waiting() == 2


@pytest.mark.django_db
def test_a_bell_rung_in_the_future_by_a_clock_that_was_wrong_is_rung_again():
    neighbors()
    publish(None, DOES)
    rang(ago=-3600)
    assert actions.ring_for_waiting() == 2


@pytest.mark.parametrize("address", ["redis://127.0.0.1:1", "filesystem://"])
def test_a_broker_that_takes_no_messages_keeps_no_edit_out(address, caplog, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where the folders of the embedded one are not
    monkeypatch.setattr("wiki.actions.ringing.app", Celery("deaf", broker=address, set_as_current=False))
    actions.ring(Counter(small=1))
    assert "the broker does not take messages" in caplog.text


def test_the_broker_is_closed_to_others_and_keeps_nothing_it_has_handed_out(settings):
    settings.REDIS_URL = ""
    make_broker_folder()
    assert BROKER.stat().st_mode & 0o077 == 0
    heard = BROKER / "processed" / "1.celery.msg"
    heard.write_text("{}")
    remove_heard_rings()
    assert not heard.exists()
