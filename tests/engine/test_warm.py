"""Which models stay loaded: the shipped checkpoints take 2, 3, 3 and 1 MiB."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest

from workers.engine.anatomy import Loaded
from workers.engine.checkpoint import CannotLoad
from workers.engine.cost import cost_of, weights_of
from workers.engine.documents.bundle import measurement_of
from workers.engine.documents.measurement import Measurement
from workers.engine.neighbors import bundle_of
from workers.engine.warm import Warm, mebibytes_of

ROOT = Path(__file__).parents[2]
MODELS = [ROOT / "fixtures" / "models"]
FINDINGS = {
    "induction": "induction-in-induction-2l",
    "ioi-0": "ioi-in-ioi-mini-0",
    "ioi-1": "ioi-in-ioi-mini-1",
    "addition": "modular-addition-in-one-layer",
}


def a_measurement_of(name: str) -> Measurement:
    bundle = bundle_of(ROOT / "fixtures" / "findings" / f"{FINDINGS[name]}.json")
    return measurement_of(bundle, next(claim for claim in bundle.finding.claims if claim.id == "does-the-task"))


@pytest.fixture
def warm() -> Warm:
    return Warm()


def load(warm: Warm, name: str, memory: int | None) -> Loaded:
    return warm.load(a_measurement_of(name), MODELS, "cpu", memory)


def test_a_model_is_loaded_once(warm: Warm) -> None:
    assert load(warm, "ioi-0", 8_000) is load(warm, "ioi-0", 8_000)


def test_without_a_limit_the_two_used_last_are_kept(warm: Warm) -> None:
    first, second = (weakref.ref(load(warm, name, None)) for name in ("induction", "ioi-0"))
    load(warm, "induction", None)
    load(warm, "ioi-1", None)
    assert (first() is None, second() is None) == (False, True)


def test_within_the_memory_there_is_all_are_kept(warm: Warm) -> None:
    kept = [weakref.ref(load(warm, name, 8_000)) for name in FINDINGS]
    assert [mebibytes_of(loaded) for one in kept if (loaded := one()) is not None] == [2, 3, 3, 1]
    assert warm.mebibytes == 2 + 3 + 3 + 1


def test_the_model_used_longest_ago_makes_room_before_the_next_is_loaded(warm: Warm) -> None:
    """The next one is not to be found, so whatever happened to the others happened before it was loaded."""
    room = mebibytes_of(load(warm, "ioi-0", None)) + cost_of(a_measurement_of("ioi-1")).memory
    first, second = weakref.ref(load(warm, "ioi-0", None)), weakref.ref(load(warm, "induction", None))
    load(warm, "ioi-0", None)
    with pytest.raises(CannotLoad, match="no checkpoint"):
        warm.load(a_measurement_of("ioi-1"), [], "cpu", room)
    assert (first() is None, second() is None) == (False, True)


def test_there_is_room_for_what_the_run_takes_beside_its_model(warm: Warm) -> None:
    other = weakref.ref(load(warm, "induction", None))
    room = cost_of(a_measurement_of("ioi-1")).memory + 2
    load(warm, "ioi-1", room)
    assert other() is not None
    load(warm, "addition", cost_of(a_measurement_of("addition")).memory + 2)
    assert other() is None


def test_a_fit_does_not_keep_its_model_from_making_room(warm: Warm) -> None:
    measurement = a_measurement_of("ioi-0")
    loaded = load(warm, "ioi-0", None)
    warm.fit(measurement, loaded)
    gone = weakref.ref(loaded.model)
    del loaded
    load(warm, "induction", cost_of(a_measurement_of("induction")).memory)
    assert gone() is None


def test_a_fit_serves_the_draws_that_follow_one_another(warm: Warm) -> None:
    measurement = a_measurement_of("ioi-0")
    first = warm.fit(measurement, load(warm, "ioi-0", 8_000))
    assert warm.fit(measurement, load(warm, "ioi-0", 8_000)) is first


def test_a_model_that_needs_more_than_there_is_is_refused_and_nothing_makes_room_for_it(warm: Warm) -> None:
    kept = load(warm, "addition", 8_000)
    large = a_measurement_of("ioi-0")
    dimensions = large.model.dimensions.model_copy(update={"layers": 42, "d_model": 3584, "d_mlp": 14336})
    large = large.model_copy(update={"model": large.model.model_copy(update={"dimensions": dimensions})})
    assert weights_of(dimensions, "float32") == 25_002
    with pytest.raises(CannotLoad, match="^needs about 25,002 MiB, this worker may take 8,000$"):
        warm.load(large, MODELS, "cpu", 8_000)
    assert load(warm, "addition", 8_000) is kept


def test_where_there_is_less_memory_than_before_the_loaded_models_are_counted_anew(warm: Warm) -> None:
    others = [weakref.ref(load(warm, name, 8_000)) for name in ("induction", "ioi-1")]
    kept = load(warm, "ioi-0", 8_000)
    assert load(warm, "ioi-0", 3) is kept
    assert [other() for other in others] == [None, None]
    with pytest.raises(CannotLoad, match="^needs about 3 MiB, this worker may take 2$"):
        load(warm, "ioi-0", 2)
    assert warm.mebibytes == 0


def test_what_was_loaded_is_really_freed(warm: Warm) -> None:
    models = [weakref.ref(load(warm, name, 8_000).model) for name in FINDINGS]
    warm.forget()
    assert [model() for model in models] == [None] * 4
    assert warm.mebibytes == 0
