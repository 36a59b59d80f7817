"""Revisions and finished runs cannot be changed or removed, not even past Django."""

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from tests.wiki.documents import DOES, publish
from tests.wiki.work import work_off, worker
from wiki import actions
from wiki.models import Revision, Run

pytestmark = pytest.mark.usefixtures("neighbors")


def refused(sql: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    except DatabaseError as error:
        return "append-only" in str(error)
    return False


def test_revisions_are_append_only():
    publish(None, DOES)
    before = list(Revision.objects.values_list("text", flat=True))
    assert refused("UPDATE wiki_revision SET text = '{}'")
    assert refused("UPDATE wiki_revision SET author_id = NULL")
    assert refused("DELETE FROM wiki_revision")
    assert list(Revision.objects.values_list("text", flat=True)) == before


def test_finished_runs_are_append_only_and_others_are_not():
    publish(None, DOES)
    run = actions.claim_run(worker())
    assert not refused("UPDATE wiki_run SET progress_done = 1")
    actions.put_back(run)
    work_off()
    assert refused("UPDATE wiki_run SET numbers = '{}'")
    assert refused("UPDATE wiki_run SET state = 'queued', numbers = '', finished_at = NULL")
    assert refused("DELETE FROM wiki_run")
    assert Run.objects.finished().count() == 2


@pytest.mark.django_db(transaction=True)
def test_they_stand_after_all_migrations_and_after_the_tests_own_flush():
    publish(None, DOES)
    call_command("migrate", verbosity=0)
    assert refused("DELETE FROM wiki_revision")
    call_command("flush", verbosity=0, interactive=False)
    assert not Revision.objects.exists()
    actions.publish("role", ROLE, author=None)
    assert refused("DELETE FROM wiki_revision")


ROLE = {
    "slug": "mover",
    "title": "Mover",
    "definition": "Moves.",
    "decided_by": "causal",
    "test": {"words": "It moves.", "level": "primary"},
}
