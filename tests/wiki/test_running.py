"""A run is claimed by one worker, and only who holds its fence may end it."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT, finding, publish
from tests.wiki.work import work_off, worker
from wiki import actions
from wiki.acceptance import THE_SITE
from wiki.actions import running
from wiki.models import Measurement, Run, RunState, Worker

pytestmark = pytest.mark.usefixtures("neighbors")


def lose(run: Run) -> None:
    """As if its worker had been silent for longer than a lease."""
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_runs_are_claimed_in_order_each_by_one_worker():
    publish(None, DOES)
    here, there = worker("here"), worker("there")
    first, second = actions.claim_run(here), actions.claim_run(there)
    assert (first.draw, second.draw) == (0, 1)
    assert (first.state, first.fence, first.attempts, first.worker) == ("running", 1, 1, here)
    assert first.lease_until > timezone.now() + timedelta(seconds=settings.LEASE - 5)
    assert actions.claim_run(here) is None


def test_a_worker_claims_only_what_it_can_load():
    publish(None, DOES)
    assert actions.claim_run(worker("poor", loadable=("sha256:" + "b" * 64,))) is None
    assert actions.claim_run(worker("rich")) is not None


def test_a_beat_renews_the_lease_and_shows_the_progress():
    publish(None, DOES)
    run = actions.claim_run(worker())
    lose(run)
    assert actions.beat(run, 64, 256, "measuring")
    run.refresh_from_db()
    assert run.lease_until > timezone.now()
    assert (run.progress_done, run.progress_total, run.progress_words) == (64, 256, "measuring")


def test_a_finished_run_keeps_its_numbers_and_cannot_end_twice():
    publish(None, DOES)
    run = actions.claim_run(worker())
    numbers = documents.measured(run)
    assert actions.record_numbers(run, numbers)
    assert not actions.record_numbers(run, numbers)
    assert not actions.record_error(run, "too late")
    run.refresh_from_db()
    assert (run.state, run.reason, run.lease_until) == ("finished", "", None)
    assert run.finished_at is not None


def test_a_late_result_of_a_lost_run_is_refused_and_the_second_attempt_counts():
    publish(None, DOES)
    slow = actions.claim_run(worker("slow"))
    lose(slow)
    assert actions.requeue_lost() == 1
    assert not actions.beat(slow)
    quick = actions.claim_run(worker("quick"))
    assert (quick.pk, quick.fence, quick.attempts) == (slow.pk, 2, 2)
    assert not actions.record_numbers(slow, documents.measured(slow, right=0))
    assert actions.record_numbers(quick, documents.measured(quick))
    assert Run.objects.get(pk=slow.pk).worker.name == "quick"


def test_a_run_lost_too_often_has_errored_and_says_why():
    publish(None, DOES)
    Run.objects.filter(draw=1).delete()
    for _ in range(settings.ATTEMPTS):
        lose(actions.claim_run(worker()))
        actions.requeue_lost()
        Run.objects.update(not_before=None)
    run = Run.objects.get(draw=0)
    assert run.state == RunState.ERRORED
    assert run.reason == "given up after 3 attempts: the worker was not heard of any more"


def test_a_run_cut_short_twice_waits_before_it_is_tried_again():
    publish(None, DOES)
    here = worker()
    Run.objects.filter(draw=1).delete()
    lose(actions.claim_run(here))
    actions.requeue_lost()
    run = actions.claim_run(here)
    assert (run.attempts, run.not_before) == (2, None)
    actions.release(run, "the engine ended")
    run.refresh_from_db()
    assert timedelta(seconds=5) < run.not_before - timezone.now() <= timedelta(seconds=10)
    assert actions.claim_run(here) is None
    Run.objects.update(not_before=timezone.now())
    assert actions.claim_run(here).attempts == 3


def test_a_run_given_back_by_a_stopping_worker_has_lost_no_attempt():
    publish(None, DOES)
    run = actions.claim_run(worker())
    assert actions.put_back(run)
    run.refresh_from_db()
    assert (run.state, run.attempts, run.lease_until) == ("queued", 0, None)


def test_numbers_of_another_measurement_are_not_kept():
    publish(None, DOES)
    run = actions.claim_run(worker())
    wrong = {**documents.measured(run), "draw": 7}
    actions.record_numbers(run, wrong)
    run.refresh_from_db()
    assert (run.state, run.numbers) == ("errored", "")
    assert "another measurement or draw" in run.reason


def test_numbers_drawn_with_another_seed_are_not_kept():
    publish(None, DOES)
    actions.claim_run(worker())
    fresh = actions.claim_run(worker())
    actions.record_numbers(fresh, {**documents.measured(fresh), "seed": "abc"})
    fresh.refresh_from_db()
    assert fresh.state == "errored"


def test_a_claims_numbers_are_not_kept_for_its_control():
    publish(None, KNOCK_OUT)
    here = worker()
    draw, _, control = actions.claim_run(here), actions.claim_run(here), actions.claim_run(here)
    answer = {**documents.measured(draw), "measurement": control.measurement_id, "seed": control.seed}
    actions.record_numbers(control, answer)
    control.refresh_from_db()
    assert control.state == "errored"


def test_an_errored_claim_can_be_tried_again():
    publish(None, DOES)
    here = worker()
    actions.record_error(actions.claim_run(here), "out of memory: 8 GB")
    actions.record_refusal(actions.claim_run(here), "'When': no position S2")
    claim = finding().claims.with_evidence().get()
    assert claim.outcome == "errored"
    assert "out of memory: 8 GB" in claim.verdict and "refused: 'When': no position S2" in claim.verdict
    assert finding().badge == "undecided"
    assert actions.try_again(claim, THE_SITE) == 2
    assert (finding().badge, finding().claims.get().outcome) == ("checking", "")
    work_off()
    assert finding().claims.get().outcome == "holds"
    assert actions.try_again(claim, THE_SITE) == 0


def test_a_run_nobody_claims_counts_as_overlooked_only_while_no_other_is_under_way():
    publish(None, DOES)
    here = worker()
    long_ago = timezone.now() - timedelta(hours=1)
    Run.objects.update(created_at=long_ago)
    assert Run.objects.overlooked(60).count() == 2
    run = actions.claim_run(here)
    assert not Run.objects.overlooked(60).exists()
    Run.objects.filter(pk=run.pk).update(claimed_at=long_ago)
    assert not Run.objects.overlooked(60).exists()


def test_a_clock_that_was_set_back_loses_no_run_and_keeps_no_worker_alive():
    publish(None, DOES)
    here = worker()
    run = actions.claim_run(here)
    later = timezone.now() + timedelta(hours=1)
    Run.objects.filter(pk=run.pk).update(lease_until=later)
    assert actions.requeue_lost() == 1
    Run.objects.update(not_before=later)
    assert actions.claim_run(here) is not None
    Worker.objects.update(last_seen=later)
    assert not Worker.objects.alive().exists()


def test_a_lease_that_was_renewed_while_the_sweep_looked_is_not_taken_away():
    publish(None, DOES)
    run = actions.claim_run(worker())
    lose(run)
    lost = Run.objects.lost()
    assert [one.pk for one in lost] == [run.pk]
    actions.beat(run)
    assert actions.requeue_lost() == 0
    assert actions.record_numbers(run, documents.measured(run))


def test_a_worker_takes_no_run_that_needs_more_memory_than_it_has():
    publish(None, DOES)
    needed = Run.objects.first().measurement.memory
    assert actions.claim_run(worker("laptop", memory=needed - 1)) is None
    assert actions.claim_run(worker("server", memory=needed)) is not None


def test_a_worker_hears_the_bells_of_the_classes_that_may_fit_it():
    assert worker("laptop", memory=4_000).queues == ["small"]
    assert worker("server", memory=20_000).queues == ["small", "medium", "large"]


def test_runs_of_the_loaded_model_go_first_unless_another_has_waited_long():
    publish(None, DOES)
    other = Run.objects.order_by("id").first()
    warm = Run.objects.order_by("id").last()
    Measurement.objects.filter(pk=other.measurement_id).update(weights="sha256:" + "b" * 64)
    twin = Measurement.objects.get(pk=other.measurement_id)
    twin.pk, twin.weights = "sha256:" + "c" * 64, documents.WEIGHTS
    twin.save(force_insert=True)
    Run.objects.filter(pk=warm.pk).update(measurement=twin)
    both = worker(loadable=(documents.WEIGHTS, "sha256:" + "b" * 64))
    assert actions.claim_run(both, warm=documents.WEIGHTS).pk == warm.pk
    Run.objects.filter(pk=warm.pk).update(state="queued", lease_until=None)
    Run.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(hours=1))
    assert actions.claim_run(both, warm=documents.WEIGHTS).pk == other.pk


def test_a_worker_that_took_its_leave_is_not_alive_and_one_that_comes_back_is():
    worker("desk")
    actions.take_leave("desk")
    assert not Worker.objects.alive().exists()
    worker("desk")
    assert Worker.objects.alive().get().ended_at is None


def test_one_errored_run_can_be_tried_again_and_only_once():
    publish(None, DOES)
    run = actions.claim_run(worker())
    actions.record_error(run, "out of memory: 8 GB")
    assert actions.retry(run, THE_SITE)
    again = Run.objects.newest_of(run.measurement_id, run.draw)
    assert (again.state, again.seed, again.attempts) == ("queued", run.seed, 0)
    assert not actions.retry(run, THE_SITE)


def test_a_claimer_that_was_stopped_too_long_is_not_given_anothers_fence():
    publish(None, DOES)
    waiting = Run.objects.waiting().first()
    slow = actions.claim_run(worker("slow"))
    lose(slow)
    actions.requeue_lost()
    quick = actions.claim_run(worker("quick"))
    assert quick.pk == waiting.pk
    assert running._claimed(waiting) is None  # what `slow` would read only now


def test_what_a_reason_holds_that_no_database_keeps_is_left_out():
    publish(None, DOES)
    run = actions.claim_run(worker())
    actions.beat(run, 1, 2, "measuring\0")
    assert actions.record_refusal(run, "'a\0b\ud800': no position S2")
    run.refresh_from_db()
    assert run.reason == "'ab?': no position S2"


def test_a_lease_is_renewed_without_touching_the_progress():
    publish(None, DOES)
    run = actions.claim_run(worker())
    actions.beat(run, 64, 256, "measuring")
    lose(run)
    assert actions.renew(run)
    run.refresh_from_db()
    assert (run.progress_done, actions.requeue_lost()) == (64, 0)


def test_a_finding_of_which_no_badge_can_be_made_keeps_no_run_from_its_end(monkeypatch):
    publish(None, DOES)
    here = worker()
    monkeypatch.setattr("wiki.evidence.badge", lambda *_, **__: 1 // 0)
    for _ in range(2):
        run = actions.claim_run(here)
        assert actions.record_numbers(run, documents.measured(run))
    assert (finding().badge, finding().claims.get().outcome) == ("undecided", "holds")
    assert finding().badge_reason.startswith("no badge can be made: ZeroDivisionError")
