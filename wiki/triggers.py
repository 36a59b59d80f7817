"""Append-only tables, held by the database itself: revisions, and runs once they have finished.

Installed after every migration, because rebuilding a table on SQLite drops its triggers without a word.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

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
CREATE TRIGGER {table}_keeps_{verb} BEFORE {verb} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION {table}_keeps()
"""
WHEN = {
    ("sqlite", REVISION): "",
    ("sqlite", RUN): "WHEN OLD.state = 'finished'",
    ("postgresql", REVISION): "",
    ("postgresql", RUN): "WHEN (OLD.state = 'finished')",
}
VERBS = ("UPDATE", "DELETE")


def install(using: str = "default", **_: Any) -> None:
    """Receives post_migrate."""
    connection = connections[using]
    lift(using)
    with connection.cursor() as cursor:
        for table in WORDS:
            for statement in _statements(connection.vendor, table):
                cursor.execute(statement)


def lift(using: str = "default") -> None:
    """Only for the tests' flush, which empties every table."""
    connection = connections[using]
    on_table = "" if connection.vendor == "sqlite" else " ON {table}"
    with connection.cursor() as cursor:
        for table in WORDS:
            for verb in VERBS:
                drop = "DROP TRIGGER IF EXISTS {table}_keeps_{verb}" + on_table
                cursor.execute(drop.format(table=table, verb=verb))


def _statements(vendor: str, table: str) -> list[str]:
    if vendor not in ("sqlite", "postgresql"):
        raise NotImplementedError(f"no append-only triggers are written for {vendor}; use SQLite or PostgreSQL")
    template = SQLITE if vendor == "sqlite" else POSTGRESQL
    named = {"table": table, "words": WORDS[table], "when": WHEN[vendor, table]}
    triggers = [template.format(verb=verb, **named) for verb in VERBS]
    return triggers if vendor == "sqlite" else [POSTGRESQL_FUNCTION.format(**named), *triggers]
