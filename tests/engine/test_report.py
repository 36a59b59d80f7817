"""Two prompts, round numbers: clean 4 and 8 (mean 6), corrupted 0 and 2 (mean 1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.made_numbers import numbers, stake
from workers.engine.numbers import Edited, Numbers
from workers.engine.report import (
    Share,
    base_arm,
    gap,
    gate_sample,
    in_reported_units,
    own_effect,
    own_effects,
    reported,
    reported_values,
)
from workers.engine.statistics import estimate

CLEAN, CORRUPTED = (4.0, 8.0), {"logit_diff": (0.0, 2.0)}


def run(edited: tuple[float, float], **more: Any) -> Numbers:
    return numbers({"0.0": edited}, clean=CLEAN, **more)


def value(of: Numbers, **spec: Any) -> float:
    return reported_values(stake({"at_least": 0.5}, **spec).spec, of, of.edited, chance=0.0)[0]


def test_raw() -> None:
    assert value(run((1.0, 2.0)), report="raw") == 1.5


def test_change() -> None:
    assert value(run((1.0, 2.0)), report="change") == 1.5 - 6


def test_relative_change_is_a_ratio_of_means() -> None:
    assert value(run((1.0, 2.0)), report="relative_change") == (1.5 - 6) / 6


def test_relative_change_of_a_negative_number_keeps_its_direction() -> None:
    negative = numbers({"0.0": (-1.0, -1.0)}, clean=(-2.0, -2.0))
    assert value(negative, report="relative_change") == 0.5


@pytest.mark.parametrize(("edited", "share"), [((4.0, 8.0), 1.0), ((0.0, 2.0), 0.0), ((2.0, 5.0), 0.5)])
def test_denoising_recovers(edited: tuple[float, float], share: float) -> None:
    patched = run(edited, corrupted=CORRUPTED, base="corrupted")
    assert value(patched, report="recovered", corruption="abc") == share


@pytest.mark.parametrize(("edited", "share"), [((4.0, 8.0), 0.0), ((0.0, 2.0), 1.0), ((2.0, 5.0), 0.5)])
def test_noising_is_mirrored(edited: tuple[float, float], share: float) -> None:
    patched = run(edited, corrupted=CORRUPTED, base="clean")
    assert value(patched, report="recovered", corruption="abc") == share


def test_kept_is_measured_from_zero_without_a_floor() -> None:
    assert value(run((1.0, 2.0)), report="kept", floor="zero") == 0.25


def test_kept_is_measured_from_the_floor() -> None:
    floor = {"logit_diff": (1.0, 1.0)}
    assert value(run((2.0, 5.0), floor=floor), report="kept") == (3.5 - 1) / (6 - 1)


def test_a_contrast_is_taken_off() -> None:
    contrast = Edited(components=("1.0",), arm={"logit_diff": (3.0, 3.0)})
    both = run((1.0, 2.0), contrast=contrast)
    assert value(both, report="change", contrast=["1.0"]) == 1.5 - 3
    assert value(both, report="relative_change", contrast=["1.0"]) == (1.5 - 3) / 6


def test_a_fraction_counts_prompts_above_the_null_value_and_ties_by_half() -> None:
    three = numbers({"0.0": (1.0, 5.0, 3.0, 2.0)}, clean=(0.0, 9.0, 3.0, 2.0))
    assert value(three, report="change", statistic="fraction") == (1 + 0 + 0.5 + 0.5) / 4


def test_an_edit_that_does_nothing_has_a_fraction_of_one_half() -> None:
    assert value(run(CLEAN), report="change", statistic="fraction") == 0.5


def test_a_median_is_of_the_prompts() -> None:
    three = numbers({"0.0": (1.0, 5.0, 9.0)}, clean=(0.0, 0.0, 0.0))
    assert value(three, report="change", statistic="median") == 5.0


def test_a_correlation_is_with_the_clean_run() -> None:
    three = numbers({"0.0": (1.0, 2.0, 3.0)}, clean=(10.0, 20.0, 30.0))
    assert value(three, report="raw", statistic="correlation") == pytest.approx(1.0)


def test_only_the_first_prompts_of_a_look_count() -> None:
    spec = stake({"at_least": 0.5}, report="raw").spec
    of = run((1.0, 3.0))
    assert estimate(reported(spec, Share(of, 1), of.edited, 0.0)).tolist() == [1.0]


def test_a_members_own_effect_is_the_group_less_the_group_without_it() -> None:
    of = numbers({"0.0+0.1": (1.0, 1.0)}, clean=CLEAN, members={"0.1": (4.0, 6.0)})
    spec = stake({"at_most": -1.0}, components=["0.0", "0.1"]).spec
    assert estimate(own_effect(spec, Share(of, 2), of.edited[0], of.members[0], 0.0)).tolist() == [1 - 5]


def test_a_raw_number_is_an_effect_only_as_far_as_it_differs_from_the_untouched_run() -> None:
    of, spec = run(CLEAN), stake({"at_least": 5.0}, report="raw").spec
    assert estimate(own_effects(spec, Share(of, 2), of.edited, 0.0)).tolist() == [0]


def test_what_keeping_one_component_does_is_seen_from_the_floor() -> None:
    of = run((3.5, 3.5), floor={"logit_diff": (1.0, 1.0)})
    spec = stake({"at_least": 0.4}, report="kept", action="keep_only").spec
    assert estimate(own_effects(spec, Share(of, 2), of.edited, 0.0)).tolist() == [0.5]


def test_the_gap_and_an_amount_in_reported_units() -> None:
    of = run(CLEAN, corrupted=CORRUPTED)
    spec = stake({"at_most": -0.1}, report="relative_change", corruption="abc").spec
    assert gap(spec, Share(of, 2)) == 5
    assert gap(spec, Share(run(CLEAN), 2)) == 6
    assert in_reported_units(spec, Share(of, 2), 3.0) == 0.5


def test_the_base_is_the_arm_the_edit_was_made_in() -> None:
    assert base_arm(run(CLEAN, corrupted=CORRUPTED, base="corrupted")) == CORRUPTED


def test_the_gate_is_the_behaviors_own_metric() -> None:
    assert estimate(gate_sample(Share(run(CLEAN, gate=(2.0, 4.0)), 2), "logit_diff")) == 3.0


def test_several_prompts_of_a_unit_are_one_number() -> None:
    from tests.engine.made_numbers import kept

    of = numbers({"0.0": (1.0, 3.0, 5.0, 7.0)}, clean=(0.0,) * 4, prompts=kept(4, per_unit=2))
    sample = reported(stake({"at_least": 1.0}).spec, Share(of, 4), of.edited, 0.0)
    assert sample.numerator.tolist() == [[2.0, 6.0]]
