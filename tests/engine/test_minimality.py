"""Minimality: what a component still does in its circuit, and what takes its place in the control."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.loading import load_folder
from workers.engine.techniques.minimality import Spec, sentence

EDITED, CLEAN = ("edited", 0), ("clean", 0)
CLOSE = {"abs": 2e-5}
CIRCUIT = ["0.1", "1.2", "2.0"]


def removed(loaded: Loaded, how: str = "replay", **spec):
    return arms_of(loaded, PAIRS, "minimality", how, **{"circuit": CIRCUIT, **spec})


def alone(loaded: Loaded, circuit: list[str]) -> torch.Tensor:
    run = arms_of(loaded, PAIRS, "ablation", action="keep_only", components=circuit)
    return torch.tensor(numbers_in(run, EDITED))


def change(run, arm=EDITED) -> torch.Tensor:
    return torch.tensor(numbers_in(run, arm)) - torch.tensor(numbers_in(run, CLEAN))


def test_it_is_the_circuit_without_both_less_the_circuit_without_k(random_model: Loaded) -> None:
    run = removed(random_model, components=["2.0"], without=["1.2"])
    assert change(run) == pytest.approx(alone(random_model, ["0.1"]) - alone(random_model, ["0.1", "2.0"]), **CLOSE)


def test_each_component_is_removed_by_itself(random_model: Loaded) -> None:
    run = removed(random_model, components=CIRCUIT)
    whole = alone(random_model, CIRCUIT)
    for number, rest in enumerate((["1.2", "2.0"], ["0.1", "2.0"], ["0.1", "1.2"])):
        assert change(run, ("edited", number)) == pytest.approx(alone(random_model, rest) - whole, **CLOSE)


def test_a_passenger_changes_nothing(random_checkpoints) -> None:
    """Planted: head 1.2 writes nothing, and is in the circuit all the same."""
    loaded = load_folder(random_checkpoints["gpt2"])
    planted = replace(loaded, model=deepcopy(loaded.model))
    with torch.no_grad():
        planted.attention(1).c_proj.weight[2 * loaded.d_head : 3 * loaded.d_head].zero_()
    run = removed(planted, components=CIRCUIT)
    assert change(run, ("edited", 1)) == pytest.approx(torch.zeros(3), **CLOSE)
    assert change(run, ("edited", 0)) != pytest.approx(torch.zeros(3), **CLOSE)


def test_replay_and_plain_hooks_agree_and_a_null_edit_changes_nothing(random_model: Loaded) -> None:
    fast, slow, null = (removed(random_model, how, components=CIRCUIT[:2]) for how in ("replay", "oracle", "null"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key
    assert change(null) == pytest.approx(torch.zeros(3), **CLOSE)


def a_spec(**fields) -> Spec:
    return Spec.from_json({"metric": "logit_diff", "components": ["2.0"], "circuit": CIRCUIT, **fields})


def test_a_random_component_stands_in_the_circuit_in_place_of_the_claimed_one() -> None:
    group = a_spec(components=["1.2", "2.0"], over="group")
    assert group.editing(("1.3", "2.2")).circuit == ("0.1", "1.3", "2.2")
    assert group.editing(("1.2",)).circuit == tuple(CIRCUIT)
    assert a_spec().editing(("2.3",)).circuit == ("0.1", "1.2", "2.0", "2.3")


def test_a_random_component_may_do_something_too(random_model: Loaded) -> None:
    """One that never stood in the circuit would change nothing by construction."""
    spec = a_spec(over="group").editing(("2.3",))
    run = removed(random_model, components=list(spec.components), circuit=list(spec.circuit))
    whole = alone(random_model, ["0.1", "1.2", "2.3"])
    assert change(run) == pytest.approx(alone(random_model, ["0.1", "1.2"]) - whole, **CLOSE)
    assert change(run) != pytest.approx(torch.zeros(3), **CLOSE)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"components": ["3.3"]}, "3.3 is not in the circuit"),
        ({"components": ["2.0"], "without": ["2.0"]}, "2.0 is not in the circuit"),
        ({"contrast": ["1.1"]}, "remove contrast"),
        ({"circuit": ["2.0", "attn.1"]}, "cannot be kept"),
    ],
)
def test_what_is_no_part_of_the_circuit_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        a_spec(**fields)


def test_the_sentence_says_what_is_out_already() -> None:
    assert sentence(a_spec(without=["1.2"])) == (
        "replacing 2.0 by the mean over other prompts in the circuit 0.1, 1.2 and 2.0 (all other heads replaced, too), "
        "1.2 being out of it"
    )
