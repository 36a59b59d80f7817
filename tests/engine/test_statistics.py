"""Intervals checked against textbook numbers, and against draws whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.engine.made_numbers import kept
from workers.engine.numbers import PromptKept
from workers.engine.statistics import (
    Array,
    Sample,
    clopper_pearson,
    denominator_of,
    difference,
    estimate,
    interval,
    pooled,
    unseen,
)
from workers.engine.units import units_of

ALPHA = 0.0125


def sample(values: object, **more: object) -> Sample:
    numerator = np.asarray(values, dtype=float)
    template = np.zeros(numerator.shape[-1], dtype=np.intp)
    filled = {"statistic": "mean", "numerator": numerator, "denominator": None, "template": template, **more}
    return Sample(**filled)  # type: ignore[arg-type]


def ends(of: Sample, alpha: float = ALPHA) -> tuple[float, float]:
    low, high = interval(of, alpha)
    return float(low), float(high)


def test_without_skew_the_interval_is_the_t_interval() -> None:
    values = np.asarray([-2.0, -1.0, 0.0, 1.0, 2.0] * 4)
    low, high = ends(sample(values))
    expected = stats.t.interval(1 - ALPHA, 19, loc=0, scale=values.std(ddof=1) / np.sqrt(20))
    assert (low, high) == pytest.approx(expected)


def test_under_skew_the_interval_reaches_further_towards_the_long_tail_and_nowhere_less_than_t() -> None:
    values = np.random.default_rng(0).lognormal(size=64)
    low, high = ends(sample(values))
    plain = stats.t.interval(1 - ALPHA, 63, loc=values.mean(), scale=values.std(ddof=1) / 8)
    assert low <= plain[0] + 1e-12
    assert high > plain[1] + 0.1


def test_plain_t_would_miss_skewed_truth_often_and_ours_does_not() -> None:
    drawn = np.random.default_rng(1).lognormal(size=(4000, 64))
    truth = np.exp(0.5)
    _, high = interval(sample(drawn), ALPHA)
    plain = drawn.mean(-1) + stats.t.ppf(1 - ALPHA / 2, 63) * drawn.std(-1, ddof=1) / 8
    assert (plain < truth).mean() > 0.04
    assert (high < truth).mean() < 0.03


def test_zeros_and_ones_have_clopper_pearsons_interval() -> None:
    ones = np.asarray([1.0] * 60 + [0.0] * 4)
    found = ends(sample(ones, bounds=(0.0, 1.0)), alpha=0.05)
    expected = stats.binomtest(60, 64).proportion_ci(0.95, method="exact")
    assert found == pytest.approx((expected.low, expected.high))


def test_all_right_is_not_certain() -> None:
    assert ends(sample(np.ones(64), bounds=(0.0, 1.0)), alpha=0.05) == pytest.approx((0.025 ** (1 / 64), 1.0))


def test_a_bounded_change_that_is_zero_everywhere_keeps_the_width_of_what_was_not_seen() -> None:
    low, high = ends(sample(np.zeros(64), bounds=(-1.0, 1.0)))
    assert (low, high) == pytest.approx((-unseen(64, ALPHA), unseen(64, ALPHA)))
    assert high > 0.07


def test_a_saturated_probability_may_still_collapse_on_a_rare_prompt() -> None:
    values = 1 - 0.001 * np.random.default_rng(0).random(64)
    assert ends(sample(values, bounds=(0.0, 1.0)))[0] < 0.95
    assert ends(sample(values))[0] > 0.999  # what an unbounded metric would say


def test_templates_are_strata_if_they_have_equally_many_units() -> None:
    template = np.arange(64, dtype=np.intp) % 8
    values = 100.0 * template + np.random.default_rng(0).normal(size=64)
    wide, narrow = ends(sample(values)), ends(sample(values, template=template))
    assert narrow[1] - narrow[0] < 2
    assert wide[1] - wide[0] > 100


def test_templates_of_unequal_number_are_part_of_the_spread() -> None:
    template = np.asarray([0] * 60 + [1] * 4, dtype=np.intp)
    values = 100.0 * template + np.random.default_rng(0).normal(size=64)
    assert ends(sample(values, template=template)) == pytest.approx(ends(sample(values)))


def test_prompts_of_one_unit_count_once() -> None:
    units = units_of(kept(8, per_unit=2), "prompts")
    assert units.mean(np.asarray([[0.0, 2.0, 1.0, 1.0, 3.0, 5.0, 0.0, 0.0]])).tolist() == [[1.0, 1.0, 4.0, 0.0]]


def test_units_need_not_stand_together() -> None:
    prompts = [PromptKept(hash=str(i), template="t", unit=unit) for i, unit in enumerate("abab")]
    assert units_of(prompts, "prompts").mean(np.asarray([0.0, 10.0, 2.0, 30.0])).tolist() == [1.0, 20.0]


def test_repeating_every_prompt_does_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=32)
    once = units_of(kept(32), "prompts")
    twice = units_of(kept(64, per_unit=2), "prompts")
    doubled = np.repeat(values, 2)
    assert ends(sample(twice.mean(doubled))) == pytest.approx(ends(sample(once.mean(values))))


def test_a_ratio_is_of_means() -> None:
    whole = np.asarray([2.0, 4.0, 6.0, 8.0] * 4)
    ratio = sample(whole / 2, statistic="ratio_of_means", denominator=whole)
    assert estimate(ratio) == pytest.approx(0.5)
    assert ends(ratio) == pytest.approx((0.5, 0.5))


def test_a_bounded_ratio_without_spread_keeps_a_width() -> None:
    half, whole = np.full(64, 0.5), np.ones(64)
    unit = {"bounds": (0.0, 1.0), "denominator_bounds": (0.0, 1.0)}
    ratio = sample(half, statistic="ratio_of_means", denominator=whole, **unit)
    low, high = ends(ratio)
    none_of_all, all_of_none = 0.0 - 0.5 * 1.0, 1.0 - 0.5 * 0.0  # a prompt's numerator less the ratio's denominator
    rare = unseen(64, ALPHA)
    assert (low, high) == pytest.approx((0.5 + rare * none_of_all, 0.5 + rare * all_of_none))


def test_a_ratio_that_falls_has_its_interval_the_right_way_round() -> None:
    rng = np.random.default_rng(0)
    gap = -1 + 0.1 * rng.normal(size=64)
    low, high = ends(sample(0.3 * gap + 0.1 * rng.normal(size=64), statistic="ratio_of_means", denominator=gap))
    assert low < 0.3 < high


def test_a_median_lies_between_order_statistics_that_cover_it() -> None:
    low, high = ends(sample(np.arange(1.0, 65.0), statistic="median"), alpha=0.05)
    assert (low, high) == (24.0, 41.0)  # P(Binomial(64, 1/2) <= 23) = 0.016, <= 24: 0.030
    assert stats.binom.cdf(int(low) - 1, 64, 0.5) <= 0.025 < stats.binom.cdf(int(low), 64, 0.5)


def test_a_correlation_is_covered() -> None:
    rng = np.random.default_rng(2)
    clean = rng.normal(size=(2000, 64))
    edited = 0.6 * clean + 0.8 * rng.normal(size=(2000, 64))
    low, high = interval(sample(edited, statistic="correlation", denominator=clean), 0.05)
    assert ((low > 0.6) | (high < 0.6)).mean() < 0.065


def test_a_whole_population_has_no_interval() -> None:
    assert ends(sample([0.0, 1.0, 1.0] * 3, whole=True)) == pytest.approx((2 / 3, 2 / 3))


def test_a_handful_of_units_says_nothing() -> None:
    assert ends(sample(np.ones(7))) == (-np.inf, np.inf)


def test_differences_of_bounded_numbers_are_bounded_by_twice_the_width() -> None:
    both = sample(np.ones((2, 64)), bounds=(0.0, 1.0))
    paired = difference(both, np.asarray([0]), np.asarray([1]))
    assert paired.bounds == (-1.0, 1.0)
    assert estimate(paired).tolist() == [0.0]


def test_draws_pool_their_units() -> None:
    gap = np.ones(4)
    parts = [sample(np.full(4, value), statistic="ratio_of_means", denominator=gap) for value in (1.0, 3.0)]
    assert estimate(pooled(parts)) == 2.0
    assert denominator_of(pooled(parts)).size == 8


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=80), st.floats(0.001, 0.2))
@settings(max_examples=200, deadline=None)
def test_an_interval_contains_its_estimate_and_narrows_with_alpha(values: list[float], alpha: float) -> None:
    for bounds in (None, (-1.0, 1.0)):
        one = sample(values, bounds=bounds)
        low, high = ends(one, alpha)
        wide_low, wide_high = ends(one, alpha / 2)
        assert low - 1e-9 <= float(estimate(one)) <= high + 1e-9
        assert wide_low <= low + 1e-9 and high <= wide_high + 1e-9


@given(st.lists(st.floats(-5, 5), min_size=8, max_size=40))
@settings(max_examples=100, deadline=None)
def test_turning_the_numbers_round_turns_the_interval_round(values: list[float]) -> None:
    low, high = ends(sample(values))
    turned = ends(sample(-np.asarray(values)))
    assert turned == pytest.approx((-high, -low), abs=1e-6)


@given(st.integers(0, 64))
def test_clopper_pearson_as_scipy_has_it(successes: int) -> None:
    low, high = clopper_pearson(np.asarray(successes), 64, 0.05)
    expected = stats.binomtest(successes, 64).proportion_ci(0.95, method="exact")
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high))


def test_one_call_serves_many_components() -> None:
    rows: Array = np.random.default_rng(0).normal(size=(3, 64))
    low, high = interval(sample(rows), ALPHA)
    assert [(float(a), float(b)) for a, b in zip(low, high, strict=True)] == [ends(sample(row)) for row in rows]
