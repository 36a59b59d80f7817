"""An effect that has the other sign under another kind of ablation depends on the kind."""

from __future__ import annotations

import pytest

from tests.engine.made_numbers import GATE, numbers, spread, stake
from tests.engine.test_bundle import ablation, measured
from workers.engine.documents.measurement import Measurement, variants_of
from workers.engine.variants import changes_sign

ON = stake({"at_most": -0.5}, report="change")


@pytest.mark.parametrize(
    ("other", "changes"),
    [(4.0, True), (2.0, False), (3.0, False)],
    ids=["rises instead", "falls too", "does not say"],
)
def test_a_sign_counts_only_where_both_are_shown(other: float, changes: bool) -> None:
    own = numbers({"0.0": spread(1.0, seed=1)})
    assert changes_sign(ON, GATE, own, numbers({"0.0": spread(other, seed=2)}), ON.spec) is changes


def test_one_component_of_several_is_enough() -> None:
    each = stake({"at_most": -0.5}, report="change", over="each", components=["0.0", "0.1"])
    own = numbers({"0.0": spread(1.0, seed=1), "0.1": spread(1.0, seed=2)})
    other = numbers({"0.0": spread(1.0, seed=3), "0.1": spread(4.0, seed=4)})
    assert changes_sign(each, GATE, own, other, each.spec)


def test_an_ablation_has_the_other_two_kinds_as_variants() -> None:
    own = measured(ablation(ablation="mean", mean="pooled"))[0]
    kinds = {variant.spec.values()["ablation"]: variant for variant in variants_of(own)}
    assert set(kinds) == {"zero", "resample"}
    assert len({own.sha256, *(variant.sha256 for variant in kinds.values())}) == 3
    assert all(Measurement.read(variant.text) == variant for variant in kinds.values())


def test_a_behavior_has_none() -> None:
    own = measured({"technique": "behavior", "spec": {"metric": "accuracy"}, "expect": {"at_least": 0.9}})[0]
    assert variants_of(own) == ()
