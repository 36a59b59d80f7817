"""Controls: which random sets there are, and what the real ones show on a model whose heads are known."""

from __future__ import annotations

from math import comb
from pathlib import Path

import pytest

from tests.engine.made_bundles import PAIRS, a_claim, a_control, bundle_document
from workers.engine.anatomy import Loaded
from workers.engine.control import try_power, try_sets
from workers.engine.documents.bundle import control_of
from workers.engine.documents.measurement import Measurement
from workers.engine.documents.model import Dimensions
from workers.engine.loading import load_folder
from workers.engine.measuring import job, measure
from workers.engine.numbers import PowerTried, SetsTried
from workers.engine.random_sets import choose_pool, sets_of

INDUCTION = Path(__file__).parents[2] / "fixtures" / "models" / "induction-2l"
REPEATED = {"generator": "repeated_tokens", "layouts": [{"segment": 10, "gap": 3}]}
SIZE = Dimensions(layers=4, heads=8, key_value_heads=8, d_model=64, d_head=8, d_mlp=256, vocabulary=50, positions=32)


@pytest.fixture(scope="module")
def induction() -> Loaded:
    return load_folder(INDUCTION)


def silent(done: int, total: int, words: str) -> None: ...


def test_one_head_of_four_layers_of_eight_has_seven_neighbors_too_few() -> None:
    pool = choose_pool(["1.2"], [], SIZE)
    assert (pool.name, pool.possible) == ("any layer", 31)


def test_two_heads_of_a_layer_have_fifteen_pairs_beside_them() -> None:
    near = choose_pool(["1.2", "1.5"], [], SIZE)
    assert (near.name, near.possible) == ("any layer", comb(30, 2))
    assert choose_pool(["1.2", "2.5"], [], SIZE).name == "same layers"
    assert choose_pool(["1.2", "2.5"], [], SIZE).possible == 7 * 7


def test_sets_from_the_same_layers_have_as_many_heads_of_each_layer() -> None:
    for chosen in sets_of(choose_pool(["1.2", "2.5", "2.6"], [], SIZE), 199, seed=0):
        assert [place.split(".")[0] for place in chosen] == ["1", "2", "2"]


def test_sets_keep_part_and_position() -> None:
    pool = choose_pool(["1.2.q@END", "2.5@S1+1"], [], SIZE)
    for chosen in sets_of(pool, 199, seed=0):
        assert sorted(place.partition("@")[2] for place in chosen) == ["END", "S1+1"]
        assert [place for place in chosen if ".q" in place] == [place for place in chosen if place.endswith("@END")]


def test_neither_own_nor_excluded_heads_are_chosen_whatever_part_of_them() -> None:
    pool = choose_pool(["1.2.q", "2.5"], ["1.3", "2.0.v"], SIZE)
    assert pool.possible == 6 * 6
    taken = {"1.2.q", "1.3.q", "2.5", "2.0"}
    assert not any(taken & set(chosen) for chosen in sets_of(pool, 199, seed=0))
    assert {"1.2", "1.3", "2.0", "2.5"} == set(pool.excluded)


def test_a_small_pool_is_tried_whole_and_a_large_one_is_drawn_from() -> None:
    small = list(sets_of(choose_pool(["1.2", "2.5"], [], SIZE), 199, seed=1))
    assert len(small) == len(set(small)) == 49
    large = list(sets_of(choose_pool(["1.2", "1.3", "2.5", "2.6"], [], SIZE), 199, seed=1))
    assert len(large) == len(set(large)) == 199


def test_the_seed_decides_the_sets_and_their_order() -> None:
    pool = choose_pool(["1.2", "1.3", "2.5"], [], SIZE)
    assert list(sets_of(pool, 199, 1)) == list(sets_of(pool, 199, 1)) != list(sets_of(pool, 199, 2))


def test_layers_neurons_and_the_embedding_are_exchanged_for_their_like() -> None:
    assert choose_pool(["mlp.1"], [], SIZE).possible == 3
    assert choose_pool(["mlp.1.5"], [], SIZE).possible == 255
    assert choose_pool(["embed"], [], SIZE).possible == 0
    assert list(sets_of(choose_pool(["embed"], [], SIZE), 199, 0)) == []


def the_control(loaded: Loaded, expect, kind: str = "effect", nodes=(), **spec) -> Measurement:
    claim = {**a_claim("ablation", expect, **{"metric": "accuracy", **spec}), "kind": kind}
    circuit = {"nodes": [{"component": node} for node in nodes]}
    bundle = bundle_document(loaded, REPEATED, [claim], 0, circuit=circuit)
    measurement = control_of(bundle, bundle.finding.claims[0])
    assert measurement is not None
    return measurement


def tried(loaded: Loaded, expect, **spec) -> SetsTried:
    measurement = the_control(loaded, expect, **spec)
    return try_sets(job(measurement, 0, loaded), measurement.control, None, silent)


def test_no_random_pair_of_heads_does_what_the_induction_heads_do(induction: Loaded) -> None:
    found = tried(induction, {"at_most": -0.5}, components=["1.2", "1.5"], nodes=["0.3", "1.2", "1.5"])
    assert found.own < -0.9
    assert (found.pool, found.possible, len(found.tried)) == ("any layer", comb(13, 2), comb(13, 2))
    assert all(one.value > found.own for one in found.tried)
    assert "0.3" in found.excluded
    assert not any("0.3" in one.components for one in found.tried)


def test_trying_stops_after_ten_sets_that_are_as_extreme(induction: Loaded) -> None:
    found = tried(induction, {"at_least": 0.5}, report="raw", components=["1.0", "1.1"])
    assert sum(one.value >= found.own for one in found.tried) == 10
    assert found.tried[-1].value >= found.own
    assert len(found.tried) < found.possible


def test_with_too_few_sets_all_there_are_are_tried(induction: Loaded) -> None:
    found = tried(induction, {"at_most": -0.02}, components=["1.2"])
    assert (found.possible, len(found.tried)) == (15, 15)


def test_own_and_sets_stand_on_the_claims_own_first_prompts(induction: Loaded) -> None:
    measurement = the_control(induction, {"at_most": -0.5}, components=["1.2", "1.5"])
    found = try_sets(job(measurement, 0, induction), measurement.control, None, silent)
    claims = measurement.model_copy(update={"control": None})
    numbers = measure(job(claims, 0, induction), None, (), silent, 64)
    assert found.prompts == numbers.prompts
    change = [e - c for e, c in zip(numbers.edited[0].arm["accuracy"], numbers.clean["accuracy"], strict=True)]
    assert found.own == pytest.approx(sum(change) / 64)


def test_of_components_taken_each_alone_the_least_extreme_is_compared(induction: Loaded) -> None:
    measurement = the_control(induction, {"at_most": -0.01}, metric="logprob", components=["1.2", "1.5"], over="each")
    found = try_sets(job(measurement, 0, induction), measurement.control, None, silent)
    claims = measurement.model_copy(update={"control": None})
    numbers = measure(job(claims, 0, induction), None, (), silent, 64)
    clean = sum(numbers.clean["logprob"]) / 64
    assert measurement.control.reduce == "most"
    assert found.own == pytest.approx(max(sum(arm.arm["logprob"]) / 64 - clean for arm in numbers.edited), abs=1e-6)


def test_the_reference_edit_of_an_absence_is_all_heads_of_its_layers(induction: Loaded) -> None:
    expect = {"between": [-0.05, 0.05]}
    measurement = the_control(induction, expect, "absence", components=["1.0", "1.1"])
    found = try_power(job(measurement, 0, induction), measurement.control, None, silent)
    assert isinstance(found, PowerTried)
    assert found.components == tuple(f"1.{head}" for head in range(8))
    assert found.numbers.measurement == measurement.sha256
    assert found.numbers.edited[0].components == found.components
    assert len(found.numbers.prompts) == 64
    assert max(found.numbers.edited[0].arm["accuracy"]) < 0.5 < min(found.numbers.clean["accuracy"])


def test_the_control_of_stated_prompts_takes_them_all(random_model: Loaded) -> None:
    measurement = a_control(random_model, PAIRS, "ablation", {"at_least": 0.1}, components=["1.2"], ablation="zero")
    found = try_sets(job(measurement, 0, random_model), measurement.control, None, silent)
    assert len(found.prompts) == 3
