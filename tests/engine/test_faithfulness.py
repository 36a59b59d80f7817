"""Faithfulness: a circuit alone, against ablation of the others and against the whole model."""

from __future__ import annotations

import pytest

from tests.engine.made_bundles import PAIRS, a_claim, a_measurement, arms_of, bundle_document, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.techniques import TECHNIQUES
from workers.engine.techniques.faithfulness import Spec, sentence

EDITED, FLOOR, CLEAN = ("edited", 0), ("floor", 0), ("clean", 0)
CLOSE = {"abs": 2e-5}
CIRCUIT = ["0.1", "1.2@END", "2.0", "mlp.1"]


def kept(loaded: Loaded, how: str = "replay", technique: str = "faithfulness", **spec):
    return arms_of(loaded, PAIRS, technique, how, **{"components": CIRCUIT, "others": "heads_and_mlps", **spec})


@pytest.mark.parametrize("ablation", ["zero", "mean"])  # which prompt is resampled depends on the measurement
def test_it_is_what_ablation_says_of_keeping_only_the_circuit(random_model: Loaded, ablation: str) -> None:
    alone = kept(random_model, ablation=ablation)
    ablated = kept(random_model, technique="ablation", action="keep_only", report="kept", ablation=ablation)
    assert numbers_in(alone, EDITED) == numbers_in(ablated, EDITED)
    assert numbers_in(alone, FLOOR) == numbers_in(ablated, FLOOR)


@pytest.mark.parametrize("others", ["heads", "heads_and_mlps"])
def test_the_whole_model_is_faithful_to_itself(random_model: Loaded, others: str) -> None:
    everything = ["*.*"] if others == "heads" else ["*.*", "mlp.*"]
    run = kept(random_model, components=everything, others=others)
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)
    assert numbers_in(run, FLOOR) != pytest.approx(numbers_in(run, CLEAN), **CLOSE)


@pytest.mark.parametrize("normalization", ["kept", "share", "difference"])
def test_replay_and_plain_hooks_agree(random_model: Loaded, normalization: str) -> None:
    fast, slow = (kept(random_model, how, normalization=normalization) for how in ("replay", "oracle"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key


def test_a_null_edit_leaves_the_run_as_it_is(random_model: Loaded) -> None:
    run = kept(random_model, "null")
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)


@pytest.mark.parametrize(
    ("technique", "fields"),
    [
        ("faithfulness", {"normalization": "difference"}),
        ("ablation", {"action": "keep_only"}),
        ("circuit_reuse", {"report": "relative_change", "circuit_of": {"behavior": "another"}}),
    ],
)
def test_that_little_is_lost_by_keeping_only_a_circuit_must_notice_a_part_of_it_missing(
    technique: str, fields: dict[str, str]
) -> None:
    circuit = {"metric": "logit_diff", "components": ["0.1", "1.2", "2.0", "2.1"], **fields}
    spec = TECHNIQUES[technique].spec.from_json(circuit)
    assert spec.why_no_power(("0.1", "1.2")) is None
    for power in (("0.1",), ("0.0", "0.1", "1.2"), ("0.1", "1.2", "2.*")):
        assert "half of the claim's circuit" in str(spec.why_no_power(power))


def test_that_a_circuit_keeps_nothing_may_be_compared_with_any_that_does() -> None:
    spec = Spec.from_json({"metric": "logit_diff", "components": ["0.1", "1.2"]})
    assert spec.why_no_power(("3.0",)) is None


@pytest.mark.parametrize("normalization", ["kept", "share", "difference"])
def test_the_empty_circuit_is_measured_whatever_is_counted_from_it(random_model: Loaded, normalization: str) -> None:
    assert FLOOR in kept(random_model, normalization=normalization).values


@pytest.mark.parametrize(
    ("normalization", "report", "statistic"),
    [("kept", "kept", "ratio_of_means"), ("share", "kept", "ratio_of_means"), ("difference", "change", "mean")],
)
def test_the_normalization_decides_the_report(normalization: str, report: str, statistic: str) -> None:
    spec = Spec.from_json({"metric": "logit_diff", "components": ["1.2"], "normalization": normalization})
    assert (spec.report, spec.statistic) == (report, statistic)
    assert Spec.from_json(spec.values()) == spec


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"normalization": "share", "report": "change"}, "remove report"),
        ({"normalization": "all"}, "normalization"),
        ({"components": ["mlp.1"]}, "cannot be kept"),
        ({"components": ["1.2.q"]}, "cannot be kept"),
        ({"contrast": ["1.1"]}, "two circuits are two claims"),
        ({"ablation": "zero", "mean": "pooled"}, "remove mean"),
        ({"ablation": "zero", "mean_over": "other"}, "remove mean_over"),
    ],
)
def test_what_is_no_circuit_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["1.2"], **fields})


def test_an_absence_names_the_circuit_that_must_not_do(random_model: Loaded) -> None:
    circuit = {"components": ["0.1", "1.2"], "normalization": "difference"}
    claim = a_claim("faithfulness", {"value": 0, "tolerance": 0.1}, **circuit)
    with pytest.raises(Invalid, match="state a circuit that must not do"):
        bundle_document(random_model, PAIRS, [{**claim, "kind": "absence"}])
    bundle_document(random_model, PAIRS, [{**claim, "kind": "absence", "power": ["0.1"]}])


def test_the_empty_circuit_is_not_measured_as_one(random_model: Loaded) -> None:
    with pytest.raises(Invalid):
        a_measurement(random_model, PAIRS, "faithfulness", components=[])


def test_the_sentence_says_what_is_replaced_by_what() -> None:
    spec = {"metric": "logit_diff", "components": ["1.2@END", "0.1"], "others": "heads_and_mlps"}
    assert sentence(Spec.from_json({**spec, "mean": "pooled", "corruption": "abc"})) == (
        "keeping only 1.2@END and 0.1 and replacing all other heads and MLPs by the mean over other abc-corrupted "
        "prompts, pooled over positions"
    )
