"""Would any components do? Random sets for effects, a reference edit for absences (EVIDENCE 3.5)."""

from __future__ import annotations

from typing import assert_never

from workers.engine.documents.expect import AtLeast, AtMost, Between, RankAtMost, Value, bounds
from workers.engine.null import Side, toward
from workers.engine.numbers import Numbers, PowerTried, SetsTried
from workers.engine.reading import finite, finite_number
from workers.engine.report import Share, reported
from workers.engine.statistics import estimate, interval
from workers.engine.verdict import ControlJudged, Specific, Stake

FEWEST_SETS = 19
"""With fewer, no rank among them reaches 0.05."""
SPECIFIC_P = 0.05
ENOUGH_EXCEEDING = 10
"""Trying stops at so many: of at most 199 sets, that is too many for 0.05."""


def judge_sets(stake: Stake, tried: SetsTried, chance: float) -> tuple[Specific | None, ControlJudged]:
    """None where fewer sets were tried than could have been, and than could decide: that is no answer."""
    side, _ = toward(stake.spec, stake.expect, chance)
    exceeding = sum(at_least_as_extreme(one.value, tried.own, side) for one in tried.tried)
    p = (1 + exceeding) / (1 + len(tried.tried))
    control = ControlJudged(
        kind="random_sets",
        exceeding=exceeding,
        tried=len(tried.tried),
        possible=tried.possible,
        p=p,
        rank=1 + exceeding,
        pool=tried.pool,
        own=tried.own,
    )
    return _specific(stake, tried, exceeding, p), control


def _specific(stake: Stake, tried: SetsTried, exceeding: int, p: float) -> Specific | None:
    if tried.possible < FEWEST_SETS:
        return _among_few(stake, tried, exceeding)
    if p <= SPECIFIC_P:
        return "yes"
    return "no" if len(tried.tried) >= FEWEST_SETS or exceeding >= ENOUGH_EXCEEDING else None


def _among_few(stake: Stake, tried: SetsTried, exceeding: int) -> Specific:
    """Too few sets for a p, yet what half of them do as well is nobody's own.

    A ranking of all there are leaves no set, but names the others: how many of them would have the rank?
    """
    named = len(getattr(stake.spec, "components", ()))
    if isinstance(stake.expect, RankAtMost) and named > FEWEST_SETS:
        return "yes" if stake.expect.rank_at_most / named <= SPECIFIC_P else "no"
    return "no" if tried.tried and 2 * exceeding >= len(tried.tried) else "not_testable"


def at_least_as_extreme(value: float, own: float, side: Side) -> bool:
    match side:
        case "above":
            return value >= own
        case "below":
            return value <= own
        case _:
            assert_never(side)


def judge_power(stake: Stake, tried: PowerTried, chance: float, alpha: float) -> ControlJudged:
    """The reference edit breaks the bound if its interval lies wholly outside the expectation."""
    assert isinstance(stake.expect, Value | AtLeast | AtMost | Between)
    numbers: Numbers = tried.numbers
    sample = reported(stake.spec, Share(numbers, len(numbers.prompts)), numbers.edited[:1], chance)
    low, high = interval(sample, alpha)
    least, most = bounds(stake.expect)
    seen = (float(low[0]), float(high[0]))
    return ControlJudged(
        kind="power",
        reference=finite_number(float(estimate(sample)[0])),
        reference_interval=finite(seen),
        broke_the_bound=seen[1] < least or seen[0] > most,
    )
