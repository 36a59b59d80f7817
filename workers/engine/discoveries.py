"""Which of many measured effects to believe: q values against a smallest effect of interest (EVIDENCE 3.6).

q is the false discovery rate at which an effect would be called one (Y. Benjamini and Y. Hochberg, "Controlling the
false discovery rate", JRSS B 57, 1995), for the hypothesis that it is at most 1 % of the gap in size.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from workers.engine.statistics import Array, Sample, interval

STEPS = 40
SMALLEST_ALPHA = 1e-12


def q_values(sample: Sample, null: float, smallest: float) -> Array:
    """(component,) for a sample of shape (component, unit). Small: the effect is larger than `smallest`, both ways."""
    found: Array = stats.false_discovery_control(_p_values(sample, null - smallest, null + smallest))
    return found


def _p_values(sample: Sample, least: float, most: float) -> Array:
    """The smallest alpha at which the interval lies wholly on one side of [least, most], by halving."""
    low = np.full(len(sample.numerator), np.log(SMALLEST_ALPHA))
    high = np.zeros_like(low)
    for _ in range(STEPS):
        middle = (low + high) / 2
        shown = np.array([_lies_outside(sample, row, float(np.exp(a)), least, most) for row, a in enumerate(middle)])
        low, high = np.where(shown, low, middle), np.where(shown, middle, high)
    return np.exp(high)


def _lies_outside(sample: Sample, row: int, alpha: float, least: float, most: float) -> bool:
    denominator = None if sample.denominator is None else sample.denominator[row : row + 1]
    (low,), (high,) = interval(
        replace(sample, numerator=sample.numerator[row : row + 1], denominator=denominator), alpha
    )
    return bool(low > most or high < least)
