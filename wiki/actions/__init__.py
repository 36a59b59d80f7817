"""Every change of state, one verb each. Nothing else in the site writes what lasts."""

from wiki.actions.editing import NEW, Conflict, estimate_anew, publish, reproject, revert
from wiki.actions.people import deactivate, invite_steward, is_welcome, make_token, script_account, welcome
from wiki.actions.queueing import catch_up, queue, retry, try_again
from wiki.actions.ringing import CHECK, ring, ring_for_waiting
from wiki.actions.running import (
    Ability,
    beat,
    claim_run,
    put_back,
    record_error,
    record_numbers,
    record_refusal,
    release,
    renew,
    requeue_lost,
    see_worker,
    take_leave,
)
from wiki.actions.sweeping import Sweep, tidy

__all__ = [
    "Sweep",
    "Ability",
    "CHECK",
    "NEW",
    "Conflict",
    "beat",
    "catch_up",
    "claim_run",
    "deactivate",
    "estimate_anew",
    "invite_steward",
    "is_welcome",
    "make_token",
    "publish",
    "put_back",
    "queue",
    "record_error",
    "record_numbers",
    "record_refusal",
    "release",
    "renew",
    "reproject",
    "requeue_lost",
    "retry",
    "revert",
    "ring",
    "script_account",
    "ring_for_waiting",
    "see_worker",
    "take_leave",
    "tidy",
    "try_again",
    "welcome",
]
