"""Revisions and finished runs cannot be changed or removed, not even past Django."""

from copy import copy

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import Model

from tests.wiki.documents import DOES, publish
from tests.wiki.work import work_off, worker
from wiki import actions, triggers
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


def test_only_revisions_and_runs_have_them_and_the_same_ones_after_every_installation():
    stand = standing()
    assert stand == {f"{table}_keeps_{verb}" for table in ("wiki_revision", "wiki_run") for verb in VERBS}
    triggers.install()
    triggers.install()
    assert standing() == stand


@pytest.mark.django_db(transaction=True)
def test_nor_are_they_overwritten_or_emptied_by_what_looks_at_no_row():
    publish(None, DOES)
    work_off()
    kept = (Revision.objects.count(), Run.objects.finished().count())
    assert all(refused(sql) for sql in PAST_THE_ROWS[connection.vendor])
    assert (Revision.objects.count(), Run.objects.finished().count()) == kept == (3, 2)


@pytest.mark.django_db(transaction=True)
def test_they_stand_after_all_migrations_and_after_the_tests_own_flush():
    publish(None, DOES)
    call_command("migrate", verbosity=0)
    assert refused("DELETE FROM wiki_revision")
    call_command("flush", verbosity=0, interactive=False)
    assert not Revision.objects.exists()
    actions.publish("role", ROLE, author=None)
    assert refused("DELETE FROM wiki_revision")


@pytest.mark.django_db(transaction=True)
def test_a_table_that_sqlite_rebuilds_loses_them_until_the_migration_is_over():
    alter_column(Revision, "sha256")
    assert not refused(IN_VAIN) if connection.vendor == "sqlite" else refused(IN_VAIN)
    call_command("migrate", verbosity=0)
    assert refused(IN_VAIN)


@pytest.mark.django_db(transaction=True)
def test_whoever_drops_them_has_them_back_after_the_next_migration():
    triggers.lift()
    assert standing() == set()
    assert not refused(IN_VAIN)
    call_command("migrate", verbosity=0)
    assert refused(IN_VAIN)


@pytest.mark.django_db(transaction=True)
def test_the_migrations_can_be_taken_back_and_made_again():
    call_command("flush", verbosity=0, interactive=False)
    call_command("migrate", "wiki", "zero", verbosity=0)
    assert standing() == set()
    call_command("migrate", verbosity=0)
    assert len(standing()) == 2 * len(VERBS)


def standing() -> set[str]:
    names = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }
    with connection.cursor() as cursor:
        cursor.execute(names[connection.vendor])
        return {name.lower() for (name,) in cursor.fetchall()}


def alter_column(model: type[Model], name: str) -> None:
    """Wider, and back again: as migrations do it."""
    field = model._meta.get_field(name)
    wider = copy(field)
    wider.max_length = field.max_length + 1
    with connection.schema_editor() as editor:
        editor.alter_field(model, field, wider)
    with connection.schema_editor() as editor:
        editor.alter_field(model, wider, field)


PAST_THE_ROWS = {
    "sqlite": [f"REPLACE INTO {table} SELECT * FROM {table}" for table in ("wiki_revision", "wiki_run")],
    "postgresql": [f"TRUNCATE {table} CASCADE" for table in ("wiki_revision", "wiki_run", "wiki_entry")],
}
IN_VAIN = "UPDATE wiki_revision SET text = text"
VERBS = ("update", "delete", "truncate") if connection.vendor == "postgresql" else ("update", "delete")
ROLE = {
    "slug": "mover",
    "title": "Mover",
    "definition": "Moves.",
    "decided_by": "causal",
    "test": {"words": "It moves.", "level": "primary"},
}
