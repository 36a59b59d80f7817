"""Retrieval: what a head looks at most, beside the answer, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.engine.hand_made_heads import heads
from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.prompts import Refused
from workers.engine.techniques.retrieval_score import Spec, sentence

__all__ = ["heads"]
KEY = "retrieval_score"
# head 1.1 looks from each token for the next one: from 5 for 6
NEEDLE = {
    "generator": "pairs",
    "prompts": [
        {"tokens": [2, 6, 4, 5], "right": [6], "wrong": [4], "positions": {"FROM": 1, "TO": 2}},
        {"tokens": [2, 6, 4, 5], "right": [4], "wrong": [6], "positions": {"FROM": 1, "TO": 2}},
        {"tokens": [6, 3, 4, 5], "right": [6], "wrong": [4], "positions": {"FROM": 1, "TO": 2}},
    ],
}


def scores(loaded: Loaded, **spec: Any) -> list[float]:
    return numbers_in(arms_of(loaded, NEEDLE, KEY, metric="retrieval", **spec), ("edited", 0), "retrieval")


def test_it_counts_where_the_answer_is_what_the_head_looks_at_most(heads: Loaded) -> None:
    assert scores(heads, components=["1.1"]) == [1.0, 0.0, 1.0]


def test_what_stands_outside_of_the_span_does_not_count(heads: Loaded) -> None:
    assert scores(heads, components=["1.1"], span=["FROM", "TO"]) == [1.0, 0.0, 0.0]


def test_a_head_that_looks_for_its_own_token_retrieves_none(heads: Loaded) -> None:
    assert scores(heads, components=["1.0"]) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("how", ["replay", "oracle"])
def test_it_is_read_off_the_models_own_pattern(random_model: Loaded, how: Any) -> None:
    run = arms_of(random_model, PAIRS, KEY, how, metric="retrieval", components=["1.2", "3.0"])
    tokens = torch.tensor([prompt["tokens"] for prompt in PAIRS["prompts"]], device=random_model.device)
    with torch.no_grad():
        seen = random_model.model(tokens, output_attentions=True).attentions
    for arm, (layer, head) in enumerate(((1, 2), (3, 0))):
        most = tokens.gather(1, seen[layer][:, head, -1].argmax(-1)[:, None])[:, 0].tolist()
        by_hand = [float(token in prompt["right"]) for token, prompt in zip(most, PAIRS["prompts"], strict=True)]
        assert numbers_in(run, ("edited", arm), "retrieval") == by_hand


def test_a_span_that_the_prompts_do_not_name_is_refused(heads: Loaded) -> None:
    with pytest.raises(Refused, match="has no position NEEDLE"):
        scores(heads, components=["1.1"], span=["NEEDLE", "TO"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"components": ["1.2@END"]}, "whole heads"),
        ({"span": ["the needle", "END"]}, "is no position"),
        ({"metric": "attention"}, "'retrieval'"),
        ({"given": [{"components": ["0.1"]}]}, "edits nothing"),
    ],
)
def test_what_is_no_retrieval_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["1.2"], **fields})


def test_the_sentence_names_the_span() -> None:
    said = sentence(Spec.from_json({"components": ["16.19"], "span": ["FROM", "TO"]}))
    assert said == "asking whether 16.19 looks most at the very token between FROM and TO that is to come next"
