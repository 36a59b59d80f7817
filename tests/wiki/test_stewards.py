"""The stewards' page: what waits and for whom, who works, what failed and why, and the buttons that try again."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT
from tests.wiki.work import work_off, worker
from wiki import actions, queues
from wiki.models import Measurement, Run, Worker
from wiki.templatetags.ages import age
from wiki.views import stewards

pytestmark = pytest.mark.usefixtures("neighbors")
PATHS = ("/stewards/", "/stewards/live/")
BUTTONS = ("/stewards/runs/{}/retry/", "/stewards/runs/{}/retry-alike/")


def signed_in(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def as_bo(people) -> Client:
    return signed_in(people.bo)


def page(client: Client, path: str = "/stewards/") -> str:
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code)
    return response.content.decode()


def section(html: str, name: str) -> str:
    """Its text, without tags, each run of white space one space."""
    found = re.search(rf'<h2 id="{name}">.*?</section>', html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""


def fail_all(*reasons: str) -> list[Run]:
    """Every waiting run errored, with these reasons in turn."""
    here, failed = worker(), []
    while (run := actions.claim_run(here)) is not None:
        actions.record_error(run, reasons[len(failed) % len(reasons)])
        failed.append(run)
    return failed


def test_stewards_see_it_others_are_told_what_they_lack_and_strangers_sign_in(people, client):
    assert client.get("/stewards/")["Location"] == "/accounts/login/?next=/stewards/"
    assert client.get("/stewards/live/")["HX-Refresh"] == "true"
    for path in PATHS:
        for person in (people.ada, people.cy):
            refused = signed_in(person).get(path)
            assert refused.status_code == 403 and "This page is for stewards" in refused.content.decode()
        assert signed_in(people.bo).get(path).status_code == 200


def test_only_stewards_press_its_buttons_and_only_by_post(people, client):
    documents.publish(None, DOES)
    (first, _) = fail_all("out of memory")
    for button in (path.format(first.pk) for path in BUTTONS):
        assert client.post(button).status_code == 302
        assert signed_in(people.ada).post(button).status_code == 403
        assert signed_in(people.bo).get(button).status_code == 405
        guarded = Client(enforce_csrf_checks=True)
        guarded.force_login(people.bo)
        assert guarded.post(button).status_code == 403
    assert not Run.objects.waiting().exists()


def test_the_menu_leads_stewards_there_and_nobody_else(people):
    assert 'href="/stewards/"' in page(signed_in(people.bo), "/")
    assert 'href="/stewards/"' not in page(signed_in(people.ada), "/")


def test_nothing_in_the_queue_is_told_in_words(as_bo):
    html = page(as_bo)
    assert "None was heard of within a day" in section(html, "workers")
    assert "No run has failed that was not tried again since." in section(html, "reasons")
    assert 'id="stuck"' not in html and 'id="failures"' not in html
    assert "small up to 4.0 GiB 0 – 0 0" in section(html, "queues")


def test_queues_are_told_by_memory_class(as_bo):
    worker("desk", memory=8_192)
    documents.publish(None, DOES)
    Measurement.objects.update(memory=5_000)
    Run.objects.filter(draw=0).update(created_at=timezone.now() - timedelta(minutes=200))
    actions.claim_run(worker("desk", memory=8_192))
    told = section(page(as_bo), "queues")
    assert "small up to 4.0 GiB 0 – 0 1" in told and re.search(r"medium up to 16.0 GiB 1 \d s 1 1", told)
    assert "large up to 48.0 GiB 0 – 0 0" in told


def test_a_queue_that_nobody_hears_says_so(as_bo):
    documents.publish(None, DOES)
    assert '<strong class="alarm">none</strong>' in page(as_bo)


def test_workers_are_told_with_what_they_do_now(as_bo):
    documents.publish(None, DOES)
    desk = worker("desk-1", memory=8_192)
    worker("idle-1", memory=2_048)
    run = actions.claim_run(desk)
    actions.beat(run, 64, 256, "measuring")
    told = section(page(as_bo), "workers")
    assert re.search(rf"desk-1 cpu 8.0 GiB small, medium \d s ago run {run.pk} , behavior: 64 of 256 measuring", told)
    assert re.search(r"idle-1 cpu 2.0 GiB small \d s ago waits", told)


def test_workers_that_ended_or_went_silent_stay_for_a_day_and_come_last(as_bo):
    now = timezone.now()
    for name, seen in (("old", 25 * 3600), ("silent", 3600), ("left", 60)):
        gone = worker(name)
        Worker.objects.filter(pk=gone.pk).update(last_seen=now - timedelta(seconds=seen))
    actions.take_leave("left")
    worker("living")
    html = page(as_bo)
    told = section(html, "workers")
    assert told.index("living") < told.index("left") < told.index("silent") and " old " not in told
    assert "1 min ago ended" in told and "1 h 0 min ago not heard of any more" in told
    assert html.count('<tr class="gone">') == 2


def test_failures_are_told_with_reason_claims_attempts_and_worker(as_bo):
    documents.publish(None, DOES, KNOCK_OUT)
    failed = fail_all("out of memory: 8 GB", "<i>no</i> position S2")
    html = page(as_bo)
    told = section(html, "failures")
    assert f"{len(failed)} in all" in told
    first = failed[0].pk
    assert f"{first} Errored Retry run {first} out of memory: 8 GB Copying in Small: does 1 worker@desk 0 s ago" in told
    assert 'href="/findings/copying/#claim-does"' in html and "<i>no</i>" not in html
    assert "nothing now" not in told, "the claims of a control and of a variant are found too"


def test_reasons_are_counted_the_most_frequent_first(as_bo):
    documents.publish(None, DOES, KNOCK_OUT)
    fail_all("out of memory", "out of memory", "no position S2")
    told = section(page(as_bo), "reasons")
    assert "out of memory Retry all 5 that failed for this reason errored 0 s" in told
    assert "no position S2 Retry all 2 that failed for this reason errored 0 s" in told
    assert told.index("out of memory") < told.index("no position S2")


def test_one_failed_run_is_tried_again_and_leaves_the_list(as_bo, people):
    documents.publish(None, DOES)
    first, second = fail_all("out of memory")
    response = as_bo.post(f"/stewards/runs/{first.pk}/retry/", follow=True)
    assert response.redirect_chain == [("/stewards/", 302)]
    assert "Queued again: 1 of 1." in response.content.decode()
    (again,) = Run.objects.waiting()
    assert (again.measurement_id, again.draw, again.asked_by) == (first.measurement_id, first.draw, people.bo)
    assert set(queues.failures()) == {second}


def test_all_runs_of_one_reason_are_tried_again_and_no_others(as_bo):
    documents.publish(None, DOES, KNOCK_OUT)
    failed = fail_all("out of memory", "no position S2")
    told = as_bo.post(f"/stewards/runs/{failed[0].pk}/retry-alike/", follow=True).content.decode()
    assert "Queued again: 4 of 4." in told
    assert Run.objects.waiting().count() == 4
    assert {run.reason for run in queues.failures()} == {"no position S2"}


def test_no_button_tries_more_than_so_many_at_once(as_bo, monkeypatch):
    monkeypatch.setattr(stewards, "AT_ONCE", 2)
    documents.publish(None, DOES, KNOCK_OUT)
    failed = fail_all("out of memory")
    told = as_bo.post(f"/stewards/runs/{failed[0].pk}/retry-alike/", follow=True).content.decode()
    assert "Queued again: 2 of 7. 5 are left; press the button again for more." in told
    assert Run.objects.waiting().count() == 2


def test_a_run_that_was_tried_again_already_is_not_queued_twice(as_bo):
    documents.publish(None, DOES)
    first, _ = fail_all("out of memory")
    as_bo.post(f"/stewards/runs/{first.pk}/retry/")
    told = as_bo.post(f"/stewards/runs/{first.pk}/retry/", follow=True).content.decode()
    assert f"Queued again: 0 of 1. Run {first.pk} was not: it has numbers, or was tried again already." in told
    assert Run.objects.waiting().count() == 1


def test_a_run_no_worker_can_take_is_not_queued_and_the_page_says_why(as_bo):
    documents.publish(None, DOES)
    first, _ = fail_all("out of memory")
    Worker.objects.all().update(loadable=["sha256:" + "b" * 64])
    told = as_bo.post(f"/stewards/runs/{first.pk}/retry/", follow=True).content.decode()
    assert f"Queued again: 0 of 1. Run {first.pk} was not: no worker can run it now." in told


def test_waiting_runs_nobody_can_take_are_told_with_the_reason(as_bo):
    documents.publish(None, DOES)
    assert "2 0 s no worker lives" in section(page(as_bo), "stuck")
    here = worker(loadable=("sha256:" + "b" * 64,))
    assert "none of the 1 living workers has these weights" in section(page(as_bo), "stuck")
    Worker.objects.filter(pk=here.pk).update(loadable=[documents.WEIGHTS], memory=2_048)
    Measurement.objects.update(memory=30_000)
    told = section(page(as_bo), "stuck")
    assert "30,000 MiB are needed, and the largest worker with these weights has 2,048" in told
    Worker.objects.filter(pk=here.pk).update(memory=32_000)
    assert section(page(as_bo), "stuck") == ""


def test_a_long_list_of_failures_is_cut_and_says_so(as_bo, monkeypatch):
    monkeypatch.setattr(stewards, "MOST", 3)
    documents.publish(None, DOES, KNOCK_OUT)
    fail_all("out of memory")
    told = section(page(as_bo), "failures")
    assert "The newest 3 of 7." in told and told.count("Errored") == 3


def test_the_page_costs_a_fixed_number_of_queries(as_bo, django_assert_max_num_queries):
    documents.publish(None, DOES, KNOCK_OUT)
    fail_all("out of memory", "no position S2")
    with django_assert_max_num_queries(18):
        page(as_bo)


def test_the_tables_ask_for_news_and_are_never_kept(as_bo):
    assert 'hx-get="/stewards/live/" hx-trigger="every 5s"' in page(as_bo)
    response = as_bo.get("/stewards/live/")
    assert "no-store" in response["Cache-Control"] and "<html" not in response.content.decode()


def test_the_page_has_no_inline_style_or_script(as_bo):
    documents.publish(None, DOES)
    fail_all("out of memory")
    html = page(as_bo)
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", html)


def test_a_run_that_has_numbers_by_now_is_no_failure(as_bo):
    documents.publish(None, DOES)
    first, second = fail_all("out of memory")
    as_bo.post(f"/stewards/runs/{first.pk}/retry-alike/")
    work_off()
    assert not queues.failures().exists() and settings.ATTEMPTS == 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-5, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (12_000, "3 h 20 min")]
    + [(86_400, "24 h 0 min"), (172_800, "2 d")],
)
def test_ages_are_written_in_their_largest_unit(seconds, words):
    assert age(timedelta(seconds=seconds)) == words


def test_an_age_of_nothing_is_a_dash():
    assert age(None) == "–"
