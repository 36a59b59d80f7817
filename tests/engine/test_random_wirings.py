"""Circuits wired alike: which there are, and that on a known model no other heads do at the same wiring."""

from __future__ import annotations

from math import comb
from pathlib import Path

import pytest

from tests.engine.made_bundles import a_claim, bundle_document
from workers.engine.anatomy import Loaded
from workers.engine.control import try_sets
from workers.engine.documents.bundle import Bundle, control_of, measurement_of
from workers.engine.documents.measurement import RandomSets
from workers.engine.documents.model import Dimensions
from workers.engine.judge import judge
from workers.engine.loading import load_folder
from workers.engine.measuring import job, measure
from workers.engine.numbers import Numbers
from workers.engine.random_wirings import rewired
from workers.engine.verdict import Gate, Stake

Edge = tuple[str, str]
SIZE = Dimensions(layers=2, heads=8, key_value_heads=8, d_model=64, d_head=8, d_mlp=0, vocabulary=50, positions=32)


def heads_of(circuit: tuple[Edge, ...]) -> set[str]:
    return {".".join(text.split(".")[:2]) for edge in circuit for text in edge if text[0].isdigit()}


def test_circuits_wired_alike_have_other_heads_of_the_same_layers() -> None:
    own = (("0.1", "1.2.k"), ("1.2", "logits"), ("embed", "0.1.v"))
    found = rewired(own, (), SIZE, 199, seed=1)
    assert found.possible == len(found.circuits) == len({circuit for _, circuit in found.circuits}) == 7 * 7
    names, circuit = found.circuits[0]
    (first,) = (name.split(" for ")[0] for name in names if name.endswith("for 0.1"))
    (second,) = (name.split(" for ")[0] for name in names if name.endswith("for 1.2"))
    assert set(circuit) == {(first, f"{second}.k"), (second, "logits"), ("embed", f"{first}.v")}
    for _, circuit in found.circuits:
        assert not heads_of(circuit) & {"0.1", "1.2"}


def test_heads_that_the_finding_names_do_not_stand_in_while_others_are_enough() -> None:
    own = (("0.1", "1.2.k"), ("1.2", "logits"))
    assert rewired(own, ("0.3", "1.4"), SIZE, 199, seed=1).possible == 6 * 6
    most = [("0.1", "logits"), *((f"1.{head}", "logits") for head in range(5))]
    found = rewired(tuple(most), (), SIZE, 199, seed=1)  # 3 heads are free for 5: any 5 of the 8 but the circuit's own
    assert len(found.circuits) == 199
    assert any("1.0" in heads_of(circuit) for _, circuit in found.circuits)


def test_heads_wired_alike_may_be_exchanged_for_each_other_without_another_circuit() -> None:
    own = (("0.1", "logits"), ("0.2", "logits"))
    assert rewired(own, (), SIZE, 199, seed=1).possible == 15  # pairs of 6


def test_all_heads_wired_alike_and_no_heads_have_no_other_circuit() -> None:
    every = tuple((f"{layer}.{head}", "logits") for layer in range(2) for head in range(8))
    assert rewired(every, (), SIZE, 199, seed=1).possible == 0
    assert rewired((("embed", "logits"),), (), SIZE, 199, seed=1).possible == 0


def test_the_seed_decides_the_circuits() -> None:
    own = (("0.1", "1.2.k"), ("0.3", "1.2.v"), ("1.2", "logits"), ("0.4", "logits"))
    assert rewired(own, (), SIZE, 199, 1) == rewired(own, (), SIZE, 199, 1) != rewired(own, (), SIZE, 199, 2)


INDUCTION = Path(__file__).parents[2] / "fixtures" / "models" / "induction-2l"
REPEATED = {"generator": "repeated_tokens", "layouts": [{"segment": 10, "gap": 3}]}
FIRST, SECOND = ("0.0", "0.3", "0.6"), ("1.2", "1.5")  # previous-token heads, induction heads
LISTENING: list[Edge] = [(one, f"{other}.k") for one in FIRST for other in SECOND]
BESIDE: list[Edge] = [("embed", "mlp.0"), ("embed", "mlp.1"), ("embed", "logits"), ("mlp.0", "mlp.1")]
BESIDE += [("mlp.0", "logits"), ("mlp.1", "logits"), *(("embed", one) for one in (*FIRST, *SECOND))]
BESIDE += [edge for one in SECOND for edge in ((one, "logits"), (one, "mlp.1"), ("mlp.0", one))]
BESIDE += [(one, "mlp.0") for one in FIRST]


def silent(done: int, total: int, words: str) -> None: ...


@pytest.fixture(scope="module")
def induction() -> Loaded:
    return load_folder(INDUCTION)


def bundled(loaded: Loaded, edges: list[Edge]) -> Bundle:
    claim = a_claim("faithfulness", {"at_least": 0.8}, metric="accuracy", edges=edges)
    nodes = [{"component": head} for head in (*FIRST, *SECOND)]
    return bundle_document(loaded, REPEATED, [claim], 0, circuit={"nodes": nodes})


def numbers_of(loaded: Loaded, edges: list[Edge]) -> Numbers:
    bundle = bundled(loaded, edges)
    return measure(job(measurement_of(bundle, bundle.finding.claims[0]), 0, loaded), None, (), silent, 64)


def kept_of(numbers: Numbers) -> float:
    assert numbers.floor is not None
    edited, floor, clean = (sum(arm["accuracy"]) for arm in (numbers.edited[0].arm, numbers.floor, numbers.clean))
    return (edited - floor) / (clean - floor)


def test_induction_heads_are_nothing_without_the_keys_that_previous_token_heads_write(induction: Loaded) -> None:
    assert kept_of(numbers_of(induction, [*BESIDE, *LISTENING])) > 0.95
    assert kept_of(numbers_of(induction, BESIDE)) < 0.3
    into_queries = [(sender, receiver.replace(".k", ".q")) for sender, receiver in LISTENING]
    assert kept_of(numbers_of(induction, [*BESIDE, *into_queries])) < 0.3


def test_no_other_heads_wired_alike_do_so(induction: Loaded) -> None:
    bundle = bundled(induction, [*BESIDE, *LISTENING])
    control = control_of(bundle, bundle.finding.claims[0])
    assert control is not None
    assert isinstance(control.control, RandomSets)
    few = control.model_copy(update={"control": control.control.model_copy(update={"sets": 20, "prompts": 16})})
    found = try_sets(job(few, 0, induction), few.control, None, silent)
    assert (found.pool, found.possible, len(found.tried)) == ("same layers", comb(5, 3) * comb(6, 2), 20)
    assert max(one.value for one in found.tried) < 0.1 < 0.9 < found.own
    assert len(found.tried[0].components) == 5


def test_a_holding_claim_of_edges_covers_no_component(induction: Loaded) -> None:
    bundle = bundled(induction, [*BESIDE, *LISTENING])
    claim, numbers = bundle.finding.claims[0], numbers_of(induction, [*BESIDE, *LISTENING])
    assert claim.spec is not None and claim.expect is not None
    stake = Stake("faithfulness", claim.spec, claim.expect, claim.kind)
    verdict = judge(stake, Gate("accuracy", 0.0, 0.5), [numbers, numbers], None)
    assert (verdict.outcome, verdict.members, verdict.vacuous) == ("holds", {}, False)
