"""What number would mean that nothing happened, and on which side of it a claim is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.made_numbers import stake
from workers.engine.null import null_value, toward

CHANCE = 0.25
REUSED = {"circuit_of": {"behavior": "another"}}


@pytest.mark.parametrize(
    ("spec", "null"),
    [
        ({"report": "raw"}, 0.0),
        ({"report": "raw", "metric": "accuracy"}, CHANCE),
        ({"report": "change", "metric": "accuracy"}, 0.0),
        ({"report": "relative_change"}, 0.0),
        ({"report": "recovered", "corruption": "abc"}, 0.0),
        ({"report": "kept"}, 1.0),
        ({"report": "kept", "action": "keep_only"}, 0.0),
        ({"report": "change", "statistic": "fraction"}, 0.5),
        ({"report": "raw", "metric": "accuracy", "statistic": "fraction"}, 0.5),
        ({"report": "raw", "statistic": "correlation"}, 1.0),
        ({"report": "raw", "statistic": "correlation", "action": "keep_only"}, 0.0),
        ({"report": "change", "statistic": "correlation"}, 0.0),
        ({"report": "change", "statistic": "median"}, 0.0),
        ({"report": "raw", "metric": "accuracy", "contrast": ["1.1"]}, 0.0),
        ({"report": "kept", "contrast": ["1.1"]}, 0.0),
    ],
)
def test_null_values(spec: dict[str, Any], null: float) -> None:
    assert null_value(stake({"at_least": 5.0}, **spec).spec, CHANCE) == null


@pytest.mark.parametrize(
    ("metric", "expect", "side"),
    [
        ("logit_diff", {"between": [-0.6, -0.4]}, "above"),  # less is missing than of a random circuit
        ("logit_diff", {"value": 0.5, "tolerance": 0.1}, "above"),
        ("logit_diff", {"at_most": -5.0}, "below"),  # worse than nothing: as the claim says
        ("kl", {"value": 0.3, "tolerance": 0.05}, "below"),
        ("loss", {"between": [0.1, 0.2]}, "below"),
    ],
)
@pytest.mark.parametrize("report", ["raw", "change", "relative_change"])
def test_what_is_kept_alone_starts_from_nothing_kept(metric: str, expect: dict, side: str, report: str) -> None:
    for technique, more in (("ablation", {"action": "keep_only"}), ("circuit_reuse", REUSED)):
        on = stake(expect, technique=technique, metric=metric, report=report, **more)
        assert toward(on.spec, on.expect, CHANCE)[0] == side


@pytest.mark.parametrize(
    ("metric", "spec", "side"),
    [
        ("logit_diff", {"report": "recovered", "corruption": "abc"}, "below"),  # of what is lost, less
        ("logit_diff", {"report": "kept"}, "above"),
        ("logit_diff", {"report": "kept", "floor": "zero"}, "above"),
        ("loss", {"report": "kept", "floor": "zero"}, "below"),
        ("logprob", {"report": "kept", "floor": "zero"}, "below"),  # a share of a negative number: less is better
        ("logit_diff", {"report": "change", "statistic": "correlation"}, "above"),
        ("loss", {"report": "change", "statistic": "correlation"}, "above"),
    ],
)
def test_shares_of_what_is_kept_alone_start_from_nothing_kept(metric: str, spec: dict[str, Any], side: str) -> None:
    on = stake({"value": 0.2, "tolerance": 0.05}, action="keep_only", metric=metric, **spec)
    assert toward(on.spec, on.expect, CHANCE)[0] == side


def test_a_difference_in_faithfulness_starts_from_the_empty_circuit() -> None:
    on = stake({"value": -0.5, "tolerance": 0.1}, technique="faithfulness", normalization="difference")
    assert toward(on.spec, on.expect, CHANCE)[0] == "above"


@pytest.mark.parametrize(
    ("expect", "over", "side", "reduce"),
    [
        ({"at_least": 0.5}, "group", "above", "group"),
        ({"at_most": -0.5}, "each", "below", "most"),
        ({"at_least": 0.5}, "each", "above", "least"),
        ({"value": -1.0, "tolerance": 0.1}, "group", "below", "group"),
        ({"value": 1.0, "tolerance": 0.1}, "mean", "above", "mean"),
        ({"between": [-3.0, -1.0]}, "min", "below", "least"),
        ({"top": ["0.0"], "of": 2, "order": "smallest"}, "each", "below", "mean"),
        ({"set_equals": ["0.0"], "threshold": 0.5}, "each", "above", "mean"),
    ],
)
def test_sides(expect: dict[str, Any], over: str, side: str, reduce: str) -> None:
    on = stake(expect, over=over)
    assert toward(on.spec, on.expect, CHANCE) == (side, reduce)
