"""What a fault is: where it strikes, how, and how often."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random

from benchmarks.chaos.site import Site


def nothing() -> str:
    return ""


@dataclass(frozen=True)
class Fault:
    """strike: from the beginning of the fault to its end. times: how often, while runs are under way.

    lacks: why this machine cannot have it; empty if it can. ahead: how many runs wait at any time; where it is one, the
    next ones are not begun without a message.
    """

    name: str
    site: Callable[[], AbstractContextManager[Site]]
    strike: Callable[[Site, Random], None]
    times: int
    lacks: Callable[[], str] = nothing
    ahead: int = 12
