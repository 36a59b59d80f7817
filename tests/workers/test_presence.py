"""A worker's sign of life, and its end when it no longer hears of the runs that wait for it."""

import signal
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.wiki import documents
from tests.wiki.documents import DOES, publish
from wiki import actions
from wiki.models import Run, Worker
from workers.presence import Presence, ability

pytestmark = pytest.mark.django_db


def test_a_worker_says_what_it_can_do(settings):
    settings.WORKER_MEMORY = 20_000
    said = Presence()
    said.name = "desk"
    row = said.worker()
    assert (row.name, row.memory, row.queues) == ("desk", 20_000, ["small", "medium", "large"])
    assert row.loadable == sorted(ability().loadable)


def test_without_a_setting_a_worker_may_take_most_of_the_machines_memory(settings):
    settings.WORKER_MEMORY = 0
    assert 500 < ability().memory < 10_000_000


def test_a_worker_that_ends_says_so():
    said = Presence()
    said.name = "desk"
    said.worker()
    said.end()
    assert Worker.objects.get().ended_at is not None


def test_an_idle_worker_overlooks_only_runs_that_it_could_make_and_that_were_due_for_long(settings):
    settings.WORKER_MEMORY = 20_000
    documents.neighbors()
    publish(None, DOES)
    able = actions.see_worker("able", actions.Ability((documents.WEIGHTS,), 20_000, "cpu"))
    unable = actions.see_worker("unable", actions.Ability((), 20_000, "cpu"))
    assert not Run.objects.ignored(60).exists()
    Run.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert Run.objects.ignored(60).takeable_by(able).count() == 2
    assert not Run.objects.ignored(60).takeable_by(unable).exists()
    Run.objects.update(not_before=timezone.now() + timedelta(seconds=5))
    assert not Run.objects.ignored(60).exists()


@pytest.fixture
def told(monkeypatch):
    """What a worker rings, and whether it is told to end."""
    told = []
    monkeypatch.setattr("os.kill", lambda pid, number: told.append(number))
    monkeypatch.setattr("os._exit", lambda status: told.append("killed"))
    monkeypatch.setattr("wiki.actions.ringing.app.send_task", lambda name, queue, **_: told.append(queue))
    monkeypatch.setattr("workers.presence.TO_END", 0.01)
    return told


def test_a_worker_that_leaves_runs_lying_rings_for_itself_and_ends_if_it_never_hears_that(settings, told):
    settings.WORKER_MEMORY = 20_000
    documents.neighbors()
    publish(None, DOES)
    Run.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    able = actions.see_worker("able", actions.Ability((documents.WEIGHTS,), 20_000, "cpu"))
    said = Presence()
    said.name = "able"
    said._look_after(able)  # it makes a run, or asks for one
    said._idle_since = time.monotonic()
    said._look_after(able)  # idle, but not for long
    assert told == []
    said._idle_since = time.monotonic() - 6
    said._look_after(able)
    said._look_after(able)
    assert told == ["runs-able"]
    said._rang_at -= 6
    said._look_after(able)
    assert told == ["runs-able", "runs-able"]
    said._deaf_since -= 91
    said._look_after(able)
    assert told[2:] == [signal.SIGTERM, "killed"]


def test_a_worker_for_which_nothing_waits_goes_on(settings, told):
    settings.WORKER_MEMORY = 20_000
    said = Presence()
    said.name, said._idle_since, said._deaf_since = "able", time.monotonic() - 600, time.monotonic() - 600
    said._look_after(said.worker())
    assert (told, said._deaf_since) == ([], None)


def test_the_run_it_makes_stays_its_own_whatever_else_it_waits_for(settings):
    settings.WORKER_MEMORY = 20_000
    documents.neighbors()
    publish(None, DOES)
    said = Presence()
    said.name = "able"
    actions.see_worker("able", actions.Ability((documents.WEIGHTS,), 20_000, "cpu"))
    said._run = actions.claim_run(Worker.objects.get())
    Run.objects.filter(pk=said._run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    said._renew()
    assert actions.requeue_lost() == 0
