"""q values: of many effects, those that are larger than what is of no interest."""

from __future__ import annotations

import numpy as np

from workers.engine.discoveries import q_values
from workers.engine.statistics import Sample


def sample(effects: list[float], units: int = 64) -> Sample:
    drawn = np.random.default_rng(0).normal(size=(len(effects), units))
    standard = (drawn - drawn.mean(-1, keepdims=True)) / drawn.std(-1, ddof=1, keepdims=True)
    values = np.asarray(effects)[:, None] + standard
    return Sample("mean", values, None, np.zeros(units, dtype=np.intp))


def test_large_effects_of_either_sign_are_found_and_none_is_not() -> None:
    q = q_values(sample([2.0, -2.0, 0.0]), null=0.0, smallest=0.1)
    assert (q[:2] < 1e-6).all() and q[2] > 0.5


def test_an_effect_smaller_than_what_is_of_interest_is_none() -> None:
    assert q_values(sample([0.9]), null=0.0, smallest=1.0)[0] > 0.5
    assert q_values(sample([0.9]), null=0.0, smallest=0.1)[0] < 1e-3


def test_one_effect_among_many_nothings_is_worth_less_than_alone() -> None:
    alone = q_values(sample([0.5]), null=0.0, smallest=0.0)[0]
    among = q_values(sample([0.5, *[0.0] * 50]), null=0.0, smallest=0.0)[0]
    assert 20 * alone < among


def test_a_null_value_other_than_zero() -> None:
    assert q_values(sample([1.0]), null=1.0, smallest=0.01)[0] > 0.5
