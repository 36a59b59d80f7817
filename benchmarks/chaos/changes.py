"""What happened to every run, in order, as the database itself saw it: written down by triggers of the benchmark's own.

Nothing of the site knows of them, so what they show does not depend on what the site believes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """Of one row. before: empty where it was made; after: empty where it was deleted. numbers: whether they changed.

    writer: the process that wrote, as its connection is named; empty on SQLite, which does not know.
    """

    run: int
    measurement: str
    draw: int
    before: str
    after: str
    fence_before: int
    fence: int
    numbers: bool
    writer: str = ""


READ = (
    "SELECT run, measurement, draw, state_before, state_after, fence_before, fence_after, numbers, writer"
    " FROM chaos_change ORDER BY id"
)
COLUMNS = "run, measurement, draw, state_before, state_after, fence_before, fence_after, numbers, writer"
TABLE = (
    "CREATE TABLE chaos_change (id {serial}, run bigint, measurement text, draw int, state_before text,"
    " state_after text, fence_before int, fence_after int, numbers bool, writer text)"
)
DIFFERS = " OR ".join(
    f"OLD.{column} <> NEW.{column}" for column in ("state", "fence", "numbers", "reason", "measurement_id", "draw")
)
MADE = "NEW.id, NEW.measurement_id, NEW.draw, '', NEW.state, 0, NEW.fence, NEW.numbers <> ''"
CHANGED = "NEW.id, NEW.measurement_id, NEW.draw, OLD.state, NEW.state, OLD.fence, NEW.fence, OLD.numbers <> NEW.numbers"
DELETED = "OLD.id, OLD.measurement_id, OLD.draw, OLD.state, '', OLD.fence, OLD.fence, OLD.numbers <> ''"
EVENTS = {"insert": (MADE, ""), "update": (CHANGED, f"WHEN ({DIFFERS})"), "delete": (DELETED, "")}


def on_sqlite() -> list[str]:
    """The statements that install it."""
    return [
        TABLE.format(serial="integer PRIMARY KEY AUTOINCREMENT"),
        *(
            f"CREATE TRIGGER chaos_{event} AFTER {event} ON wiki_run {when}"
            f" BEGIN INSERT INTO chaos_change ({COLUMNS}) VALUES ({row}, ''); END"
            for event, (row, when) in EVENTS.items()
        ),
    ]


def on_postgresql() -> list[str]:
    statements = [TABLE.format(serial="bigserial PRIMARY KEY")]
    for event, (row, when) in EVENTS.items():
        write = f"INSERT INTO chaos_change ({COLUMNS}) VALUES ({row}, current_setting('application_name'));"
        statements += [
            f"CREATE FUNCTION chaos_{event}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {write} RETURN NULL; END $$",
            f"CREATE TRIGGER chaos_{event} AFTER {event} ON wiki_run FOR EACH ROW {when}"
            f" EXECUTE FUNCTION chaos_{event}()",
        ]
    return statements


def changes(rows: Iterable[Sequence[Any]]) -> list[Change]:
    """rows: what READ gives."""
    return [Change(*row[:7], bool(row[7]), row[8]) for row in rows]
