"""Function vectors: means of heads, summed into the residual stream or put back into the heads."""

from __future__ import annotations

import pytest
import torch

from tests.engine.made_bundles import PAIRS, a_measurement, arms_of, numbers_in
from tests.engine.test_direction import CLEAN, CLOSE, CORRUPTED, EDITED, ONE
from workers.engine.anatomy import Loaded
from workers.engine.directions import function_vector
from workers.engine.documents.components import component
from workers.engine.documents.document import Invalid
from workers.engine.fit import Population
from workers.engine.measuring import fit_of
from workers.engine.record import record
from workers.engine.techniques.function_vector import Spec, sentence

SHOWN = {"default": ONE, "shown": {"generator": "pairs", "prompts": PAIRS["prompts"][1:]}}


def vector(loaded: Loaded, prompts=PAIRS, how: str = "replay", **spec):
    stated = {"components": ["1.2@END"], "into": "resid.3@END", "corruption": "other", **spec}
    return arms_of(loaded, prompts, "function_vector", how, **stated)


def test_the_vector_is_the_mean_of_what_the_heads_write(random_model: Loaded) -> None:
    """Each head's z through the output projection by itself, less the bias, on each of the three prompts."""
    fit = fit_of(a_measurement(random_model, PAIRS, "behavior"), random_model)
    found = function_vector(fit, map(component, ("1.2@MIDDLE", "2.0@END")), Population())
    total = torch.zeros(random_model.d_model)
    for prompt in PAIRS["prompts"]:
        run = record(random_model, torch.tensor([prompt["tokens"]]))
        for layer, head, at in ((1, 2, prompt["positions"]["MIDDLE"]), (2, 0, 5)):
            project = random_model.output_projection(layer)
            alone = torch.zeros(random_model.heads, random_model.d_head)
            alone[head] = run.z[layer][0, at, head]
            total += project(alone.flatten()[None])[0] - project(torch.zeros(1, alone.numel()))[0]
    assert torch.allclose(found.float(), total / 3, atol=1e-5)


def test_added_to_the_last_stream_it_is_what_pencil_and_paper_give(random_model: Loaded) -> None:
    """x of the only prompt's last stream; the vector is of two other prompts."""
    fit = fit_of(a_measurement(random_model, {"default": SHOWN["shown"]}, "behavior"), random_model)
    added = function_vector(fit, [component("1.2@END")], Population()).float()
    x = record(random_model, torch.tensor([ONE["prompts"][0]["tokens"]])).resid[-1][0, -1]
    logits = random_model.model.lm_head(random_model.final_norm()(x + added))
    run = vector(random_model, SHOWN, into="resid.4@END", examples="shown", corruption=None)
    assert numbers_in(run, EDITED) == pytest.approx([float(logits[1] - logits[0])], **CLOSE)


def test_patching_all_heads_of_the_last_layer_with_the_only_prompts_own_changes_nothing(random_model: Loaded) -> None:
    heads = [f"3.{head}@END" for head in range(4)]
    own = vector(random_model, ONE, components=heads, action="patch", into=None)
    assert numbers_in(own, EDITED) == pytest.approx(numbers_in(own, CLEAN), **CLOSE)
    other = vector(random_model, ONE, components=heads, action="patch", into=None, run_on="corrupted")
    assert numbers_in(other, EDITED) != pytest.approx(numbers_in(other, CORRUPTED), **CLOSE)


@pytest.mark.parametrize("how", [{}, {"action": "patch", "into": None}])
@pytest.mark.parametrize("run_on", ["clean", "corrupted"])
def test_replay_and_plain_hooks_agree(model: Loaded, how: dict, run_on: str) -> None:
    last = f"resid.{model.layers - 1}@END"
    stated = {"components": ["0.1@END", "1.2@END"], "into": last, "run_on": run_on, **how}
    fast, slow, null = (vector(model, PAIRS, name, **stated) for name in ("replay", "oracle", "null"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key
    untouched = CLEAN if run_on == "clean" else CORRUPTED
    assert numbers_in(null, EDITED) == pytest.approx(numbers_in(null, untouched), **CLOSE)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"into": None}, "write it for add"),
        ({"action": "patch"}, "and only there"),
        ({"into": "resid.9"}, "not one residual stream at a position"),
        ({"into": "resid.*@END"}, "not one residual stream at a position"),
        ({"components": ["1.2"]}, "where its mean is taken as 9.9@END"),
        ({"components": ["mlp.2@END"]}, "no head at a position"),
        ({"components": ["1.2.v@END"]}, "no head at a position"),
        ({"run_on": "corrupted"}, "name a corruption"),
        ({"report": "kept"}, "belongs to ablation"),
    ],
)
def test_what_is_no_function_vector_is_refused(fields: dict, said: str) -> None:
    stated = {"metric": "prob", "components": ["1.2@END"], "into": "resid.9@END", **fields}
    with pytest.raises(Invalid, match=said):
        Spec.from_json(stated)


def test_the_sentence_says_what_is_averaged_over_what() -> None:
    stated = {"metric": "prob", "components": ["1.2@END", "1.3@END"], "into": "resid.2@END", "examples": "shown"}
    assert sentence(Spec.from_json(stated)) == (
        "adding the function vector of 1.2@END and 1.3@END, its mean over 'shown' prompts, to resid.2@END"
    )
    patching = {**stated, "action": "patch", "into": None, "examples": None, "run_on": "corrupted", "corruption": "mix"}
    assert sentence(Spec.from_json({**patching, "over": "each"})) == (
        "putting the mean over clean prompts of the same kind of each of 1.2@END and 1.3@END alone into the heads "
        "themselves in the run on mix-corrupted prompts"
    )
