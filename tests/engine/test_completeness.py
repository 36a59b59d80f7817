"""Completeness: the difference of two ablations, and what a circuit without its backup shows."""

from __future__ import annotations

import pytest
import torch

from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.circuit_spec import without
from workers.engine.documents.document import Invalid
from workers.engine.techniques.completeness import Spec, sentence

EDITED, FLOOR, CLEAN = ("edited", 0), ("floor", 0), ("clean", 0)
CLOSE = {"abs": 2e-5}
CIRCUIT = ["0.1", "1.2@END", "2.0"]


def compared(loaded: Loaded, how: str = "replay", **spec):
    return arms_of(loaded, PAIRS, "completeness", how, **{"circuit": CIRCUIT, **spec})


def ablated(loaded: Loaded, action: str, components: list[str], **spec) -> torch.Tensor:
    return torch.tensor(
        numbers_in(arms_of(loaded, PAIRS, "ablation", action=action, components=components, **spec), EDITED)
    )


def change(run) -> torch.Tensor:
    return torch.tensor(numbers_in(run, EDITED)) - torch.tensor(numbers_in(run, CLEAN))


@pytest.mark.parametrize("ablation", ["zero", "mean"])  # which prompt is resampled depends on the measurement
def test_it_is_the_circuit_without_k_less_the_model_without_k(random_model: Loaded, ablation: str) -> None:
    run = compared(random_model, components=["2.0"], ablation=ablation)
    circuit = ablated(random_model, "keep_only", ["0.1", "1.2@END"], ablation=ablation)
    model = ablated(random_model, "knock_out", ["2.0"], ablation=ablation)
    assert change(run) == pytest.approx(circuit - model, **CLOSE)


def test_its_floor_is_what_the_circuit_lacks_with_nothing_knocked_out(random_model: Loaded) -> None:
    run = compared(random_model, components=["2.0"])
    lacking = ablated(random_model, "keep_only", CIRCUIT) - torch.tensor(numbers_in(run, CLEAN))
    floor = torch.tensor(numbers_in(run, FLOOR)) - torch.tensor(numbers_in(run, CLEAN))
    assert floor == pytest.approx(lacking, **CLOSE)


def test_the_whole_model_is_complete(random_model: Loaded) -> None:
    run = compared(random_model, circuit=["*.*"], components=["1.1", "2.3"])
    assert change(run) == pytest.approx(torch.zeros(3), **CLOSE)


def test_what_is_given_stands_in_both(random_model: Loaded) -> None:
    given = [{"components": ["3.1"]}]
    run = compared(random_model, components=["2.0"], given=given)
    circuit = ablated(random_model, "keep_only", ["0.1", "1.2@END"], given=given)
    model = ablated(random_model, "knock_out", ["2.0"], given=given)
    assert change(run) == pytest.approx(circuit - model, **CLOSE)


def test_replay_and_plain_hooks_agree_and_a_null_edit_changes_nothing(random_model: Loaded) -> None:
    fast, slow, null = (compared(random_model, how, components=["1.2@END"]) for how in ("replay", "oracle", "null"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key
    assert change(null) == pytest.approx(torch.zeros(3), **CLOSE)
    assert fast.changes[EDITED] > 0.01


def test_the_power_control_puts_a_smaller_circuit_in_its_place() -> None:
    spec = Spec.from_json({"metric": "logit_diff", "components": ["2.0"], "circuit": CIRCUIT})
    assert spec.for_power(("0.1",)).circuit == ("0.1",)
    assert spec.for_power(("0.1",)).components == ("2.0",)


@pytest.mark.parametrize(
    ("power", "would_do"),
    [
        (["0.1", "2.0"], True),
        (["0.1"], False),  # whatever is this small is noticed
        (["0.1", "1.2@END"], False),  # 2.0 is knocked out in both
        (["0.1", "1.2", "2.0"], False),
        (["0.1", "1.1", "2.0"], False),
    ],
)
def test_an_absence_must_be_able_to_notice_that_some_of_its_circuit_is_missing(power: list[str], would_do: bool):
    spec = Spec.from_json({"metric": "logit_diff", "components": ["2.0"], "circuit": CIRCUIT})
    assert (spec.why_no_power(tuple(power)) is None) == would_do


def test_removing_a_head_removes_it_at_every_position_and_no_others() -> None:
    assert without(("1.2@END", "1.2@S2", "1.3"), ["1.2"]) == ("1.3",)
    assert without(("1.2@END", "1.2@S2", "1.3"), ["1.2@S2"]) == ("1.2@END", "1.3")
    assert without(("1.2",), ["1.2@END"]) == ("1.2",)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"circuit": ["mlp.1"]}, "cannot be kept"),
        ({"components": ["1.2.k"]}, "cannot be kept"),
        ({"contrast": ["1.1"]}, "remove contrast"),
        ({"report": "kept"}, "report"),
    ],
)
def test_what_cannot_be_compared_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["2.0"], "circuit": CIRCUIT, **fields})


def test_the_sentence_says_both() -> None:
    spec = Spec.from_json({"metric": "logit_diff", "components": ["2.0"], "circuit": ["2.0", "0.1"]})
    assert sentence(spec) == (
        "replacing 2.0 by the mean over other prompts in the circuit 2.0 and 0.1 (all other heads replaced, too), less "
        "the same in the whole model"
    )
