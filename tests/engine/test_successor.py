"""Successor scores of a head that shifts tokens by one, and of others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.hand_made_heads import ORDINALS, heads
from tests.engine.made_bundles import PAIRS, RANDOM, a_claim, arms_of, bundle_document, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.prompts import Refused
from workers.engine.techniques.successor import Spec, sentence

__all__ = ["heads"]
KEY = "successor"


def test_only_the_head_that_shifts_by_one_is_a_successor_head(heads: Loaded) -> None:
    run = arms_of(heads, ORDINALS, KEY, metric="succession", components=["1.0", "1.1", "1.2"])
    assert [numbers_in(run, ("edited", i), "succession") for i in range(3)] == [[0.0] * 8, [0.0] * 8, [1.0] * 8]


def test_the_mean_over_heads_is_theirs(heads: Loaded) -> None:
    run = arms_of(heads, ORDINALS, KEY, metric="succession", components=["1.0", "1.2"], over="mean")
    shares = [numbers_in(run, ("edited", i), "succession")[0] for i in range(2)]
    assert shares == [0.0, 1.0]


@pytest.mark.parametrize("embedding", ["plain", "after_mlp0"])
def test_the_modules_say_the_same(random_model: Loaded, embedding: str) -> None:
    named = {"components": ["0.1", "1.2", "3.3"], "metric": "succession", "embedding": embedding, "token": "MIDDLE"}
    fast, slow = (arms_of(random_model, PAIRS, KEY, how, **named) for how in ("replay", "oracle"))
    for arm in range(3):
        assert numbers_in(fast, ("edited", arm), "succession") == numbers_in(slow, ("edited", arm), "succession")


def test_prompts_without_wrong_answers_leave_nothing_to_choose_from(random_model: Loaded) -> None:
    prompts = {"generator": "pairs", "prompts": [{"tokens": [0, 2], "right": [1]}]}
    with pytest.raises(Refused, match="states no wrong answers"):
        arms_of(random_model, prompts, KEY, metric="succession", components=["1.2"])


def test_a_position_that_the_prompts_lack_is_refused(random_model: Loaded) -> None:
    with pytest.raises(Refused, match="has no position START"):
        arms_of(random_model, PAIRS, KEY, metric="succession", components=["1.2"], token="START")
    assert bundle_document(random_model, RANDOM, [a_claim(KEY, metric="succession", components=["1.2"])])


@pytest.mark.parametrize(
    ("fields", "said"), [({"components": ["1.2@END"]}, "whole heads"), ({"metric": "logit"}, "'succession'")]
)
def test_what_is_no_successor_score_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["1.2"], **fields})


def test_the_sentence() -> None:
    assert sentence(Spec.from_json({"components": ["9.1"]})) == (
        "asking whether the OV matrix of 9.1 turns the token at END into a right answer rather than a wrong one"
    )
