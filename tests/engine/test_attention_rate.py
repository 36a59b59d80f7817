"""The share of entries above a weight, counted by hand on the model's own pattern."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.engine.hand_made_heads import ORDINALS, heads
from tests.engine.made_bundles import PAIRS, RANDOM, a_measurement, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.arms import measured, plan, settings
from workers.engine.documents.document import Invalid
from workers.engine.measuring import job
from workers.engine.sampling import sample
from workers.engine.techniques.attention_rate import Spec, sentence

__all__ = ["heads"]
KEY = "attention_rate"


def test_a_head_that_looks_nowhere_in_particular_gives_each_of_two_keys_half(heads: Loaded) -> None:
    """Heads of layer 0 have no queries, so their attention is uniform: 1/2 each at the second of two tokens."""
    for epsilon, rate in ((0.49, 1.0), (0.51, 0.0)):
        run = arms_of(heads, ORDINALS, KEY, metric=KEY, components=["0.0[END>END]"], epsilon=epsilon)
        assert numbers_in(run, ("edited", 0), KEY) == [rate] * 8


@pytest.mark.parametrize("how", ["replay", "oracle"])
def test_it_is_the_share_of_the_named_entries(random_model: Loaded, how: Any) -> None:
    measurement = a_measurement(random_model, RANDOM, KEY, metric=KEY, components=["1.2[first-token]"], epsilon=0.2)
    made = job(measurement, 0, random_model)
    (prompts,) = sample(measurement, 0, None, made.fit.vocabulary, 5).looks
    planned = plan(measurement, made.spec, prompts[0])
    run = measured(planned, settings(prompts, random_model, made.fit, planned.metrics, how))
    with torch.no_grad():
        tokens = torch.tensor([prompt.tokens for prompt in prompts], device=random_model.device)
        weights = random_model.model(tokens, output_attentions=True).attentions[1][:, 2]  # (batch, query, key)
    by_hand = (weights[:, 1:, 0] > 0.2).double().mean(1)
    assert 0 < float(by_hand.mean()) < 1
    assert numbers_in(run, ("edited", 0), KEY) == pytest.approx(by_hand.tolist())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"components": ["1.2"]}, "is no attention entry"),
        ({"epsilon": 1.0}, "epsilon"),
        ({"metric": "attention"}, "'attention_rate'"),
        ({"corruption": "abc"}, "edits nothing"),
    ],
)
def test_what_is_no_rate_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["1.2[first-token]"], **fields})


def test_the_sentence_names_the_weight() -> None:
    said = sentence(Spec.from_json({"components": ["0.3[first-token]"]}))
    assert said == "counting the attention entries of 0.3[first-token] that hold more than 0.3"


def test_entries_that_the_prompts_do_not_name_are_refused(random_model: Loaded) -> None:
    with pytest.raises(Invalid, match="name no attention entries first-token"):
        a_measurement(random_model, PAIRS, KEY, metric=KEY, components=["1.2[first-token]"])
