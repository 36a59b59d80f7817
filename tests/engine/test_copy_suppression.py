"""The two halves of copy suppression, of heads whose matrices are known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.hand_made_heads import ORDINALS, heads
from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.techniques.copy_suppression import Spec, sentence

__all__ = ["heads"]
KEY = "copy_suppression"


def scores(loaded: Loaded, prompts: Any, **spec: Any) -> dict[str, list[float]]:
    run = arms_of(loaded, prompts, KEY, metric="suppression", **spec)
    return {text: numbers_in(run, ("edited", i), "suppression") for i, text in enumerate(spec["components"])}


def test_only_the_head_with_a_negative_diagonal_suppresses(heads: Loaded) -> None:
    found = scores(heads, ORDINALS, components=["1.0", "1.1", "1.2"], token="END", top=1)
    assert found == {"1.0": [0.0] * 8, "1.1": [1.0] * 8, "1.2": [0.0] * 8}


def test_only_the_head_with_a_diagonal_in_qk_looks_for_what_is_predicted(heads: Loaded) -> None:
    found = scores(heads, ORDINALS, components=["1.0", "1.1"], token="END", matrix="qk")
    assert found == {"1.0": [1.0] * 8, "1.1": [0.0] * 8}


@pytest.mark.parametrize("matrix", ["ov", "qk"])
def test_the_modules_say_the_same(random_model: Loaded, matrix: str) -> None:
    named = {"components": ["0.1", "1.2", "3.3"], "metric": "suppression", "matrix": matrix, "top": 5}
    fast, slow = (arms_of(random_model, PAIRS, KEY, how, **named) for how in ("replay", "oracle"))
    for arm in range(3):
        assert numbers_in(fast, ("edited", arm), "suppression") == numbers_in(slow, ("edited", arm), "suppression")


def test_the_number_of_ranks_is_the_usual_one_unless_stated() -> None:
    assert Spec.from_json({"components": ["1.2"]}).top == 10
    assert Spec.from_json({"components": ["1.2"], "matrix": "qk"}).top == 1
    assert Spec.from_json({"components": ["1.2"], "matrix": "qk", "top": 3}).top == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"components": ["1.2.q"]}, "whole heads"), ({"metric": "logit"}, "'suppression'"), ({"top": 0}, "top")],
)
def test_what_is_no_suppression_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["1.2"], **fields})


def test_the_sentence_says_which_half() -> None:
    said = sentence(Spec.from_json({"components": ["10.7"], "matrix": "qk"}))
    assert (
        said
        == "asking of the right answer whether it is the key that 10.7 looks at most where the residual predicts it"
    )
