"""Append-only tables, held by the database itself: revisions, and runs once they have finished.

Installed after every migration, because rebuilding a table on SQLite drops its triggers without a word.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

REVISION = "wiki_revision"
RUN = "wiki_run"
WORDS = {
    REVISION: "revisions are append-only; publish a new one",
    RUN: "a finished run is append-only; measure anew",
}

SQLITE = """
CREATE TRIGGER {table}_keeps_{verb} BEFORE {verb} ON {table} {when}
BEGIN SELECT RAISE(ABORT, '{words}'); END
"""
POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION {table}_keeps() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
POSTGRESQL = """
CREATE TRIGGER {table}_keeps_{verb} BEFORE {verb} ON {table} FOR EACH {each} {when} EXECUTE FUNCTION {table}_keeps()
"""
WHEN = {REVISION: "", RUN: "WHEN (OLD.state = 'finished')"}
ROW_VERBS = ("UPDATE", "DELETE")
TRUNCATE = "TRUNCATE"  # PostgreSQL's; it looks at no row, so a table with anything in it to keep is kept whole


def install(using: str = "default", **_: Any) -> None:
    """Receives post_migrate. A table that the migrations have taken back is passed over."""
    connection = connections[using]
    with transaction.atomic(using), connection.cursor() as cursor:
        lift(using)
        for table in WORDS.keys() & set(connection.introspection.table_names(cursor)):
            for statement in _statements(connection.vendor, table):
                cursor.execute(statement)


def lift(using: str = "default") -> None:
    """Only for the tests' flush, which empties every table."""
    connection = connections[using]
    on_table = "" if connection.vendor == "sqlite" else " ON {table}"
    with connection.cursor() as cursor:
        for table in WORDS:
            for verb in (*ROW_VERBS, TRUNCATE):
                drop = "DROP TRIGGER IF EXISTS {table}_keeps_{verb}" + on_table
                cursor.execute(drop.format(table=table, verb=verb))


def _statements(vendor: str, table: str) -> list[str]:
    named = {"table": table, "words": WORDS[table], "when": WHEN[table]}
    match vendor:
        case "sqlite":
            return [SQLITE.format(verb=verb, **named) for verb in ROW_VERBS]
        case "postgresql":
            rows = [POSTGRESQL.format(verb=verb, each="ROW", **named) for verb in ROW_VERBS]
            whole = POSTGRESQL.format(verb=TRUNCATE, each="STATEMENT", **{**named, "when": ""})
            return [POSTGRESQL_FUNCTION.format(**named), *rows, whole]
        case _:
            raise NotImplementedError(f"no append-only triggers are written for {vendor}; use SQLite or PostgreSQL")
