"""Turns: who writes what verdicts rest on writes alone, so that nobody judges on half of another's numbers.

Two runs of one claim that end at the same moment would otherwise not see each other, and leave it without a verdict.
On SQLite every transaction that writes is alone already (`transaction_mode` IMMEDIATE).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

EVIDENCE = 0x1D7E8CE
"""The lock's number, among all advisory locks of the database."""


@contextmanager
def evidence_turn() -> Iterator[None]:
    """A transaction that no other like it runs beside."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [EVIDENCE])
        yield
