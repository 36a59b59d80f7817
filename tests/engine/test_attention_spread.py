"""How far attention moves with content: not at all for a uniform head, and by hand for random ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.engine.hand_made_heads import heads
from tests.engine.made_bundles import RANDOM, a_measurement, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.arms import measured, plan, settings
from workers.engine.documents.document import Invalid
from workers.engine.fit import Population
from workers.engine.measuring import job
from workers.engine.sampling import sample
from workers.engine.techniques.attention_spread import Spec, sentence

__all__ = ["heads"]
KEY = "attention_spread"
TWO = {
    "generator": "pairs",
    "prompts": [{"tokens": [0, 0], "right": [1], "wrong": [2]}, {"tokens": [0, 1], "right": [1], "wrong": [2]}],
}


def test_a_head_without_queries_does_not_move_with_content(heads: Loaded) -> None:
    run = arms_of(heads, TWO, KEY, metric=KEY, components=["0.0[END>END]"])
    assert numbers_in(run, ("edited", 0), KEY) == [0.0, 0.0]


def test_a_head_that_looks_for_its_own_token_does(heads: Loaded) -> None:
    """Head 0 of layer 1 compares tokens: an equal one before takes more of its attention than a different one."""
    run = arms_of(heads, TWO, KEY, metric=KEY, components=["1.0[END>END]"])
    with torch.no_grad():
        pattern = heads.model(torch.tensor([[0, 0], [0, 1]]), output_attentions=True).attentions[1][:, 0]
    here, there = pattern[:, 1, 1].tolist()
    assert there > here + 0.01
    assert numbers_in(run, ("edited", 0), KEY) == pytest.approx([there - here] * 2, abs=1e-6)


@pytest.mark.parametrize("how", ["replay", "oracle"])
def test_it_is_the_mean_distance_to_another_prompt_of_the_same_layout(random_model: Loaded, how: Any) -> None:
    measurement = a_measurement(random_model, RANDOM, KEY, metric=KEY, components=["1.2[previous-token]"])
    made = job(measurement, 0, random_model)
    (prompts,) = sample(measurement, 0, None, made.fit.vocabulary, 4).looks
    planned = plan(measurement, made.spec, prompts[0])
    run = measured(planned, settings(prompts, random_model, made.fit, planned.metrics, how))
    others = [made.fit.donor(Population(), prompt) for prompt in prompts]

    def weights(tokens: list[tuple[int, ...]]) -> torch.Tensor:
        with torch.no_grad():
            seen = random_model.model(torch.tensor(tokens, device=random_model.device), output_attentions=True)
        return seen.attentions[1][:, 2].diagonal(-1, 1, 2)  # (batch, from 1 on): A[i, i - 1]

    by_hand = (weights([prompt.tokens for prompt in prompts]) - weights(others)).abs().mean(1)
    assert float(by_hand.mean()) > 0.01
    assert numbers_in(run, ("edited", 0), KEY) == pytest.approx(by_hand.tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"components": ["1.2"]}, "is no attention entry"), ({"metric": "attention"}, "'attention_spread'")],
)
def test_what_is_no_spread_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["1.2[previous-token]"], **fields})


def test_the_sentence() -> None:
    said = sentence(Spec.from_json({"components": ["0.3[previous-token]"]}))
    assert (
        said == "comparing the attention weight of 0.3[previous-token] with that on another prompt of the same layout"
    )
