"""Reading an expectation off some prompts: what was measured, its interval, and whether that decides.

A Reading is made of one draw at one look, or of several draws pooled. `holds` needs every part of the expectation to
be shown at the interval's own level (an intersection of hypotheses needs no correction); `fails` needs only one part
to be shown wrong, so that part is asked for at the level divided by the number of parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from workers.engine.documents.components import NotAComponent, component
from workers.engine.documents.expect import AtLeast, AtMost, Between, Order, RankAtMost, SetEquals, Top, Value, bounds
from workers.engine.report import Share, in_reported_units, reported
from workers.engine.statistics import Array, Sample, denominator_of, difference, estimate, interval, pooled
from workers.engine.verdict import ComponentJudged, Interval, Stake

Number = Value | AtLeast | AtMost | Between
Rows = NDArray[np.intp]


class NotJudgeable(ValueError):
    """The expectation cannot be read off these numbers; the message says what to write instead."""


@dataclass(frozen=True)
class Reading:
    """normalized: the denominator's interval excludes 0 (always true without one)."""

    measured: float
    interval: Interval
    holds: bool
    fails: bool
    normalized: bool
    components: tuple[ComponentJudged, ...] = ()


@dataclass(frozen=True)
class Level:
    """alpha: what an interval may miss. noise: in reported units, below which differences mean nothing."""

    alpha: float
    noise: float

    def divided_by(self, parts: int) -> Level:
        return replace(self, alpha=self.alpha / max(parts, 1))


def read(stake: Stake, shares: Sequence[Share], chance: float, alpha: float) -> Reading:
    """Raises NotJudgeable where the spec does not measure what the expectation speaks of."""
    spec = stake.spec
    sample = pooled([reported(spec, share, share.numbers.edited, chance) for share in shares])
    noise = max(in_reported_units(spec, share, share.numbers.soundness.noise_floor) for share in shares)
    level = Level(alpha, 0.0 if spec.statistic in ("fraction", "correlation") else noise)
    names = tuple("+".join(arm.components) for arm in shares[0].numbers.edited)
    reading = read_sample(stake, sample, names, level)
    shown = _components(names, sample, alpha) if len(names) > 1 else ()
    return replace(reading, components=shown, normalized=_normalized(sample, alpha))


def read_sample(stake: Stake, sample: Sample, names: tuple[str, ...], level: Level) -> Reading:
    expect = stake.expect
    match expect:
        case Value() | AtLeast() | AtMost() | Between():
            return _number(stake, expect, sample, level)
        case Top():
            return _top(expect, sample, _each(stake, names), level)
        case RankAtMost():
            return _rank(expect, sample, _each(stake, names), level)
        case SetEquals():
            return _set(expect, sample, _each(stake, names), level)
        case _:
            assert_never(expect)


def _number(stake: Stake, expect: Number, sample: Sample, level: Level) -> Reading:
    match stake.spec.over:
        case "group":
            if len(sample.numerator) != 1:
                raise NotJudgeable("over: group means one intervention, and the run made several")
            return _inside(expect, sample, level)
        case "mean":
            return _inside(expect, averaged(sample), level)
        case "min":
            return _least(expect, sample, level)
        case "each":
            return _every(expect, sample, level)
        case _:
            assert_never(stake.spec.over)


def averaged(sample: Sample) -> Sample:
    """(component, unit) -> (1, unit)."""
    denominator = None if sample.denominator is None else sample.denominator[:1]
    return replace(sample, numerator=sample.numerator.mean(0, keepdims=True), denominator=denominator)


def _inside(expect: Number, sample: Sample, level: Level) -> Reading:
    low, high = interval(sample, level.alpha)
    return _decide(expect, float(estimate(sample)[0]), (float(low[0]), float(high[0])), level.noise)


def _least(expect: Number, sample: Sample, level: Level) -> Reading:
    """The least component's number: below it lies no component's low end; above it not all corrected high ends."""
    low, _ = interval(sample, level.alpha)
    _, high = interval(sample, level.alpha / len(sample.numerator))
    return _decide(expect, float(estimate(sample).min()), (float(low.min()), float(high.min())), level.noise)


def _every(expect: Number, sample: Sample, level: Level) -> Reading:
    least, most = bounds(expect)
    values = estimate(sample)
    low, high = interval(sample, level.alpha)
    corrected_low, corrected_high = interval(sample, level.alpha / len(values))
    holds = bool(((low - level.noise >= least) & (high + level.noise <= most)).all())
    fails = bool(((corrected_high + level.noise < least) | (corrected_low - level.noise > most)).any())
    worst = int(np.minimum(values - least, most - values).argmin())
    return Reading(float(values[worst]), (float(low[worst]), float(high[worst])), holds, fails, normalized=True)


def _decide(expect: Number, measured: float, seen: Interval, noise: float) -> Reading:
    least, most = bounds(expect)
    low, high = seen[0] - noise, seen[1] + noise
    return Reading(measured, seen, low >= least and high <= most, high < least or low > most, normalized=True)


def _top(expect: Top, sample: Sample, names: tuple[str, ...], level: Level) -> Reading:
    if expect.of != len(names):
        raise NotJudgeable(f"top says of: {expect.of}, and the spec names {len(names)} components")
    claimed = [row_of(text, names) for text in expect.top]
    others = [row for row in range(len(names)) if row not in claimed]
    if not others:
        raise NotJudgeable("every component is claimed to be on top; name fewer")
    first, second = _pairs(claimed, others)
    values, (low, high), (_, corrected) = _differences(sample, first, second, expect.order, level, len(first))
    least = int(values.argmin())
    holds, fails = bool((low - level.noise > 0).all()), bool((corrected + level.noise < 0).any())
    return Reading(float(values[least]), (float(low[least]), float(high[least])), holds, fails, normalized=True)


def _rank(expect: RankAtMost, sample: Sample, names: tuple[str, ...], level: Level) -> Reading:
    """At most r - 1 others not shown smaller.

    Were the rank worse, one of the r that are larger would have been shown smaller by mistake: hence the level / r.
    """
    own = row_of(expect.component, names)
    others = [row for row in range(len(names)) if row != own]
    if expect.rank_at_most > len(others):
        raise NotJudgeable(f"any of {len(names)} components has a rank of at most {expect.rank_at_most}")
    first, second = _pairs([own], others)
    parts = expect.rank_at_most
    values, (low, _), _ = _differences(sample, first, second, expect.order, level.divided_by(parts), 1)
    _, _, (_, high) = _differences(sample, first, second, expect.order, level, len(others))
    larger, not_smaller = int((high + level.noise < 0).sum()), int((~(low - level.noise > 0)).sum())
    ranks = (float(1 + larger), float(1 + not_smaller))
    return Reading(float(1 + (values < 0).sum()), ranks, not_smaller <= parts - 1, larger >= parts, normalized=True)


def _set(expect: SetEquals, sample: Sample, names: tuple[str, ...], level: Level) -> Reading:
    """Margins: how far a member lies on its side of the threshold, and every other component on the other side."""
    members = {row_of(text, names) for text in expect.set_equals}
    side = np.asarray([1.0 if row in members else -1.0 for row in range(len(names))]) * _sign(expect.order)
    values = (estimate(sample) - expect.threshold) * side
    low, high = _turned(interval(sample, level.alpha), expect.threshold, side)
    _, corrected = _turned(interval(sample, level.alpha / len(names)), expect.threshold, side)
    least = int(values.argmin())
    holds, fails = bool((low - level.noise > 0).all()), bool((corrected + level.noise < 0).any())
    return Reading(float(values[least]), (float(low[least]), float(high[least])), holds, fails, normalized=True)


def _turned(ends: tuple[Array, Array], threshold: float, side: Array) -> tuple[Array, Array]:
    low, high = (ends[0] - threshold) * side, (ends[1] - threshold) * side
    return np.minimum(low, high), np.maximum(low, high)


def _differences(
    sample: Sample, first: Rows, second: Rows, order: Order, level: Level, parts: int
) -> tuple[Array, tuple[Array, Array], tuple[Array, Array]]:
    """Of each pair: the difference, its interval, and its interval corrected for `parts` questions."""
    if sample.statistic == "correlation":
        raise NotJudgeable("correlations are not ranked; use the mean or the fraction")
    paired = difference(sample, first, second)
    sign = np.asarray(_sign(order))
    plain, corrected = interval(paired, level.alpha), interval(paired, level.alpha / parts)
    return estimate(paired) * sign, _turned(plain, 0.0, sign), _turned(corrected, 0.0, sign)


def _sign(order: Order) -> float:
    match order:
        case "largest":
            return 1.0
        case "smallest":
            return -1.0
        case _:
            assert_never(order)


def _pairs(first: list[int], second: list[int]) -> tuple[Rows, Rows]:
    left, right = np.meshgrid(np.asarray(first, dtype=np.intp), np.asarray(second, dtype=np.intp), indexing="ij")
    return left.ravel(), right.ravel()


def _each(stake: Stake, names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) < 2:
        raise NotJudgeable("top, rank_at_most and set_equals compare components: write over: each, and name them all")
    return names


def row_of(text: str, names: tuple[str, ...]) -> int:
    """Which arm is the component's: the same text, or the only one at any of its positions."""
    if text in names:
        return names.index(text)
    found = [row for row, name in enumerate(names) if _covers(text, name)]
    if len(found) != 1:
        raise NotJudgeable(f"the spec names no single component {text}; it names {', '.join(names)}")
    return found[0]


def _covers(text: str, name: str) -> bool:
    try:
        return component(text).covers(component(name))
    except NotAComponent:
        return False


def _components(names: tuple[str, ...], sample: Sample, alpha: float) -> tuple[ComponentJudged, ...]:
    values, (low, high) = estimate(sample), interval(sample, alpha)
    return tuple(
        ComponentJudged(component=name, measured=finite_number(float(value)), interval=finite((float(a), float(b))))
        for name, value, a, b in zip(names, values, low, high, strict=True)
    )


def finite_number(value: float) -> float | None:
    """A number as a document can carry it; None where there is none: a ratio to nothing."""
    return value if np.isfinite(value) else None


def finite(seen: Interval) -> Interval | None:
    """An interval as a document can carry it; None where there were too few prompts for one."""
    return seen if np.isfinite(seen).all() else None


def _normalized(sample: Sample, alpha: float) -> bool:
    if sample.statistic != "ratio_of_means":
        return True
    assert sample.denominator is not None
    low, high = interval(denominator_of(replace(sample, denominator=sample.denominator[0])), alpha)
    return bool(low > 0 or high < 0)
