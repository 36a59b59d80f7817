"""Whether an error means that what the site stands on cannot be used just now, so that trying again may help."""

from __future__ import annotations

from django.db import InterfaceError, InternalError, OperationalError
from redis import exceptions as redis

RETRY_AFTER = 10  # seconds
READ_ONLY = "25006"  # PostgreSQL's code, of an error it counts as internal


def is_outage(error: BaseException | None) -> bool:
    """A database or broker that is stopped, locked, full or read-only."""
    if isinstance(error, InternalError):
        return getattr(error.__cause__, "sqlstate", None) == READ_ONLY
    return isinstance(error, OperationalError | InterfaceError | redis.ConnectionError | redis.TimeoutError)
