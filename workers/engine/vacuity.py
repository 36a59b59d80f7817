"""Does the expectation say anything? Judged against the null value and the size of the effects (EVIDENCE 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from workers.engine.documents.components import component
from workers.engine.documents.expect import (
    AtLeast,
    AtMost,
    Between,
    Expect,
    RankAtMost,
    SetEquals,
    Top,
    Value,
    bounds,
    named_by,
)
from workers.engine.documents.spec import Spec
from workers.engine.metrics import METRICS
from workers.engine.null import null_value
from workers.engine.numbers import Edited
from workers.engine.report import Share, gap, in_reported_units, nothing_done, reported
from workers.engine.statistics import estimate
from workers.engine.verdict import Stake

LOOSE = 0.25
WIDEST_ABSENCE = 0.20
WIDEST_ABSENCE_OF_METRIC = 0.10
SMALLEST_EFFECT = 0.01
MEANS = ("mean", "ratio_of_means")
"""Only these can be absent: an effect on a third of the prompts leaves the median, one on all alike the correlation."""


def is_vacuous(stake: Stake, edits: bool, shares: Sequence[Share], chance: float) -> bool:
    null = null_value(stake.spec, chance)
    match stake.kind:
        case "effect":
            idle = any(_meets(stake.expect, number) for number in (null, *_idle(stake, edits, shares, chance)))
            return idle or _most_have(stake) or (edits and _is_any_models(stake))
        case "absence":
            empty = stake.spec.statistic not in MEANS or _is_the_whole_model(stake) or _is_a_share(stake.spec)
            return empty or _too_wide(stake.expect, null, _widest_absence(stake, shares))
        case _:
            assert_never(stake.kind)


def is_loose(stake: Stake) -> bool:
    """A tolerance above a quarter of the value; `between` counts as its middle and half its width.

    An absence has no value to compare with: its width is bounded by `_too_wide`.
    """
    expect = stake.expect
    if stake.kind == "absence":
        return False
    match expect:
        case Value():
            return expect.tolerance > LOOSE * abs(expect.value)
        case Between():
            low, high = expect.between
            return (high - low) / 2 > LOOSE * abs(high + low) / 2
        case AtLeast() | AtMost() | Top() | RankAtMost() | SetEquals():
            return False
        case _:
            assert_never(expect)


def smallest_effect(stake: Stake, share: Share) -> float:
    """The smallest effect of interest, in reported units: 1 % of the gap, or of the metric where there is none.

    Of the metric's scale at least then: a KL is 0 untouched, a loss next to it, and so is what `given` edits leave.
    """
    least = _share_of_effects(stake, share, SMALLEST_EFFECT)
    if share.numbers.corrupted is not None:
        return least
    scale = METRICS[stake.spec.metric].scale
    return max(least, in_reported_units(stake.spec, share, SMALLEST_EFFECT * scale))


def _most_have(stake: Stake) -> bool:
    """A rank that more than half of the components named would have."""
    named = len(getattr(stake.spec, "components", ()))
    return isinstance(stake.expect, RankAtMost) and 2 * stake.expect.rank_at_most > named


def _is_any_models(stake: Stake) -> bool:
    """A random direction is a control, and one out of many does whatever one likes."""
    chosen = getattr(stake.spec, "random", None) is not None
    return chosen or _replaces_the_run(stake.spec) or _writes_what_is_read(stake)


def _writes_what_is_read(stake: Stake) -> bool:
    """The last residual stream is unembedded: what is written there is the answer, whatever the model computes."""
    places = map(component, named_by(stake.expect) or getattr(stake.spec, "components", ()))
    last = None if stake.dimensions is None else stake.dimensions.layers
    return any(place.kind == "resid" and place.layer == last for place in places)


def _is_a_share(spec: Spec) -> bool:
    """Of the metric itself: what keeping nothing leaves is no share of 0, and near 0 is not near nothing."""
    return spec.keeps_only and spec.counts_from_zero


def _is_the_whole_model(stake: Stake) -> bool:
    """A circuit that leaves no head out (and no MLP, where they count) differs from the model in nothing."""
    if stake.dimensions is None:
        return False
    whole = [place for place in map(component, stake.spec.complete) if place.position is None]
    heads, mlps = (sum(place.kind == kind for place in whole) for kind in ("head", "mlp"))
    wanted = 0 if getattr(stake.spec, "others", "heads") == "heads" else stake.dimensions.layers
    return heads == stake.dimensions.layers * stake.dimensions.heads and mlps >= wanted


def _replaces_the_run(spec: Spec) -> bool:
    """The residual stream at every position is all there is: any model would show what replacing it does."""
    places = map(component, getattr(spec, "components", ()))
    return spec.replaces and any(place.kind in ("embed", "resid") and place.position is None for place in places)


def _idle(stake: Stake, edits: bool, shares: Sequence[Share], chance: float) -> list[float]:
    """What would be reported had nothing been done: an edit that does nothing must not meet the claim.

    A raw number is also what the untouched run shows; keeping only some components starts from keeping none.
    """
    spec = stake.spec
    if not edits or spec.contrast:
        return []
    return [float(estimate(reported(spec, share, [_nothing(stake, share)], chance))[0]) for share in shares]


def _nothing(stake: Stake, share: Share) -> Edited:
    values = tuple(float(value) for value in nothing_done(stake.spec, share))
    return Edited(components=("nothing",), arm={stake.spec.metric: values})


def _widest_absence(stake: Stake, shares: Sequence[Share]) -> float:
    corrupted = all(share.numbers.corrupted is not None for share in shares)
    allowed = WIDEST_ABSENCE if corrupted else WIDEST_ABSENCE_OF_METRIC
    return min(_share_of_effects(stake, share, allowed) for share in shares)


def _share_of_effects(stake: Stake, share: Share, part: float) -> float:
    """Fractions and correlations are shares already: of 1."""
    if stake.spec.statistic in ("fraction", "correlation"):
        return part
    return in_reported_units(stake.spec, share, part * gap(stake.spec, share))


def _meets(expect: Expect, number: float) -> bool:
    match expect:
        case Value() | AtLeast() | AtMost() | Between():
            least, most = bounds(expect)
            return least <= number <= most
        case SetEquals():
            return number > expect.threshold if expect.order == "largest" else number < expect.threshold
        case Top() | RankAtMost():
            return False
        case _:
            assert_never(expect)


def _too_wide(expect: Expect, null: float, widest: float) -> bool:
    """Wider than may be around the null value, on either side; or not around it at all."""
    match expect:
        case Value() | Between() | AtLeast() | AtMost():
            least, most = bounds(expect)
            slack = widest * (1 + 1e-9)
            return not (least <= null <= most and null - least <= slack and most - null <= slack)
        case Top() | RankAtMost() | SetEquals():
            return True
        case _:
            assert_never(expect)
