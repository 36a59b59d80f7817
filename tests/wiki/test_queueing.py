"""The bell: rung when an edit is committed, and again by the sweep; nothing depends on it."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.celery import make_broker_folder, remove_heard_rings
from tests.wiki.documents import DOES, KNOCK_OUT, neighbors, publish
from wiki import actions
from wiki.models import Run

BROKER = Path(settings.DATA) / "broker"


@pytest.fixture(autouse=True)
def broker():
    make_broker_folder()
    yield
    for message in BROKER.glob("*/*.msg"):
        message.unlink()


def rings() -> int:
    return len(list((BROKER / "queue").glob("*.msg")))


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
    Run.objects.update(rung_at=timezone.now() - timedelta(minutes=1))
    assert (actions.ring_for_waiting(), rings()) == (2, 1)
    assert actions.ring_for_waiting() == 0


def test_a_broker_that_takes_no_messages_keeps_no_edit_out(caplog):
    shutil.rmtree(BROKER)
    actions.ring()
    assert "the broker does not take messages" in caplog.text


def test_the_broker_is_closed_to_others_and_keeps_nothing_it_has_handed_out():
    assert BROKER.stat().st_mode & 0o077 == 0
    heard = BROKER / "processed" / "1.celery.msg"
    heard.write_text("{}")
    remove_heard_rings()
    assert not heard.exists()
