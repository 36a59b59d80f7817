"""A run is claimed by one worker, and only who holds its fence may end it."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT, finding, publish
from tests.wiki.work import work_off, worker
from wiki import actions
from wiki.models import Run, RunState

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
    for _ in range(settings.ATTEMPTS):
        lose(actions.claim_run(worker()))
        actions.requeue_lost()
    run = Run.objects.get(draw=0)
    assert run.state == RunState.ERRORED
    assert run.reason == "given up after 3 attempts: the worker was not heard of any more"


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
    assert actions.try_again(claim) == 2
    assert (finding().badge, finding().claims.get().outcome) == ("checking", "")
    work_off()
    assert finding().claims.get().outcome == "holds"
    assert actions.try_again(claim) == 0


def test_work_that_no_living_worker_can_load_is_not_queued_until_one_can():
    worker("poor", loadable=("sha256:" + "b" * 64,))
    publish(None, DOES)
    assert not Run.objects.exists()
    assert finding().badge == "proposed"
    assert "no worker can run it now" in finding().badge_detail
    worker("rich")
    assert Run.objects.waiting().count() == 2
    assert finding().badge == "checking"
    assert "no worker can run it now" not in finding().badge_detail


def test_the_sweep_notes_when_the_last_worker_that_could_load_a_model_is_gone():
    rich = worker("rich")
    worker("poor", loadable=("sha256:" + "b" * 64,))
    publish(None, DOES)
    loadable = actions.sweep(frozenset())
    assert "no worker can run it now" not in finding().badge_detail
    type(rich).objects.filter(pk=rich.pk).update(last_seen=timezone.now() - timedelta(hours=1))
    actions.sweep(loadable)
    assert "no worker can run it now" in finding().badge_detail


def test_the_sweep_takes_lost_runs_back():
    publish(None, DOES)
    lose(actions.claim_run(worker()))
    actions.sweep(frozenset())
    assert Run.objects.waiting().count() == 2


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
