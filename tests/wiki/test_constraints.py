"""What the database refuses, whoever writes: each constraint violated once."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from tests.wiki.documents import DOES, IN_WORDS, publish
from wiki.models import Claim, Entry, Expectation, Finding, Measurement, Revision, Run, StewardLink, Withdrawal, Worker

pytestmark = pytest.mark.usefixtures("neighbors")

HASH = "sha256:" + "e" * 64


def refused(constraint: str, write, columns: str = "") -> bool:
    """By this very constraint. SQLite names those of uniqueness by their columns."""
    try:
        with transaction.atomic():
            write()
    except IntegrityError as error:
        return constraint in str(error) or (columns != "" and columns in str(error))
    return False


@pytest.fixture
def found() -> Finding:
    publish(None, DOES, IN_WORDS)
    return Finding.objects.get()


def test_an_entry_is_of_a_known_kind():
    assert refused("entry_kind_is_known", lambda: Entry.objects.create(kind="poem", slug="x", title="X"))


def test_a_slug_is_taken_once_per_kind():
    assert refused(
        "entry_slug_once_per_kind",
        lambda: Entry.objects.create(kind="behavior", slug="repeat"),
        "wiki_entry.kind, wiki_entry.slug",
    )


def test_revisions_are_numbered_from_one_once_each_and_have_parents():
    entry = Entry.objects.get(kind="behavior")
    first = entry.current

    def write(number, parent):
        return lambda: Revision.objects.create(entry=entry, number=number, parent=parent, text="{}", sha256=HASH)

    assert refused("revision_has_a_parent_unless_first", write(0, first))
    assert refused("revision_has_a_parent_unless_first", write(2, None))
    assert refused("revision_number_once_per_entry", write(1, None), "wiki_revision.entry_id, wiki_revision.number")


def test_a_finding_has_a_known_badge(found):
    assert refused("finding_badge_is_known", lambda: Finding.objects.update(badge="green"))


def test_a_node_stands_once_per_role(found):
    node = found.nodes.get()
    node.pk = None
    assert refused("node_once_per_role", node.save, "wiki_node.finding_id, wiki_node.component, wiki_node.role")


def test_a_claims_slug_stands_once_per_finding(found):
    assert refused(
        "claim_slug_once_per_finding",
        lambda: found.claims.update(slug="same"),
        "wiki_claim.finding_id, wiki_claim.slug",
    )


def test_a_claim_is_runnable_iff_it_has_a_technique(found):
    runnable, in_words = found.claims.all()
    name = "claim_is_runnable_iff_it_has_a_technique"
    assert refused(name, lambda: Claim.objects.filter(pk=runnable.pk).update(measurement=None))
    assert refused(name, lambda: Claim.objects.filter(pk=runnable.pk).update(technique=""))
    assert refused(name, lambda: Claim.objects.filter(pk=in_words.pk).update(technique="ablation"))


def test_a_claim_has_an_outcome_iff_it_has_a_verdict(found):
    name = "claim_has_an_outcome_iff_it_has_a_verdict"
    assert refused(name, lambda: found.claims.update(outcome="holds"))
    assert refused(name, lambda: found.claims.update(verdict="{}"))
    assert refused(name, lambda: found.claims.update(verdict="{}", outcome="perhaps"))


def test_a_measurements_prompts_are_of_a_known_population(found):
    assert refused("measurement_population_is_known", lambda: Measurement.objects.update(population="some"))


def test_an_expectation_is_dated_once_and_skips_draws_only_after_measuring(found):
    measurement, sha256 = Expectation.objects.values_list("measurement", "sha256").get()
    again = Expectation(measurement_id=measurement, sha256=sha256)
    assert refused(
        "expectation_once_per_measurement", again.save, "wiki_expectation.measurement_id, wiki_expectation.sha256"
    )
    name = "expectation_skips_draws_only_if_stated_after_measuring"
    assert refused(name, lambda: Expectation.objects.update(first_draw=2))


def test_a_withdrawal_is_counted_once_per_expectation(found):
    def withdraw():
        Withdrawal.objects.create(
            entry=found.entry,
            expectation=Expectation.objects.get(),
            claim="does",
            sentence="",
            verdict="{}",
            revision=found.entry.current,
        )

    withdraw()
    assert refused(
        "withdrawal_once_per_expectation", withdraw, "wiki_withdrawal.entry_id, wiki_withdrawal.expectation_id"
    )


def test_a_draw_has_one_run_that_waits_runs_or_finished(found):
    run = Run.objects.get(draw=0)
    again = Run(measurement=run.measurement, draw=0)
    assert refused("run_once_per_measurement_and_draw", again.save, "wiki_run.measurement_id, wiki_run.draw")
    Run.objects.filter(pk=run.pk).update(state="errored", reason="lost", finished_at=timezone.now())
    again.save()
    assert Run.objects.filter(draw=0).count() == 2


def test_a_run_is_in_a_known_state_that_agrees_with_what_it_holds(found):
    now = timezone.now()
    assert refused("run_", lambda: Run.objects.update(state="asleep"))
    assert refused("run_has_numbers_iff_finished", lambda: Run.objects.update(state="finished", finished_at=now))
    assert refused("run_has_numbers_iff_finished", lambda: Run.objects.update(numbers="{}"))
    assert refused("run_has_a_reason_iff_without_numbers", lambda: Run.objects.update(state="errored", finished_at=now))
    assert refused("run_has_a_reason_iff_without_numbers", lambda: Run.objects.update(reason="why"))
    assert refused("run_has_a_lease_while_running", lambda: Run.objects.update(state="running"))
    assert refused("run_has_an_end_iff_it_ended", lambda: Run.objects.update(finished_at=now))
    assert refused("run_has_an_end_iff_it_ended", lambda: Run.objects.update(state="errored", reason="why"))


def test_a_worker_has_its_name_alone():
    now = timezone.now()
    Worker.objects.create(name="one", memory=1, started_at=now, last_seen=now)
    assert refused(
        "wiki_worker_name", Worker(name="one", memory=1, started_at=now, last_seen=now).save, "wiki_worker.name"
    )


def test_a_steward_link_is_unique_and_used_by_somebody():
    link = StewardLink.objects.create(token_sha256=HASH)
    assert refused(
        "wiki_stewardlink_token_sha256",
        lambda: StewardLink.objects.create(token_sha256=HASH),
        "wiki_stewardlink.token_sha256",
    )
    name = "steward_link_is_used_by_somebody"
    assert refused(name, lambda: StewardLink.objects.filter(pk=link.pk).update(used_at=timezone.now()))
    ada = User.objects.create_user("ada")
    assert refused(name, lambda: StewardLink.objects.filter(pk=link.pk).update(used_by=ada))
