"""The logit lens, against Hugging Face's own hidden states."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.techniques.logit_lens import Spec, sentence

EDITED, CLEAN = ("edited", 0), ("clean", 0)


def seen(loaded: Loaded, components: list[str], how: str = "replay", **spec):
    return arms_of(loaded, PAIRS, "logit_lens", how, components=components, **spec)


def hidden_states(loaded: Loaded, tokens: list[list[int]]) -> tuple[torch.Tensor, ...]:
    """(batch, pos, d_model) for each layer, from a copy: Hugging Face leaves hooks on a model asked for them."""
    copy = deepcopy(loaded.model)
    return tuple(copy(torch.tensor(tokens, device=loaded.device), output_hidden_states=True).hidden_states)


def by_hand(loaded: Loaded, layer: int, at: int, right: int, tokens: list[int]) -> torch.Tensor:
    """(vocabulary,): the unembedded, normed hidden state that Hugging Face gives."""
    hidden = hidden_states(loaded, [tokens])[layer][0, at]
    logits: torch.Tensor = loaded.model.lm_head(loaded.final_norm()(hidden))
    return logits


@pytest.mark.parametrize("layer", range(4))
def test_it_is_the_normed_and_unembedded_hidden_state(random_model: Loaded, layer: int) -> None:
    run = seen(random_model, [f"resid.{layer}"], metric="prob")
    for i, prompt in enumerate(PAIRS["prompts"]):
        probs = by_hand(random_model, layer, 5, 0, prompt["tokens"]).softmax(-1)
        assert numbers_in(run, EDITED, "prob")[i] == pytest.approx(float(probs[prompt["right"]].sum()), abs=1e-6)


def test_at_the_last_layer_it_is_the_models_own_answer(random_model: Loaded) -> None:
    for metric in ("logit_diff", "rank", "prob"):
        run = seen(random_model, ["resid.4"], metric=metric)
        assert numbers_in(run, EDITED, metric) == pytest.approx(numbers_in(run, CLEAN, metric), abs=1e-6)
    assert numbers_in(seen(random_model, ["resid.4"], metric="kl"), EDITED, "kl") == pytest.approx([0] * 3, abs=1e-6)
    assert all(value > 0.01 for value in numbers_in(seen(random_model, ["resid.1"], metric="kl"), EDITED, "kl"))


def test_a_position_is_read_in_place_of_where_the_answers_are(random_model: Loaded) -> None:
    run = seen(random_model, ["resid.2@MIDDLE"], metric="logit")
    for i, prompt in enumerate(PAIRS["prompts"]):
        logits = by_hand(random_model, 2, prompt["positions"]["MIDDLE"], 0, prompt["tokens"])
        assert numbers_in(run, EDITED, "logit")[i] == pytest.approx(float(logits[prompt["right"]].mean()), abs=1e-5)


@pytest.mark.parametrize("metric", ["logit_diff", "logprob", "accuracy", "kl"])
def test_it_agrees_with_the_models_own_end_given_that_stream(model: Loaded, metric: str) -> None:
    places = ["resid.0", "resid.1", f"resid.{model.layers}", "resid.1@MIDDLE"]
    fast, slow = (seen(model, places, how, metric=metric) for how in ("replay", "oracle"))
    for arm in range(4):
        key = ("edited", arm)
        assert numbers_in(fast, key, metric) == pytest.approx(numbers_in(slow, key, metric), abs=1e-4)
    assert fast.changes == slow.changes == {}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"components": ["1.2"]}, "no residual stream"),
        ({"contrast": ["mlp.1"]}, "no residual stream"),
        ({"contrast": ["resid.1", "resid.2"]}, "name a single one"),
        ({"corruption": "abc"}, "untouched run"),
        ({"report": "change"}, "report"),
        ({"over": "group"}, "over"),
    ],
)
def test_what_the_lens_does_not_read_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "rank", "components": ["resid.2"], **fields})


def test_the_sentence_says_which_stream_is_read() -> None:
    spec = Spec.from_json({"metric": "rank", "components": ["resid.*"]})
    assert sentence(spec) == "unembedding the residual stream of each of resid.* alone"
