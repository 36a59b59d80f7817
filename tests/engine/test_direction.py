"""Directions: what adding and projecting one out comes to can be worked out at the last residual stream."""

from __future__ import annotations

import pytest
import torch

from tests.engine.made_bundles import PAIRS, a_claim, a_measurement, arms_of, bundle_document, numbers_in
from tests.engine.made_numbers import stake
from tests.engine.test_logit_lens import hidden_states
from workers.engine.anatomy import Loaded
from workers.engine.control import try_sets
from workers.engine.directions import Difference, fitted, unit, values_at
from workers.engine.documents.bundle import control_of
from workers.engine.documents.components import component
from workers.engine.documents.document import Invalid
from workers.engine.fit import Population
from workers.engine.measuring import fit_of, job
from workers.engine.prompts import Refused
from workers.engine.techniques.direction import Spec, sentence
from workers.engine.vacuity import is_vacuous

EDITED, CLEAN, CORRUPTED = ("edited", 0), ("clean", 0), ("corrupted", 0)
CLOSE = {"abs": 2e-5}
ONE = {"generator": "pairs", "prompts": [{**PAIRS["prompts"][0], "corrupted": {"other": [0, 2, 1, 2, 1, 0]}}]}
"""A single prompt, so that each mean is a run's own value."""


def directed(loaded: Loaded, prompts=PAIRS, how: str = "replay", **spec):
    return arms_of(loaded, prompts, "direction", how, **{"corruption": "other", **spec})


def test_the_difference_of_one_prompt_added_to_its_corruption_is_the_prompt(random_model: Loaded) -> None:
    adding = {"components": ["resid.4@END"], "at": "resid.4@END", "action": "add", "run_on": "corrupted"}
    run = directed(random_model, ONE, coefficient=1, **adding)
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)
    assert numbers_in(run, EDITED) != pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


def test_taken_off_the_clean_run_it_gives_the_corrupted_number(random_model: Loaded) -> None:
    adding = {"components": ["resid.4@END"], "at": "resid.4@END", "action": "add"}
    run = directed(random_model, ONE, coefficient=-1, **adding)
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


def test_projecting_out_at_the_last_stream_is_what_pencil_and_paper_give(random_model: Loaded) -> None:
    """With u = (x - y) / |x - y| of the only prompt's last streams x and y: x - (x · u) u is unembedded."""
    at = component("resid.4@END")
    fit = fit_of(a_measurement(random_model, ONE, "behavior"), random_model)
    x, y = (values_at(fit, at, Population(corruption=name))[0] for name in (None, "other"))
    u = (x - y) / (x - y).norm()
    logits = random_model.model.lm_head(random_model.final_norm()((x - (x @ u) * u).float()))
    run = directed(random_model, ONE, components=["resid.4@END"], at="resid.4@END")
    assert numbers_in(run, EDITED) == pytest.approx([float(logits[1] - logits[0])], **CLOSE)


def test_the_means_are_of_all_prompts_of_each_kind(random_model: Loaded) -> None:
    fit = fit_of(a_measurement(random_model, PAIRS, "behavior"), random_model)
    at = component("resid.2@MIDDLE")
    vector = fitted(fit, Difference(at, Population(), Population(corruption="other")))
    differences = []
    for prompt in PAIRS["prompts"]:
        seen = hidden_states(random_model, [prompt["tokens"], prompt["corrupted"]["other"]])[2]
        differences.append((seen[0] - seen[1])[prompt["positions"]["MIDDLE"]])
    assert torch.allclose(vector.float(), torch.stack(differences).mean(0), atol=1e-5)


def test_down_to_its_own_mean_a_single_prompt_is_left_as_it_is(random_model: Loaded) -> None:
    run = directed(random_model, ONE, components=["resid.3", "resid.4"], at="resid.4@END", ablate_to="mean")
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)


@pytest.mark.parametrize("how", [{}, {"ablate_to": "mean"}, {"action": "add", "coefficient": 0.7}])
@pytest.mark.parametrize("run_on", ["clean", "corrupted"])
def test_replay_and_plain_hooks_agree(model: Loaded, how: dict, run_on: str) -> None:
    stated = {"components": ["embed", "attn.*", "mlp.*"], "at": "resid.1@END-1", "run_on": run_on, **how}
    fast, slow, null = (directed(model, PAIRS, name, **stated) for name in ("replay", "oracle", "null"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key
    untouched = CLEAN if run_on == "clean" else CORRUPTED
    assert numbers_in(null, EDITED) == pytest.approx(numbers_in(null, untouched), **CLOSE)
    assert numbers_in(fast, EDITED) != pytest.approx(numbers_in(null, EDITED), **CLOSE)


def test_random_directions_are_as_long_repeatable_and_each_another(random_model: Loaded) -> None:
    fit = fit_of(a_measurement(random_model, PAIRS, "behavior"), random_model)
    own = Difference(component("resid.2@END"), Population(), Population(corruption="other"))
    vectors = [fitted(fit, Difference(own.at, own.plus, own.minus, number)) for number in (0, 1)]
    again = fitted(
        fit_of(a_measurement(random_model, PAIRS, "behavior"), random_model),
        Difference(own.at, own.plus, own.minus, 0),
    )
    assert all(vector.norm() == pytest.approx(fitted(fit, own).norm()) for vector in vectors)
    assert torch.equal(vectors[0], again)
    assert abs(float(unit(vectors[0]) @ unit(vectors[1]))) < 0.999


def test_random_directions_lie_where_values_of_one_kind_vary(random_model: Loaded) -> None:
    """Three prompts of each kind span four dimensions around their two means."""
    fit, at = fit_of(a_measurement(random_model, PAIRS, "behavior"), random_model), component("resid.2@END")
    kinds = [values_at(fit, at, Population(corruption=name)) for name in (None, "other")]
    varying = torch.cat([values - values.mean(0) for values in kinds])
    drawn = fitted(fit, Difference(at, Population(), Population(corruption="other"), 5))
    basis = torch.linalg.svd(varying, full_matrices=False).Vh[:4]
    assert torch.allclose(basis.T @ (basis @ drawn), drawn, atol=1e-6)


def test_the_control_tries_random_directions_in_place_of_components(random_model: Loaded) -> None:
    stated = {"components": ["resid.2"], "at": "resid.2@END", "corruption": "other"}
    claim = a_claim("direction", {"at_most": -0.1}, **stated)
    bundle = bundle_document(random_model, PAIRS, [claim], circuit={"nodes": [{"component": "1.2"}]})
    control = control_of(bundle, bundle.finding.claims[0])
    assert control is not None and control.control.exclude == ()
    tried = try_sets(job(control, 0, random_model), control.control, None, lambda *_: None)
    assert (tried.pool, tried.excluded, tried.possible) == ("random directions", (), 2**53 - 1)
    assert [one.components for one in tried.tried[:2]] == [("random direction 0",), ("random direction 1",)]
    by_hand = directed(random_model, **stated, random=1)
    change = torch.tensor(numbers_in(by_hand, EDITED)) - torch.tensor(numbers_in(by_hand, CLEAN))
    assert tried.tried[1].value == pytest.approx(float(change.mean()), abs=1e-5)


def test_projecting_out_of_the_whole_stream_is_not_replacing_it(random_model: Loaded) -> None:
    """Patching the stream at every position is vacuous: any model would show it."""
    stated = {"components": ["resid.2"], "corruption": "other", "report": "recovered"}
    direction = stake({"at_least": 0.5}, technique="direction", at="resid.2@END", **stated)
    assert not is_vacuous(direction, True, [], 0.0)
    patching = stake({"at_least": 0.5}, technique="activation_patching", **stated)
    assert is_vacuous(patching, True, [], 0.0)


def test_where_both_kinds_are_alike_there_is_no_direction(random_model: Loaded) -> None:
    """The first tokens are never corrupted."""
    with pytest.raises(Refused, match="no direction from one to the other"):
        directed(random_model, components=["resid.2"], at="resid.2@END-5")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"corruption": None}, "name a corruption, or minus"),
        ({"corruption": None, "minus": "others", "run_on": "corrupted"}, "needs corrupted prompts"),
        ({"at": "resid.2"}, "write where the direction is fitted as resid.5@END"),
        ({"at": "1.2@END"}, "not one place of a prompt"),
        ({"components": ["1.2"]}, "name resid, embed, attn or mlp"),
        ({"contrast": ["mlp.1.7"]}, "name resid, embed, attn or mlp"),
        ({"action": "add"}, "write it for add, and only there"),
        ({"coefficient": 1}, "write it for add, and only there"),
        ({"action": "add", "coefficient": 0}, "adds nothing"),
        ({"action": "add", "coefficient": 1, "ablate_to": "mean"}, "only matters for ablate"),
        ({"report": "kept"}, "belongs to ablation"),
    ],
)
def test_what_is_no_direction_is_refused(fields: dict, said: str) -> None:
    stated = {"metric": "logit_diff", "components": ["resid.2"], "at": "resid.2@END", "corruption": "abc", **fields}
    with pytest.raises(Invalid, match=said):
        Spec.from_json(stated)


def test_the_sentence_says_what_the_direction_is() -> None:
    stated = {"metric": "logit_diff", "components": ["resid.2"], "at": "resid.2@END", "corruption": "abc"}
    spec = Spec.from_json(stated)
    assert sentence(spec) == (
        "projecting out the difference in means at resid.2@END between clean prompts and abc-corrupted ones "
        "from resid.2"
    )
    adding = Spec.from_json({**stated, "action": "add", "coefficient": 1.5, "run_on": "corrupted", "minus": "dull"})
    assert sentence(adding) == (
        "adding 1.5 × the difference in means at resid.2@END between clean prompts and 'dull' prompts "
        "to resid.2 in the run on abc-corrupted prompts"
    )
    assert sentence(spec.along_a_random_direction(3)) == (
        "projecting out random direction 3 as long as the difference in means at resid.2@END from resid.2"
    )


def test_an_absence_is_held_against_the_same_direction_in_every_layer(random_model: Loaded) -> None:
    stated = {"components": ["resid.2@END"], "at": "resid.2@END", "corruption": "other", "report": "recovered"}
    claim = {**a_claim("direction", {"between": [-0.1, 0.1]}, **stated), "kind": "absence"}
    control = control_of(bundle := bundle_document(random_model, PAIRS, [claim]), bundle.finding.claims[0])
    assert control is not None
    assert control.control.components == ("resid.0", "resid.1", "resid.2", "resid.3")
