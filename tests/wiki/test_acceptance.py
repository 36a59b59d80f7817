"""What a run costs is estimated, capped, and counted on whoever asked for it."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT, document, finding, publish
from tests.wiki.work import work_off, worker
from wiki import actions
from wiki.acceptance import Acceptance, Asker, left
from wiki.actions import Sweep
from wiki.estimates import estimate
from wiki.models import Measurement, Run
from workers.engine.cost import TERA
from workers.engine.documents.finding import Finding as Document

pytestmark = pytest.mark.usefixtures("neighbors")


def cost_of_a_draw(tera: float) -> None:
    """As if each draw of what was published took so much."""
    Measurement.objects.update(cost=tera * TERA)


def test_a_measurement_knows_its_cost_and_memory_from_the_start():
    publish(None, DOES)
    stored = Measurement.objects.get()
    assert stored.cost > 1e9
    assert 600 < stored.memory < 4_096


def test_a_run_that_costs_more_than_one_may_is_not_queued_and_says_so(settings, ada):
    settings.RUN_COST = 1
    publish(ada, DOES)
    cost_of_a_draw(2)
    Run.objects.all().delete()
    actions.tidy()
    assert not Run.objects.exists()
    assert "not run: it may take 2.0 TFLOP, more than the 1.0 TFLOP one may" in finding().badge_detail
    settings.RUN_COST = 0
    actions.tidy()
    assert Run.objects.waiting().count() == 2


def test_what_a_person_asks_for_counts_on_their_quota_and_waits_when_that_is_used_up(settings, ada):
    settings.QUOTA_PERSON = 10
    publish(ada, DOES)
    assert {run.asked_by for run in Run.objects.all()} == {ada}
    cost_of_a_draw(4)
    assert left(Asker(ada)) == 2 * TERA
    obstacle = Acceptance(Asker(ada)).obstacle(Measurement.objects.get())
    assert obstacle == "waits: the quota of ada is used up for today"


def test_what_waits_for_a_quota_is_queued_when_it_is_free_again(settings, ada):
    settings.QUOTA_PERSON = 1
    publish(ada, DOES)
    cost_of_a_draw(2)
    Run.objects.all().delete()
    actions.tidy()
    assert (Run.objects.count(), finding().badge) == (0, "proposed")
    assert "waits: the quota of ada is used up for today" in finding().badge_detail
    settings.QUOTA_PERSON = 5
    actions.tidy()
    assert (Run.objects.waiting().count(), finding().badge) == (2, "checking")
    work_off()
    assert finding().claims.get().outcome == "holds"


def test_part_of_what_is_asked_for_is_queued_as_far_as_the_quota_goes(settings, ada):
    publish(ada, DOES)
    cost_of_a_draw(2)
    Run.objects.all().delete()
    settings.QUOTA_PERSON = 3
    actions.tidy()
    assert [run.draw for run in Run.objects.all()] == [0]


def test_an_agent_has_less_than_its_person_and_both_count(settings, ada):
    settings.QUOTA_PERSON, settings.QUOTA_AGENT = 10, 3
    actions.publish("finding", document(DOES), ada, agent="abcd1234")
    assert {run.agent for run in Run.objects.all()} == {"abcd1234"}
    cost_of_a_draw(1)
    assert left(Asker(ada, "abcd1234")) == 1 * TERA
    assert left(Asker(ada, "other")) == 3 * TERA
    assert left(Asker(ada)) == 8 * TERA


def test_the_site_itself_has_no_quota(settings):
    settings.QUOTA_PERSON = 1
    publish(None, DOES, KNOCK_OUT)
    assert Run.objects.waiting().count() == 7


def test_work_for_which_no_worker_has_the_memory_is_not_queued_until_one_has(settings):
    worker("laptop", memory=300)
    publish(None, DOES)
    assert not Run.objects.exists()
    assert "no worker can run it now: it may take" in finding().badge_detail
    worker("server", memory=30_000)
    Sweep().once()
    assert Run.objects.waiting().count() == 2


def test_an_estimate_says_what_publishing_would_queue_and_writes_nothing(ada):
    stated = Document.from_json(document(DOES, KNOCK_OUT, documents.IN_WORDS))
    found = estimate(stated, Asker(ada))
    assert [(claim.claim, claim.runs) for claim in found.claims] == [("does", 2), ("knock-out", 5)]
    assert not Measurement.objects.exists()
    publish(ada, DOES, KNOCK_OUT, documents.IN_WORDS)
    assert Run.objects.count() == found.runs == 7
    assert sum(run.measurement.cost for run in Run.objects.all()) == pytest.approx(found.operations)
    assert estimate(stated, Asker(ada)).runs == 0


def test_an_estimate_names_what_would_stand_in_the_way(settings, ada):
    settings.QUOTA_PERSON = 1
    publish(ada, DOES)
    cost_of_a_draw(1)
    (claim,) = estimate(Document.from_json(document(KNOCK_OUT)), Asker(ada)).claims
    assert claim.obstacle == "waits: the quota of ada is used up for today"


def test_costs_are_estimated_anew_by_reprojecting():
    publish(None, DOES)
    known = Measurement.objects.get()
    cost_of_a_draw(99)
    call_command("reproject")
    found = Measurement.objects.get()
    assert (found.cost, found.memory) == (known.cost, known.memory)


def test_notes_that_a_quota_kept_back_are_queued_when_it_is_free_again(settings, ada):
    """What would show that an effect depends on the kind of ablation must not be lost to a quota nearly used up."""
    publish(ada, KNOCK_OUT)
    cost_of_a_draw(1)
    Run.objects.filter(priority=1).delete()
    settings.QUOTA_PERSON = 3
    work_off()
    assert finding().claims.get().outcome == "holds"
    actions.tidy()
    assert Run.objects.filter(priority=1).count() == 0
    settings.QUOTA_PERSON = 5
    actions.tidy()
    assert Run.objects.filter(priority=1).count() == 2


def test_a_run_dated_in_the_future_by_a_wrong_clock_counts_on_no_quota(settings, ada):
    settings.QUOTA_PERSON = 10
    publish(ada, DOES)
    cost_of_a_draw(4)
    Run.objects.update(created_at=timezone.now() + timedelta(days=400))
    assert left(Asker(ada)) == 10 * TERA
