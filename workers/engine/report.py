"""From the arms of a run to the reported number: a numerator and, for ratios, a denominator per prompt.

With e the edited arm, b the untouched arm it was made in, c clean, x corrupted, f the floor:

    raw              e                             mean
    change           e - b                         mean
    relative_change  (e - b) / |b|                 sum(e - b) / |sum(b)|
    recovered        (e - x) / (c - x)             sum / sum; edits made in the clean run: (c - e) / (c - x)
    kept             (e - f) / (c - f)             sum / sum; f is 0 where the spec counts from zero

So "nothing happened" is 0 for the middle three, whichever way an edit goes. A contrast arm k is taken off the
numerator, as e is entered: the difference of the two reports on the same prompts. `fraction` counts the prompts whose
number lies above the null value, one half for those at it; `correlation` is of the prompts' numbers with the clean
ones; `median` is of the units' numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from workers.engine.documents.spec import Spec
from workers.engine.metrics import METRICS
from workers.engine.null import null_of_report
from workers.engine.numbers import Arm, Edited, Numbers
from workers.engine.statistics import Array, Bounds, Sample, estimate, width_of
from workers.engine.units import units_of


@dataclass(frozen=True)
class Share:
    """The first `count` prompts of a draw."""

    numbers: Numbers
    count: int

    def arm(self, arm: Arm, metric: str) -> Array:
        return np.asarray(arm[metric][: self.count], dtype=np.float64)


def reported(spec: Spec, share: Share, arms: Sequence[Edited], chance: float) -> Sample:
    """The reported number of each arm: a sample of shape (arm, unit)."""
    edited = np.stack([share.arm(arm.arm, spec.metric) for arm in arms])  # (arm, prompt)
    contrast = share.numbers.contrast
    other = None if contrast is None or not spec.contrast else share.arm(contrast.arm, spec.metric)
    return _sample(spec, share, edited, other, chance)


def reported_values(spec: Spec, numbers: Numbers, arms: Sequence[Edited], chance: float) -> tuple[float, ...]:
    """The reported number of each arm over all prompts: what a random set is compared by."""
    return tuple(float(value) for value in estimate(reported(spec, Share(numbers, len(numbers.prompts)), arms, chance)))


def own_effect(spec: Spec, share: Share, group: Edited, without: Edited, chance: float) -> Sample:
    """A member's own effect, (1, unit): the group's reported number less that of the group without it."""
    edited = share.arm(group.arm, spec.metric)[None]
    return _sample(additive(spec), share, edited, share.arm(without.arm, spec.metric), chance)


def own_effects(spec: Spec, share: Share, arms: Sequence[Edited], chance: float) -> Sample:
    """What each arm did, (arm, unit): its reported number less what would be reported had nothing been done."""
    edited = np.stack([share.arm(arm.arm, spec.metric) for arm in arms])
    return _sample(additive(spec), share, edited, nothing_done(spec, share), chance)


def nothing_done(spec: Spec, share: Share) -> Array:
    """The metric, per prompt, had the technique done nothing: the untouched arm; for keep-only, the floor."""
    numbers = share.numbers
    if spec.null_of_kept == 1.0:
        return share.arm(base_arm(numbers), spec.metric)
    return _floor(spec, share)


def base_arm(numbers: Numbers) -> Arm:
    match numbers.base:
        case "clean":
            return numbers.clean
        case "corrupted":
            assert numbers.corrupted is not None
            return numbers.corrupted
        case _:
            assert_never(numbers.base)


def additive(spec: Spec) -> Spec:
    """A component's own effect is a mean's: medians and correlations of two arms have no paired difference, and a
    fraction does not say how large the effects are.
    """
    shares = ("median", "correlation", "fraction")
    return spec.model_copy(update={"statistic": "mean"}) if spec.statistic in shares else spec


def gap(spec: Spec, share: Share) -> float:
    """What the sizes of effects are shares of, in the metric's units: |clean - corrupted|, or |clean| without one."""
    clean = share.arm(share.numbers.clean, spec.metric)
    if share.numbers.corrupted is None:
        return float(abs(clean.mean()))
    return float(abs((clean - share.arm(share.numbers.corrupted, spec.metric)).mean()))


def in_reported_units(spec: Spec, share: Share, amount: float) -> float:
    """An amount of the metric, as the report counts it."""
    denominator = _denominator(spec, share)
    if denominator is None:
        return amount
    scale = float(abs(denominator.mean()))
    return amount / scale if scale else float("inf")


def gate_sample(share: Share, metric: str) -> Sample:
    """The behavior's own metric on the untouched prompts, (unit,)."""
    assert share.numbers.gate is not None
    units = units_of(share.numbers.prompts[: share.count], "prompts")
    values = units.mean(np.asarray(share.numbers.gate[: share.count], dtype=np.float64))
    whole = share.numbers.population == "enumerated"
    return Sample("mean", values, None, units.template, _metric_bounds(metric), whole=whole)


def _sample(spec: Spec, share: Share, edited: Array, other: Array | None, chance: float) -> Sample:
    numerator = _numerator(spec, share, edited)
    taken_off = None if other is None else _numerator(spec, share, other)
    denominator = _denominator(spec, share)
    bounds, denominator_bounds = _bounds(spec, share)
    if spec.statistic == "fraction":
        null = null_of_report(spec, chance)
        numerator = _above(numerator, null)
        taken_off = None if taken_off is None else _above(taken_off, null)
        bounds = (0.0, 1.0)
    if spec.statistic == "correlation":
        denominator = share.arm(share.numbers.clean, spec.metric)
    if taken_off is not None:
        numerator = numerator - taken_off
        bounds = None if bounds is None else width_of(bounds)
    units = units_of(share.numbers.prompts[: share.count], spec.generalizes_to)
    clustered = spec.generalizes_to == "templates"
    whole = share.numbers.population == "enumerated" and not clustered
    values = units.mean(numerator)
    sample = Sample(spec.statistic, values, None, units.template, bounds, denominator_bounds, whole, clustered)
    if denominator is None:
        return sample
    per_unit = units.mean(denominator)
    return replace(sample, denominator=np.broadcast_to(per_unit, sample.numerator.shape))


def _numerator(spec: Spec, share: Share, edited: Array) -> Array:
    numbers = share.numbers
    match spec.report:
        case "raw":
            return edited
        case "change" | "relative_change":
            return edited - share.arm(base_arm(numbers), spec.metric)
        case "recovered":
            assert numbers.corrupted is not None
            if numbers.base == "corrupted":
                return edited - share.arm(numbers.corrupted, spec.metric)
            return share.arm(numbers.clean, spec.metric) - edited
        case "kept":
            return edited - _counted_from(spec, share)
        case _:
            assert_never(spec.report)


def _denominator(spec: Spec, share: Share) -> Array | None:
    numbers = share.numbers
    match spec.report:
        case "raw" | "change":
            return None
        case "relative_change":
            base = share.arm(base_arm(numbers), spec.metric)
            return base if base.sum() >= 0 else -base
        case "recovered":
            assert numbers.corrupted is not None
            return share.arm(numbers.clean, spec.metric) - share.arm(numbers.corrupted, spec.metric)
        case "kept":
            return share.arm(numbers.clean, spec.metric) - _counted_from(spec, share)
        case _:
            assert_never(spec.report)


def _counted_from(spec: Spec, share: Share) -> Array:
    return np.zeros(share.count) if spec.counts_from_zero else _floor(spec, share)


def _floor(spec: Spec, share: Share) -> Array:
    """Numbers of a share counted from zero may be older than its floor."""
    floor = share.numbers.floor
    assert floor is not None or spec.counts_from_zero
    return np.zeros(share.count) if floor is None else share.arm(floor, spec.metric)


def _above(values: Array, null: float) -> Array:
    """1 above the null value, 1/2 at it, 0 below."""
    return (np.sign(values - null) + 1) / 2


def _bounds(spec: Spec, share: Share) -> tuple[Bounds | None, Bounds | None]:
    """The bounds of a prompt's numerator and denominator."""
    bounds = _metric_bounds(spec.metric)
    if bounds is None:
        return None, None
    differences = width_of(bounds)
    match spec.report:
        case "raw" | "change":
            return (bounds if spec.report == "raw" else differences), None
        case "relative_change":
            return differences, (-max(map(abs, bounds)), max(map(abs, bounds)))
        case "recovered":
            return differences, differences
        case "kept":
            return (bounds, bounds) if spec.counts_from_zero else (differences, differences)
        case _:
            assert_never(spec.report)


def _metric_bounds(metric: str) -> Bounds | None:
    least, most = METRICS[metric].bounds
    return None if least is None or most is None else (least, most)
