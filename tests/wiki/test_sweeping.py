"""The sweep: what nobody does when a worker is lost, comes, or goes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.wiki import documents
from tests.wiki.documents import DOES, finding, publish
from tests.wiki.work import worker
from wiki import actions
from wiki.actions import Sweep, sweeping
from wiki.models import Run, Worker

pytestmark = pytest.mark.usefixtures("neighbors")


def hours_ago(hours: float) -> dict[str, object]:
    return {"last_seen": timezone.now() - timedelta(hours=hours)}


def lose(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_work_that_no_worker_can_load_is_not_queued_until_one_can():
    worker("poor", loadable=("sha256:" + "b" * 64,))
    publish(None, DOES)
    sweep = Sweep()
    sweep.once()
    assert not Run.objects.exists()
    assert finding().badge == "proposed"
    assert "no worker can run it now" in finding().badge_detail
    worker("rich")
    sweep.once()
    assert Run.objects.waiting().count() == 2
    assert finding().badge == "checking"
    assert "no worker can run it now" not in finding().badge_detail


def test_it_notes_when_the_last_worker_that_could_load_a_model_is_gone():
    worker("rich")
    worker("poor", loadable=("sha256:" + "b" * 64,))
    publish(None, DOES)
    sweep = Sweep()
    sweep.once()
    assert "no worker can run it now" not in finding().badge_detail
    Worker.objects.filter(name="rich").update(**hours_ago(1))
    sweep.once()
    assert "no worker can run it now" in finding().badge_detail


def test_a_worker_that_is_started_anew_is_missed_by_nobody(django_assert_max_num_queries):
    worker("old")
    publish(None, DOES)
    sweep = Sweep()
    sweep.once()
    actions.take_leave("old")
    sweep.once()
    assert "no worker" not in finding().badge_detail
    worker("new")
    with django_assert_max_num_queries(12):
        sweep.once()


def test_it_takes_lost_runs_back():
    publish(None, DOES)
    lose(actions.claim_run(worker()))
    Sweep().once()
    assert Run.objects.waiting().count() == 2


def test_after_the_database_was_away_workers_first_get_to_renew_their_leases(monkeypatch, settings):
    publish(None, DOES)
    run = actions.claim_run(worker())
    sweep, now = Sweep(), [1000.0]
    monkeypatch.setattr(sweeping.time, "monotonic", lambda: now[0])
    sweep.once()
    lose(run)
    now[0] += settings.LEASE  # the sweeps between failed
    sweep.once()
    assert Run.objects.get(pk=run.pk).state == "running"
    for _ in range(settings.LEASE // 10 + 1):
        now[0] += 10
        sweep.once()
    assert Run.objects.get(pk=run.pk).state == "queued"


def test_what_it_cannot_look_at_keeps_nothing_else_from_being_looked_at(monkeypatch, caplog):
    worker("poor", loadable=("sha256:" + "b" * 64,))
    publish(None, DOES)
    publish(None, DOES, slug="another")
    catch_up = sweeping.catch_up

    def stumble(finding):
        if finding.slug == "copying":
            raise ValueError("of an older form")
        catch_up(finding)

    monkeypatch.setattr(sweeping, "catch_up", stumble)
    sweep = Sweep()
    sweep.once()
    worker("rich")
    sweep.once()
    assert Run.objects.waiting().count() == 2
    assert "finding copying cannot be looked at" in caplog.text


def test_each_bell_is_rung_for_every_worker_that_hears_it(monkeypatch):
    publish(None, DOES)
    for name in ("one", "two", "three"):
        worker(name)
    Run.objects.update(rung_at=None)
    rung = []
    monkeypatch.setattr("wiki.actions.ringing.ring", rung.append)
    actions.ring_for_waiting()
    assert dict(rung[0]) == {"small": 2}
    actions.take_leave("two")
    actions.take_leave("three")
    Run.objects.update(rung_at=None)
    actions.ring_for_waiting()
    assert dict(rung[1]) == {"small": 1}


def test_a_worker_long_gone_is_forgotten_unless_a_run_names_it():
    publish(None, DOES)
    actions.claim_run(worker("busy"))
    worker("idle")
    Worker.objects.update(**hours_ago(48))
    actions.tidy()
    assert [one.name for one in Worker.objects.all()] == ["busy"]
    assert documents.WEIGHTS in Worker.objects.get().loadable
