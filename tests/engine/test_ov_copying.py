"""Copy scores of heads whose matrices are known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.hand_made_heads import ORDINALS, heads
from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.techniques.ov_copying import Spec, sentence

__all__ = ["heads"]
KEY = "ov_copying"


def scores(loaded: Loaded, prompts: Any, **spec: Any) -> dict[str, list[float]]:
    run = arms_of(loaded, prompts, KEY, metric="copying", **spec)
    return {text: numbers_in(run, ("edited", i), "copying") for i, text in enumerate(spec["components"])}


def test_the_head_that_copies_copies_every_token_and_no_other_head_does(heads: Loaded) -> None:
    found = scores(heads, ORDINALS, components=["1.0", "1.1", "1.2"], token="END", top=1)
    assert found == {"1.0": [1.0] * 8, "1.1": [0.0] * 8, "1.2": [0.0] * 8}


def test_the_head_that_negates_makes_every_token_the_least_likely(heads: Loaded) -> None:
    found = scores(heads, ORDINALS, components=["1.0", "1.1"], token="END", top=1, sign="negative")
    assert found == {"1.0": [0.0] * 8, "1.1": [1.0] * 8}


def test_without_a_position_the_right_answer_is_meant(heads: Loaded) -> None:
    """Token t comes out of head 1.2 as t + 1: neither END nor the answer t + 1 is copied, but both are by 1.0."""
    prompts = {"generator": "pairs", "prompts": [{"tokens": [0, 3], "right": [0, 3], "wrong": [1]}]}
    assert scores(heads, prompts, components=["1.0", "1.2"], top=1) == {"1.0": [1.0], "1.2": [0.0]}


def test_a_head_of_which_only_some_dimensions_are_moved_copies_some_tokens(heads: Loaded) -> None:
    """0.0 moves tokens 0 and 1; token 3 comes out as nothing, and a tie of all logits is no copy."""
    prompts = {"generator": "pairs", "prompts": [{"tokens": [0, 1], "right": [1, 0, 3, 4], "wrong": [2]}]}
    assert scores(heads, prompts, components=["0.0"], top=1) == {"0.0": [0.5]}


def test_a_head_that_writes_nothing_copies_nothing(heads: Loaded) -> None:
    for sign in ("positive", "negative"):
        assert scores(heads, ORDINALS, components=["1.3"], sign=sign)["1.3"] == [0.0] * 8


@pytest.mark.parametrize("fields", [{}, {"embedding": "plain"}, {"sign": "negative"}, {"token": "MIDDLE", "top": 3}])
def test_the_modules_say_the_same(random_model: Loaded, fields: dict[str, Any]) -> None:
    named = {"components": ["0.1", "1.2", "3.3"], "metric": "copying", **fields}
    fast, slow = (arms_of(random_model, PAIRS, KEY, how, **named) for how in ("replay", "oracle"))
    for arm in range(3):
        assert numbers_in(fast, ("edited", arm), "copying") == numbers_in(slow, ("edited", arm), "copying")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"components": ["1.2@END"]}, "without a position"),
        ({"components": ["1.2.v"]}, "whole heads"),
        ({"components": ["#movers@END"]}, "without a position"),
        ({"components": ["mlp.1"]}, "whole heads"),
        ({"metric": "logit"}, "its metric is 'copying'"),
        ({"corruption": "abc"}, "edits nothing"),
        ({"token": "the end"}, "is no position"),
        ({"over": "group"}, "'each', 'mean' or 'min'"),
    ],
)
def test_what_is_no_copy_score_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["1.2"], **fields})


def test_the_sentence_names_token_heads_and_embedding() -> None:
    assert sentence(Spec.from_json({"components": ["9.9"]})) == (
        "asking of the right answer whether it is among the 5 largest logits that the OV matrix of 9.9 gives it, "
        "embedded as after layer 0's MLP,"
    )
