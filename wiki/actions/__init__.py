"""Every change of state, one verb each. Nothing else in the site writes what lasts."""

from wiki.actions.editing import Conflict, publish, reproject, revert
from wiki.actions.people import deactivate, invite_steward, is_welcome, make_token, script_account, welcome
from wiki.actions.queueing import CHECK, queue, queue_all, ring, ring_for_waiting, try_again
from wiki.actions.running import (
    beat,
    claim_run,
    put_back,
    record_error,
    record_numbers,
    record_refusal,
    release,
    requeue_lost,
    see_worker,
)
from wiki.actions.sweeping import sweep

__all__ = [
    "CHECK",
    "Conflict",
    "beat",
    "claim_run",
    "deactivate",
    "invite_steward",
    "is_welcome",
    "make_token",
    "publish",
    "put_back",
    "queue",
    "queue_all",
    "record_error",
    "record_numbers",
    "record_refusal",
    "release",
    "reproject",
    "requeue_lost",
    "revert",
    "ring",
    "script_account",
    "ring_for_waiting",
    "see_worker",
    "sweep",
    "try_again",
    "welcome",
]
