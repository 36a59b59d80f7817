"""Causal tracing: the noised run is the corrupted arm, and restoring can be worked out on any model."""

from __future__ import annotations

import pytest
import torch

from tests.engine.made_bundles import PAIRS, a_measurement, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.components import component
from workers.engine.documents.document import Invalid
from workers.engine.measuring import job, measure
from workers.engine.noising import _normal
from workers.engine.prompts import Prompt
from workers.engine.techniques.causal_tracing import Spec, sentence

EDITED, CLEAN, CORRUPTED = ("edited", 0), ("clean", 0), ("corrupted", 0)
CLOSE = {"abs": 2e-5}
DEAF = {"noised": ["embed@MIDDLE"], "draws": 2}


def traced(loaded: Loaded, components: list[str], how: str = "replay", **spec):
    return arms_of(loaded, PAIRS, "causal_tracing", how, components=components, **{**DEAF, **spec})


def test_the_noised_run_is_the_models_own_with_noise_in_its_embeddings(random_model: Loaded) -> None:
    """3 standard deviations of W_E, drawn from the prompt's hash: added to the token's embedding, run, and averaged."""
    found = numbers_in(traced(random_model, ["resid.2"]), CORRUPTED)
    made = job(a_measurement(random_model, PAIRS, "behavior"), 0, random_model)
    embed = random_model.model.get_input_embeddings()
    for i, prompt in enumerate(made.fit.prompts("prompts")):
        differences = []
        for draw in range(2):
            noise = 3 * embed.weight.std(correction=0) * _normal(prompt, component("embed@MIDDLE"), draw, 32)
            embedded = embed(torch.tensor([prompt.tokens])).clone()
            embedded[0, prompt.positions["MIDDLE"]] += noise
            logits = random_model.model(inputs_embeds=embedded).logits[0, -1]
            answer = prompt.answers[0]
            differences.append(float(logits[list(answer.right)].mean() - logits[list(answer.wrong)].mean()))
        assert found[i] == pytest.approx(sum(differences) / 2, abs=1e-5)


def test_restoring_the_whole_stream_brings_the_clean_number_back(random_model: Loaded) -> None:
    for place in ("resid.1", "resid.4@END"):
        run = traced(random_model, [place])
        assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)
        assert numbers_in(run, CORRUPTED) != pytest.approx(numbers_in(run, CLEAN), **CLOSE)


def test_what_noise_did_not_change_restores_nothing(random_model: Loaded) -> None:
    """The noised token and those before it; in a causal model the tokens before know nothing of it."""
    run = traced(random_model, ["resid.2@MIDDLE-1", "mlp.1@MIDDLE-1"])
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)
    assert run.changes[EDITED] == 0.0


def test_a_window_restores_the_layers_around(random_model: Loaded) -> None:
    """Three layers around 2: from 2 - 3 // 2 = 1 to 3; at the edge what is there."""
    window = traced(random_model, ["mlp.2"], window=3)
    named = traced(random_model, ["mlp.1", "mlp.2", "mlp.3"])
    assert numbers_in(window, EDITED) == pytest.approx(numbers_in(named, EDITED), **CLOSE)
    edge = traced(random_model, ["attn.0@END"], window=4)
    assert numbers_in(edge, EDITED) == pytest.approx(
        numbers_in(traced(random_model, ["attn.0@END", "attn.1@END"]), EDITED), **CLOSE
    )


def test_other_draws_are_other_noise_and_the_same_draw_is_the_same() -> None:
    prompt = Prompt(text="", tokens=(1, 2), answers=())
    one, two, again = (_normal(prompt, component("embed@S1"), draw, 1000) for draw in (0, 1, 0))
    assert torch.equal(one, again) and not torch.allclose(one, two)
    assert abs(float(one.std()) - 1) < 0.1


@pytest.mark.parametrize("components", [["resid.1@MIDDLE"], ["attn.1", "mlp.0@END"], ["mlp.*"]])
def test_replay_and_plain_hooks_agree(model: Loaded, components: list[str]) -> None:
    noised = ["embed@MIDDLE", "embed@END-1"]
    fast, slow, null = (traced(model, components, how, noised=noised) for how in ("replay", "oracle", "null"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key
    assert numbers_in(null, EDITED) == pytest.approx(numbers_in(null, CORRUPTED), **CLOSE)


def test_given_edits_stand_in_the_noised_run_too(random_model: Loaded) -> None:
    given = [{"components": ["3.1"], "ablation": "zero"}]
    run = traced(random_model, ["resid.1@MIDDLE-1"], given=given)
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)
    assert numbers_in(run, CORRUPTED) != pytest.approx(numbers_in(traced(random_model, ["mlp.1"]), CORRUPTED), **CLOSE)


def test_a_whole_run_has_a_corrupted_arm_and_passes_its_positive_control(random_model: Loaded) -> None:
    measurement = a_measurement(random_model, PAIRS, "causal_tracing", components=["resid.2@MIDDLE"], **DEAF)
    numbers = measure(job(measurement, 0, random_model), None, (), lambda *_: None)
    assert (numbers.base, numbers.corrupted is None) == ("corrupted", False)
    assert numbers.soundness.null_difference is not None
    assert numbers.soundness.null_difference <= numbers.soundness.noise_floor


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"corruption": "abc"}, "corrupts by noise"),
        ({"report": "kept"}, "belongs to ablation"),
        ({"noised": ["embed"]}, "write the subject's as embed@S1"),
        ({"noised": ["resid.1@S1"]}, "write the subject's as embed@S1"),
        ({"noised": []}, "at least 1"),
        ({"components": ["1.2"]}, "cannot be restored"),
        ({"components": ["embed@S1"]}, "cannot be restored"),
        ({"components": ["resid.0@S1"]}, "undoes the noise"),
        ({"components": ["resid.2"], "window": 3}, "window only matters"),
        ({"draws": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_traced_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "prob", "components": ["mlp.2@S1"], "noised": ["embed@S1"], **fields})


def test_the_sentence_says_what_is_noised_and_what_restored() -> None:
    stated = {"metric": "prob", "components": ["mlp.2@S1"], "noised": ["embed@S1", "embed@S1+1"]}
    assert sentence(Spec.from_json(stated)) == (
        "restoring the clean values of mlp.2@S1 after noise of 3 standard deviations on the embeddings of S1 and S1+1"
    )
    assert "mlp.2@S1 and the layers around, 5 in all, after" in sentence(Spec.from_json({**stated, "window": 5}))
