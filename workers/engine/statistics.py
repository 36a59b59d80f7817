"""Intervals of what a run measured. All functions take leading axes: one call serves many components or trials.

A Sample holds one number per independent unit (a sequence, a mirrored pair, a document), never one per prompt.
Every statistic but the median is treated through its influence values, one per unit, with mean zero, so that one
interval rule serves all of them:

    mean, fraction   x - mean(x)
    ratio of means   R = mean(x) / mean(y):  (x - R y) / mean(y)
    correlation      on the scale z = atanh(r):  (u v - r (u^2 + v^2) / 2) / (1 - r^2), u and v standardised

The rule: Hall's transformed t (P. Hall, "On the removal of skewness by transformation", JRSS B 54, 1992), because
effects per prompt are skewed and the plain t interval then misses on one side; never narrower than plain t.
Where the metric has bounds, both ends are moved outwards by what the units cannot have shown: with n of them, an
extreme value of frequency q goes unseen with probability (1 - q)^n. Without that a rare failure makes a saturated
metric look certain. Zeros and ones are Clopper-Pearson's; the median's interval lies between order statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from scipy import special

from workers.engine.documents.spec import Statistic

Array = NDArray[np.float64]
Bounds = tuple[float, float]
FEWEST_UNITS = 8
"""Below this no interval is given: skewness cannot be seen in a handful of numbers, nor are they a population."""
FEWEST_TEMPLATES = 10
"""The same where the unit is a template: how far new ones may differ cannot be told from fewer."""


@dataclass(frozen=True)
class Sample:
    """numerator, denominator: (..., unit). The denominator is a ratio's, or a correlation's other variable.

    template (unit,): the strata. bounds, denominator_bounds: what a unit's numbers cannot leave, None where open.
    whole: the units are the population itself, so its number is exact. clustered: the units are templates.
    """

    statistic: Statistic
    numerator: Array
    denominator: Array | None
    template: NDArray[np.intp]
    bounds: Bounds | None = None
    denominator_bounds: Bounds | None = None
    whole: bool = False
    clustered: bool = False

    @property
    def size(self) -> int:
        return int(self.numerator.shape[-1])


def estimate(sample: Sample) -> Array:
    """(...,): the statistic itself."""
    x, y = sample.numerator, sample.denominator
    match sample.statistic:
        case "mean" | "fraction":
            return np.asarray(x.mean(-1))
        case "median":
            return np.asarray(np.median(x, axis=-1))
        case "ratio_of_means":
            assert y is not None
            with np.errstate(divide="ignore", invalid="ignore"):  # a gap of nothing: no number, see Reading.normalized
                return np.asarray(x.mean(-1) / y.mean(-1))
        case "correlation":
            assert y is not None
            return _correlation(x, y)
        case _:
            assert_never(sample.statistic)


def interval(sample: Sample, alpha: float) -> tuple[Array, Array]:
    """(low, high), each (...,), at level 1 - alpha; infinite where the units are too few to say anything."""
    value = estimate(sample)
    if sample.size < (FEWEST_TEMPLATES if sample.clustered else FEWEST_UNITS):
        return np.full_like(value, -np.inf), np.full_like(value, np.inf)
    if sample.whole:
        return value, value
    match sample.statistic:
        case "mean" | "fraction":
            return _bounded_mean(sample, alpha)
        case "median":
            return _between_order_statistics(sample.numerator, alpha)
        case "ratio_of_means":
            return _ratio(sample, value, alpha)
        case "correlation":
            return _fisher(sample, value, alpha)
        case _:
            assert_never(sample.statistic)


def width_of(bounds: Bounds) -> Bounds:
    """What differences of two bounded numbers cannot leave."""
    return bounds[0] - bounds[1], bounds[1] - bounds[0]


def difference(sample: Sample, first: NDArray[np.intp], second: NDArray[np.intp]) -> Sample:
    """Paired differences of components: rows first[i] - second[i] of a sample of shape (component, unit)."""
    bounds = None if sample.bounds is None else width_of(sample.bounds)
    numerator = sample.numerator[first] - sample.numerator[second]
    return replace(sample, numerator=numerator, denominator=_rows(sample.denominator, first), bounds=bounds)


def pooled(samples: Sequence[Sample]) -> Sample:
    """The units of several draws as one sample. Templates come again in every draw, so they are averaged over draws."""
    first = samples[0]
    if first.clustered:
        return _averaged(samples)
    denominators = [sample.denominator for sample in samples]
    stated = [item for item in denominators if item is not None]
    return replace(
        first,
        numerator=np.concatenate([sample.numerator for sample in samples], axis=-1),
        denominator=np.concatenate(stated, axis=-1) if stated else None,
        template=np.concatenate([sample.template for sample in samples]),
    )


def _averaged(samples: Sequence[Sample]) -> Sample:
    """Of draws with the same templates in the same order."""
    denominators = [sample.denominator for sample in samples if sample.denominator is not None]
    return replace(
        samples[0],
        numerator=np.mean([sample.numerator for sample in samples], axis=0),
        denominator=np.mean(denominators, axis=0) if denominators else None,
    )


def denominator_of(sample: Sample) -> Sample:
    """The denominator as a mean of its own: a ratio says something only if this is not zero."""
    assert sample.denominator is not None
    return replace(
        sample, statistic="mean", numerator=sample.denominator, denominator=None, bounds=sample.denominator_bounds
    )


def skewed_t(influence: Array, template: NDArray[np.intp], alpha: float) -> tuple[Array, Array]:
    """How far (below, above) the statistic the interval reaches, from its influence values (..., unit)."""
    residual, freedom = _within(influence, template)
    n = residual.shape[-1]
    squared = residual * residual
    spread = np.sqrt(squared.sum(-1) / freedom)  # (...,)
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = np.nan_to_num((squared * residual).mean(-1) / spread**3, posinf=0.0, neginf=0.0)
    reach = float(special.stdtrit(freedom, 1 - alpha / 2)) / np.sqrt(n)
    below = spread * np.maximum(_inverse_hall(np.full_like(skewness, reach), skewness, n), reach)
    above = spread * np.maximum(-_inverse_hall(np.full_like(skewness, -reach), skewness, n), reach)
    return below, above


def unseen(n: int, alpha: float) -> float:
    """The frequency at which an event stays out of n units with probability alpha / 2."""
    return float(1 - (alpha / 2) ** (1 / n))


def _inverse_hall(x: Array, skewness: Array, n: int) -> Array:
    """u with u + g u^2 / 3 + g^2 u^3 / 27 + g / (6 n) = x, for skewness g."""
    g = np.where(np.abs(skewness) < 1e-6, 1e-6, skewness)
    u: Array = 3 / g * (np.cbrt(1 + g * (x - g / (6 * n))) - 1)
    return np.where(np.abs(skewness) < 1e-6, x, u)


def _within(influence: Array, template: NDArray[np.intp]) -> tuple[Array, int]:
    """Residuals from the templates' means and their degrees of freedom.

    Only where templates have equally many units, and two at least: otherwise their means are not known beforehand,
    and what lies between them is part of the spread.
    """
    sizes = np.bincount(template)
    sizes = sizes[sizes > 0]
    n = len(template)
    if len(sizes) == 1 or sizes.min() < 2 or sizes.max() - sizes.min() > 1:
        return influence - influence.mean(-1, keepdims=True), n - 1
    residual = influence.copy()
    for one in np.unique(template):
        members = template == one
        residual[..., members] -= influence[..., members].mean(-1, keepdims=True)
    return residual, n - len(sizes)


def _bounded_mean(sample: Sample, alpha: float) -> tuple[Array, Array]:
    x = sample.numerator
    mean = x.mean(-1)
    below, above = skewed_t(x, sample.template, alpha)
    if sample.bounds is None:
        return mean - below, mean + above
    least, most = sample.bounds
    rare = unseen(sample.size, alpha)
    low = np.maximum(mean - below - rare * (mean - least), least)
    high = np.minimum(mean + above + rare * (most - mean), most)
    if sample.bounds != (0.0, 1.0):
        return low, high
    counted = ((x == 0.0) | (x == 1.0)).all(-1)
    exact_low, exact_high = clopper_pearson(x.sum(-1), sample.size, alpha)
    return np.where(counted, exact_low, low), np.where(counted, exact_high, high)


def clopper_pearson(successes: Array, n: int, alpha: float) -> tuple[Array, Array]:
    k = np.asarray(successes, dtype=np.float64)
    low = np.where(k > 0, special.betaincinv(np.maximum(k, 1e-9), n - k + 1, alpha / 2), 0.0)
    high = np.where(k < n, special.betaincinv(k + 1, np.maximum(n - k, 1e-9), 1 - alpha / 2), 1.0)
    return low, high


def _ratio(sample: Sample, ratio: Array, alpha: float) -> tuple[Array, Array]:
    x, y = sample.numerator, sample.denominator
    assert y is not None
    scale = y.mean(-1)
    if not (np.isfinite(ratio) & (scale != 0)).all():
        return np.full_like(ratio, -np.inf), np.full_like(ratio, np.inf)
    influence = (x - ratio[..., None] * y) / scale[..., None]
    below, above = skewed_t(influence, sample.template, alpha)
    if sample.bounds is None or sample.denominator_bounds is None:
        return ratio - below, ratio + above
    ends = np.stack([ratio * end for end in sample.denominator_bounds])
    reach = np.stack([(sample.bounds[0] - ends.max(0)) / scale, (sample.bounds[1] - ends.min(0)) / scale])
    rare = unseen(sample.size, alpha)
    return ratio - below + rare * reach.min(0), ratio + above + rare * reach.max(0)


def _fisher(sample: Sample, r: Array, alpha: float) -> tuple[Array, Array]:
    x, y = sample.numerator, sample.denominator
    assert y is not None
    u, v = _standard(x), _standard(y)
    influence = (u * v - r[..., None] * (u**2 + v**2) / 2) / (1 - r[..., None] ** 2)
    below, above = skewed_t(influence, sample.template, alpha)
    z = np.arctanh(r)
    return np.tanh(z - below), np.tanh(z + above)


def _correlation(x: Array, y: Array) -> Array:
    """Kept just inside (-1, 1), where atanh is finite."""
    r: Array = np.clip((_standard(x) * _standard(y)).mean(-1), -1 + 1e-12, 1 - 1e-12)
    return r


def _standard(x: Array) -> Array:
    centered = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centered**2).mean(-1, keepdims=True))
    standard: Array = np.divide(centered, spread, out=np.zeros_like(centered), where=spread > 0)
    return standard


def _between_order_statistics(x: Array, alpha: float) -> tuple[Array, Array]:
    """The k-th smallest and k-th largest, k the most with P(Binomial(n, 1/2) < k) <= alpha / 2."""
    n = x.shape[-1]
    below = special.bdtr(np.arange(n), n, 0.5)  # P(B <= k)
    k = int(np.searchsorted(below, alpha / 2, side="right"))
    if k == 0:
        return np.full(x.shape[:-1], -np.inf), np.full(x.shape[:-1], np.inf)
    ordered = np.sort(x, axis=-1)
    return ordered[..., k - 1], ordered[..., n - k]


def _rows(values: Array | None, rows: NDArray[np.intp]) -> Array | None:
    return None if values is None else np.broadcast_to(values, (*values.shape[:-1], values.shape[-1]))[rows]
