"""Steering: the same edits as a direction's, counted in differences or in lengths of the residual stream."""

from __future__ import annotations

import pytest
import torch

from tests.engine.made_bundles import PAIRS, a_measurement, arms_of, numbers_in
from tests.engine.test_direction import CLEAN, CLOSE, CORRUPTED, EDITED, ONE
from tests.engine.test_logit_lens import hidden_states
from workers.engine.anatomy import Loaded
from workers.engine.directions import values_at
from workers.engine.documents.components import component
from workers.engine.documents.document import Invalid
from workers.engine.fit import Population
from workers.engine.measuring import fit_of
from workers.engine.techniques.steering import Spec, sentence

LAST = "resid.4@END"
TWO_KINDS = {"default": PAIRS, "yes": ONE, "no": {"generator": "pairs", "prompts": [PAIRS["prompts"][2]]}}
"""Two kinds of a single prompt each: the difference of a stated pair."""


def steered(loaded: Loaded, prompts=PAIRS, how: str = "replay", **spec):
    return arms_of(loaded, prompts, "steering", how, **{"components": [LAST], "corruption": "other", **spec})


def test_one_difference_steers_the_corrupted_run_of_the_only_prompt_to_the_clean_number(random_model: Loaded) -> None:
    run = steered(random_model, ONE, coefficient=1, run_on="corrupted")
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)
    assert numbers_in(run, EDITED) != pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


def test_one_length_is_how_long_the_stream_is(random_model: Loaded) -> None:
    """On the only prompt's last streams x and y: x + |x| (x - y) / |x - y| is unembedded."""
    fit = fit_of(a_measurement(random_model, ONE, "behavior"), random_model)
    x, y = (values_at(fit, component(LAST), Population(corruption=name))[0] for name in (None, "other"))
    steered_to = x + x.norm() * (x - y) / (x - y).norm()
    logits = random_model.model.lm_head(random_model.final_norm()(steered_to.float()))
    run = steered(random_model, ONE, coefficient=1, counted_in="lengths")
    assert numbers_in(run, EDITED) == pytest.approx([float(logits[1] - logits[0])], **CLOSE)


def test_a_stated_pair_is_two_kinds_of_one_prompt_each(random_model: Loaded) -> None:
    stated = {"plus": "yes", "minus": "no", "corruption": None}
    seen = []
    for prompt in (PAIRS["prompts"][0], PAIRS["prompts"][2]):
        seen.append(hidden_states(random_model, [prompt["tokens"]])[2][0, -1])
    stated = {"coefficient": 2, "components": ["resid.2@END"], **stated}
    fit = fit_of(a_measurement(random_model, TWO_KINDS, "steering", **stated), random_model)
    yes, no = (values_at(fit, component("resid.2@END"), Population(name))[0] for name in ("plus", "minus"))
    assert torch.allclose((yes - no).float(), seen[0] - seen[1], atol=1e-5)
    run = steered(random_model, TWO_KINDS, **stated)
    assert numbers_in(run, EDITED) != pytest.approx(numbers_in(run, CLEAN), **CLOSE)


@pytest.mark.parametrize("run_on", ["clean", "corrupted"])
@pytest.mark.parametrize("counted_in", ["differences", "lengths"])
def test_replay_and_plain_hooks_agree(model: Loaded, run_on: str, counted_in: str) -> None:
    stated = {"components": ["resid.1", "mlp.1"], "at": "resid.1@END-1", "counted_in": counted_in, "run_on": run_on}
    fast, slow = (steered(model, PAIRS, how, coefficient=-0.5, **stated) for how in ("replay", "oracle"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"coefficient": 0}, "adds nothing"),
        ({"components": ["resid.2"]}, "write where the direction is fitted"),
        ({"components": ["resid.*@END"]}, "write where the direction is fitted"),
        ({"components": ["1.2@END"]}, "name resid, embed, attn or mlp"),
        ({"corruption": None}, "name a corruption, or minus"),
        ({"report": "kept"}, "belongs to ablation"),
    ],
)
def test_what_does_not_steer_is_refused(fields: dict, said: str) -> None:
    stated = {"metric": "logit_diff", "components": ["resid.2@END"], "coefficient": 2, "corruption": "abc", **fields}
    with pytest.raises(Invalid, match=said):
        Spec.from_json(stated)


def test_the_sentence_says_how_far_and_where_to() -> None:
    stated = {"metric": "logit_diff", "components": ["resid.2@END"], "coefficient": -2, "plus": "yes", "minus": "no"}
    assert sentence(Spec.from_json(stated)) == (
        "steering resid.2@END by -2 × the difference in means at that place between 'yes' prompts and 'no' prompts"
    )
    assert sentence(Spec.from_json({**stated, "counted_in": "lengths", "at": "resid.1@END"})) == (
        "steering resid.2@END by -2 × the length of the residual stream along the difference in means at resid.1@END "
        "between 'yes' prompts and 'no' prompts"
    )
