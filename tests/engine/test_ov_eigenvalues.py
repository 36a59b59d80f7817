"""Eigenvalue scores of matrices whose eigenvalues are known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.hand_made_heads import ORDINALS, heads
from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.techniques.ov_eigenvalues import Spec, sentence

__all__ = ["heads"]
KEY = "ov_eigenvalues"


def test_copying_is_one_negating_minus_one_and_shifting_nothing(heads: Loaded) -> None:
    """The shift's eigenvalues are the eighth roots of one, which add up to nothing."""
    run = arms_of(heads, ORDINALS, KEY, metric=KEY, components=["0.0", "1.0", "1.1", "1.2"])
    found = [numbers_in(run, ("edited", i), KEY) for i in range(4)]
    assert found == [pytest.approx([score] * 8, abs=1e-6) for score in (1, 1, -1, 0)]


@pytest.mark.parametrize("embedding", ["plain", "after_mlp0"])
def test_the_modules_say_the_same(random_model: Loaded, embedding: str) -> None:
    named = {"components": ["0.1", "1.2", "3.3"], "metric": KEY, "embedding": embedding}
    fast, slow = (arms_of(random_model, PAIRS, KEY, how, **named) for how in ("replay", "oracle"))
    for arm in range(3):
        truth = numbers_in(slow, ("edited", arm), KEY)
        assert numbers_in(fast, ("edited", arm), KEY) == pytest.approx(truth, abs=1e-4)
        assert 0 < abs(truth[0]) < 1


@pytest.mark.parametrize(
    ("fields", "said"), [({"components": ["attn.2"]}, "whole heads"), ({"metric": "logit"}, "'ov_eigenvalues'")]
)
def test_what_is_no_eigenvalue_score_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["1.2"], **fields})


def test_the_sentence() -> None:
    assert sentence(Spec.from_json({"components": ["5.1"]})) == "summing the eigenvalues of the OV circuit of 5.1"
