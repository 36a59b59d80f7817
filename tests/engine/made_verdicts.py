"""Verdicts on one head, 0.0, that changes the logit difference of about 3 by a given amount."""

from __future__ import annotations

from typing import Any

from tests.engine.made_numbers import GATE, numbers, spread, stake, tried
from workers.engine.judge import Stake, Verdict, judge
from workers.engine.numbers import Numbers

FALL = stake({"at_most": -1.0})
CONTROL = tried(-2.0, [0.01 * i for i in range(199)])


def draw(change: float, index: int = 0, n: int = 64, width: float = 0.1, **more: Any) -> Numbers:
    """0.0 changes the logit difference of about 3 by `change`, with the given spread from prompt to prompt."""
    clean = spread(3.0, n, seed=index + 100)
    edited = [value + one for value, one in zip(clean, spread(change, n, width, seed=index), strict=True)]
    return numbers({"0.0": edited}, clean=clean, draw=index, **more)


def verdict(*draws: Numbers, on: Stake = FALL, **more: Any) -> Verdict:
    return judge(on, more.get("gate", GATE), draws, more.get("control", CONTROL))
