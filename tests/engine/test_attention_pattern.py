"""Attention weights, beside those that Hugging Face's own model gives out."""

from __future__ import annotations

import pytest
import torch

from tests.engine.made_bundles import PAIRS, RANDOM, a_measurement, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.arms import measured, plan, settings
from workers.engine.documents.document import Invalid
from workers.engine.loading import load_folder
from workers.engine.measuring import job
from workers.engine.prompts import Refused
from workers.engine.sampling import sample
from workers.engine.techniques.attention_pattern import Spec, sentence


def own_weights(loaded: Loaded, tokens: list[tuple[int, ...]]) -> torch.Tensor:
    """(layer, batch, heads, query, key)."""
    with torch.no_grad():
        return torch.stack(loaded.model(torch.tensor(tokens), output_attentions=True).attentions)


def test_one_entry_is_the_weight_from_one_position_to_another(model: Loaded) -> None:
    run = arms_of(model, PAIRS, "attention_pattern", components=["1.2[END>MIDDLE]", "0.1[END>END]"])
    weights = own_weights(model, [prompt["tokens"] for prompt in PAIRS["prompts"]])
    middle = [prompt["positions"]["MIDDLE"] for prompt in PAIRS["prompts"]]
    by_hand = [float(weights[1, row, 2, 5, key]) for row, key in enumerate(middle)]
    ends = weights[0, :, 1, 5, 5].tolist()
    assert numbers_in(run, ("edited", 0), "attention") == pytest.approx(ends, abs=1e-6)
    assert numbers_in(run, ("edited", 1), "attention") == pytest.approx(by_hand, abs=1e-6)


def test_the_first_token_can_only_attend_to_itself(model: Loaded) -> None:
    run = arms_of(model, PAIRS, "attention_pattern", components=["1.2[END-5>END-5]"])
    assert numbers_in(run, ("edited", 0), "attention") == [1.0, 1.0, 1.0]


def test_a_named_set_is_averaged_within_the_prompt(random_checkpoints) -> None:
    loaded = load_folder(random_checkpoints["gpt2"])
    measurement = a_measurement(loaded, RANDOM, "attention_pattern", components=["1.2[induction]"])
    made = job(measurement, 0, loaded)
    (prompts,) = sample(measurement, 0, None, made.fit.vocabulary, 5).looks
    planned = plan(measurement, made.spec, prompts[0])
    run = measured(planned, settings(prompts, loaded, made.fit, planned.metrics))
    weights = own_weights(loaded, [prompt.tokens for prompt in prompts])
    # nine tokens: a segment of four, one between, the segment again: token 5 + i repeats i, followed by i + 1
    by_hand = torch.stack([weights[1, :, 2, 5 + i, i + 1] for i in range(4)]).mean(0)
    assert numbers_in(run, ("edited", 0), "attention") == pytest.approx(by_hand.tolist(), abs=1e-6)
    assert numbers_in(run, ("clean", 0), "attention") == numbers_in(run, ("edited", 0), "attention")


def test_prompts_that_name_no_such_entries_are_refused(random_model: Loaded) -> None:
    from tests.engine.made_bundles import a_claim, bundle_document

    with pytest.raises(Invalid, match="name no attention entries induction"):
        bundle_document(random_model, PAIRS, [a_claim("attention_pattern", components=["1.2[induction]"])])
    with pytest.raises(Refused, match="falls outside the prompt"):
        arms_of(random_model, PAIRS, "attention_pattern", components=["1.2[END>MIDDLE-6]"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"components": ["1.2"]}, "is no attention entry"),
        ({"metric": "logit"}, "its metric is 'attention'"),
        ({"over": "group"}, "'each', 'mean' or 'min'"),
        ({"report": "change"}, "'raw'"),
        ({"corruption": "abc"}, "edits nothing"),
    ],
)
def test_what_is_no_attention_weight_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["1.2[END>IO]"], **fields})


def test_the_sentence_names_the_entries() -> None:
    spec = Spec.from_json({"components": ["1.2[END>IO]", "1.5[END>IO]"]})
    assert sentence(spec) == "reading the attention weight of each of 1.2[END>IO] and 1.5[END>IO] alone"
