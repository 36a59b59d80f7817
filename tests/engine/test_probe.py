"""Probes: what an embedding must tell, what nothing can, and a control task that can be learnt by heart."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from tests.engine.made_bundles import a_measurement, arms_of, stated_prompts
from workers.engine.anatomy import Loaded
from workers.engine.arms import Measured, settings
from workers.engine.documents.components import Position, component
from workers.engine.documents.document import Invalid
from workers.engine.logistic import fit_logistic
from workers.engine.measuring import job
from workers.engine.probing import Probe, accuracy
from workers.engine.prompts import Refused
from workers.engine.techniques.probe import Spec, sentence

EDITED, CLEAN = ("edited", 0), ("clean", 0)


def prompt(rng: Random) -> dict:
    """Token 7 in the middle, token 8 when corrupted; elsewhere any of 10 to 29. The answer is what stands first."""
    tokens = [rng.randrange(10, 30) for _ in range(6)]
    return {
        "tokens": [tokens[0] % 3, *tokens[1:3], 7, *tokens[4:]],
        "corrupted": {"other": [tokens[0] % 3, *tokens[1:3], 8, *tokens[4:]]},
        "right": [tokens[0] % 3],
        "positions": {"FIRST": 0, "MIDDLE": 3},
    }


MANY = {"generator": "pairs", "prompts": [prompt(Random(seed)) for seed in range(80)]}


def probed(loaded: Loaded, components: list[str], how: str = "replay", **spec) -> Measured:
    stated = {"metric": "probe_accuracy", "told_from": "other", **spec}
    return arms_of(loaded, MANY, "probe", how, components=components, **stated)


def share(run: Measured, metric: str = "probe_accuracy", key=EDITED) -> float:
    return float(run.values[key][metric].mean())


def test_two_points_are_told_apart_by_the_weight_that_solves_its_equation() -> None:
    """Of -1 and 1, weights (-w, w) and l2 = 1: 2 log(1 + exp(-2w)) + w² is least where w (1 + exp(2w)) = 2."""
    found = fit_logistic(np.array([[-1.0], [1.0]]), np.array([0, 1]), 2, 1.0)
    low, high = found.weights[0]
    assert low == pytest.approx(-high, abs=1e-5)
    assert high * (1 + np.exp(2 * high)) == pytest.approx(2.0, abs=1e-4)
    assert found.bias == pytest.approx([0.0, 0.0], abs=1e-5)
    assert found.classes(np.array([[-3.0], [0.1]])).tolist() == [0, 1]


def test_the_embedding_of_the_corrupted_token_tells_the_two_kinds_apart(random_model: Loaded) -> None:
    assert share(probed(random_model, ["embed@MIDDLE"])) == 1.0


def test_before_the_corruption_every_prompt_is_told_half_right(random_model: Loaded) -> None:
    """Both kinds look the same there, so that one of the two is told rightly, whichever is said."""
    run = probed(random_model, ["resid.3@MIDDLE-1"])
    assert run.values[EDITED]["probe_accuracy"].tolist() == [0.5] * 80


def test_several_places_are_read_side_by_side(random_model: Loaded) -> None:
    alone, both = (probed(random_model, places) for places in (["embed@END"], ["embed@END", "embed@MIDDLE"]))
    assert share(alone) == 0.5
    assert share(both) > 0.95


def test_right_answers_are_told_from_the_token_that_they_are(random_model: Loaded) -> None:
    run = probed(random_model, ["embed@FIRST"], metric="probe_selectivity", told_from=None, control_at="FIRST")
    assert share(run, "probe_selectivity") == pytest.approx(0.0)  # three tokens: learnt by heart as easily
    other = probed(random_model, ["embed@FIRST"], metric="probe_selectivity", told_from=None, control_at="END")
    assert share(other, "probe_selectivity") > 0.4  # what stands first says nothing of the last token


def test_a_probe_never_tells_a_prompt_that_it_was_fitted_on(random_model: Loaded) -> None:
    """Answers at random can be learnt by heart from 128 entries of 80 prompts, and told of none that are new."""
    rng = Random(5)
    noise = {"generator": "pairs", "prompts": [{**one, "right": [rng.randrange(3)]} for one in MANY["prompts"]]}
    places = tuple(component(f"resid.{layer}@END") for layer in range(1, 5))
    probe = Probe(places, None, 1e-3, Position("END"))
    made = job(a_measurement(random_model, noise, "behavior", metric="logit"), 0, random_model)
    (setting,) = (setting for _, setting in settings(stated_prompts(made), random_model, made.fit, ("logit",)))
    assert float(accuracy(setting, probe, "labels").mean()) < 0.6


@pytest.mark.parametrize("place", ["resid.2@MIDDLE", "1.2@END", "attn.1@END", "mlp.2@MIDDLE", "mlp.1.7@MIDDLE"])
def test_activations_seen_by_plain_hooks_are_told_alike(random_model: Loaded, place: str) -> None:
    fast, slow = (probed(random_model, [place], how) for how in ("replay", "oracle"))
    assert fast.values[EDITED]["probe_accuracy"].tolist() == slow.values[EDITED]["probe_accuracy"].tolist()
    assert share(fast, key=CLEAN) == share(fast)


def test_where_all_prompts_have_one_token_there_is_no_control_task(random_model: Loaded) -> None:
    stated = {"metric": "probe_selectivity", "told_from": None, "control_at": "MIDDLE"}
    with pytest.raises(Refused, match="all prompts have one token at MIDDLE"):
        probed(random_model, ["embed@MIDDLE"], **stated)


def test_too_few_prompts_and_unknown_corruptions_are_refused(random_model: Loaded) -> None:
    few = {"generator": "pairs", "prompts": MANY["prompts"][:1]}
    with pytest.raises(Refused, match="fewer than two labels"):
        arms_of(random_model, few, "probe", metric="probe_accuracy", told_from="other", components=["embed@MIDDLE"])
    with pytest.raises(Refused, match="has no corruption"):
        probed(random_model, ["embed@MIDDLE"], told_from="none-such")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "accuracy"}, "its metric is probe_selectivity or probe_accuracy"),
        ({"metric": "probe_accuracy"}, "name told_from"),
        ({"metric": "probe_accuracy", "told_from": "abc", "control_at": "END"}, "only matters for probe_selectivity"),
        ({"components": ["resid.2"]}, "each @ a position"),
        ({"components": ["1.2.q@END"]}, "cannot be probed"),
        ({"corruption": "abc"}, "told_from names what is told"),
        ({"l2": 0}, "greater than 0"),
    ],
)
def test_what_is_no_probe_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["resid.2@END"], **fields})


def test_the_sentence_says_what_is_told() -> None:
    told = Spec.from_json({"components": ["resid.2@END"], "told_from": "abc", "metric": "probe_accuracy"})
    assert sentence(told) == "telling clean and abc-corrupted prompts by a linear probe of resid.2@END"
    answers = Spec.from_json({"components": ["resid.2@END", "1.2@S1"], "over": "each"})
    assert sentence(answers) == (
        "telling the right answers by a linear probe of each of resid.2@END and 1.2@S1 alone, "
        "beyond what a control task can learn by heart"
    )
