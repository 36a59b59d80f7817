"""The benchmark's triggers write down what happens to runs, in order, on both databases."""

import sqlite3

import psycopg
import pytest

from benchmarks.chaos import changes
from benchmarks.chaos.audit import doubled
from benchmarks.chaos.changes import READ, Change
from tests.servers import FAST, PostgreSQL

RUNS = (
    "CREATE TABLE wiki_run (id int, measurement_id text, draw int, state text, fence int, numbers text, reason text,"
    " lease_until text)"
)
STORY = (
    "INSERT INTO wiki_run VALUES (1, 'sha256:a', 0, 'queued', 0, '', '', '')",
    "UPDATE wiki_run SET state = 'running', fence = fence + 1, lease_until = 'soon'",
    "UPDATE wiki_run SET lease_until = 'later'",
    "UPDATE wiki_run SET state = 'finished', numbers = '{}'",
    "UPDATE wiki_run SET numbers = '{\"other\": 1}'",
    "DELETE FROM wiki_run",
)


def told(writer: str) -> list[Change]:
    return [
        Change(1, "sha256:a", 0, "", "queued", 0, 0, False, writer),
        Change(1, "sha256:a", 0, "queued", "running", 0, 1, False, writer),
        Change(1, "sha256:a", 0, "running", "finished", 1, 1, True, writer),
        Change(1, "sha256:a", 0, "finished", "finished", 1, 1, True, writer),
        Change(1, "sha256:a", 0, "finished", "", 1, 1, True, writer),
    ]


def test_sqlite_tells_every_change_but_that_of_a_lease():
    connection = sqlite3.connect(":memory:")
    for statement in (RUNS, *changes.on_sqlite(), *STORY):
        connection.execute(statement)
    assert changes.changes(connection.execute(READ)) == told(writer="")


@pytest.mark.postgresql
def test_postgresql_tells_the_same_and_who_wrote():
    with (
        PostgreSQL(settings=FAST) as server,
        psycopg.connect(server.url, autocommit=True, application_name="first") as connection,
    ):
        for statement in (RUNS, *changes.on_postgresql(), *STORY):
            connection.execute(statement)
        found = changes.changes(connection.execute(READ))
    assert found == told(writer="first")


def test_numbers_that_were_overwritten_are_found_from_what_the_database_told():
    assert doubled(told(writer="")) == ["run 1 was changed after it had finished"] * 2
