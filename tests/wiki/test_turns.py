"""Two runs of one claim that end at the same moment: one of them sees the other, and the claim has its verdict."""

from threading import Barrier, Thread

import pytest
from django.db import connection

from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT, document, publish
from tests.wiki.work import worker
from wiki import actions
from wiki.models import Claim, Run

ROUNDS = 8


def end_together(*runs: Run) -> None:
    """Each in a thread, with a connection, of its own."""
    ready = Barrier(len(runs))

    def end(run: Run) -> None:
        ready.wait()
        actions.record_numbers(run, documents.measured(run))
        connection.close()

    threads = [Thread(target=end, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="there each transaction that writes is alone; see DATABASES")
def test_a_claim_whose_last_runs_end_together_has_its_verdict():
    documents.neighbors()
    claims = [
        KNOCK_OUT | {"id": f"head-{i}", "spec": KNOCK_OUT["spec"] | {"components": [f"0.{i}"]}} for i in range(ROUNDS)
    ]
    publish(None, *claims, circuit={"nodes": []})
    here = worker()
    for claim in Claim.objects.all():
        needed = list(Run.objects.of_claim(claim))
        taken = [actions.claim_run(here) for _ in needed]
        assert {run.pk for run in taken} == {run.pk for run in needed}
        end_together(*taken)
    assert [claim.slug for claim in Claim.objects.filter(outcome="")] == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="there each transaction that writes is alone; see DATABASES")
def test_a_claim_published_while_its_run_ends_has_its_verdict():
    documents.neighbors()
    publish(None, DOES)
    here = worker()
    first, second = actions.claim_run(here), actions.claim_run(here)
    actions.record_numbers(first, documents.measured(first))
    ready = Barrier(2)

    def publish_another() -> None:
        ready.wait()
        actions.publish("finding", document(DOES, slug="another"), None)
        connection.close()

    publisher = Thread(target=publish_another)
    publisher.start()
    ready.wait()
    actions.record_numbers(second, documents.measured(second))
    publisher.join()
    assert {claim.outcome for claim in Claim.objects.all()} == {"holds"}
