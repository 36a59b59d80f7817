"""Ablation, against models whose weights were changed to do the same, and against means taken by hand."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from tests.engine.made_bundles import PAIRS, a_measurement, arms_of, numbers_in, stated_prompts
from workers.engine.anatomy import Loaded
from workers.engine.documents.components import component
from workers.engine.documents.document import Invalid
from workers.engine.edit import Edit, read
from workers.engine.fit import Population
from workers.engine.loading import load_folder
from workers.engine.measuring import job
from workers.engine.oracle import oracle
from workers.engine.prompts import Refused
from workers.engine.record import record
from workers.engine.techniques.ablation import Spec, sentence

EDITED, FLOOR, CLEAN = ("edited", 0), ("floor", 0), ("clean", 0)
CLOSE = {"abs": 2e-5}


@pytest.fixture(scope="module")
def gpt2(random_checkpoints) -> Loaded:
    return load_folder(random_checkpoints["gpt2"])


def with_weights(loaded: Loaded, change) -> Loaded:
    """A copy of the model, its attention of layer 1 changed."""
    copy = replace(loaded, model=deepcopy(loaded.model))
    with torch.no_grad():
        change(copy.attention(1))
    return copy


def edited(loaded: Loaded, **spec) -> list[float]:
    return numbers_in(arms_of(loaded, PAIRS, "ablation", **spec), EDITED)


def test_zero_ablation_equals_a_model_without_the_heads_output_weights(gpt2: Loaded) -> None:
    d = gpt2.d_head
    without = with_weights(gpt2, lambda attention: attention.c_proj.weight[2 * d : 3 * d].zero_())
    changed = edited(gpt2, components=["1.2"], ablation="zero")
    assert changed == pytest.approx(numbers_in(arms_of(without, PAIRS, "behavior"), CLEAN), **CLOSE)
    assert changed != pytest.approx(numbers_in(arms_of(gpt2, PAIRS, "behavior"), CLEAN), **CLOSE)


def test_folded_zero_ablation_equals_a_model_whose_head_has_only_biases_its_norms_included(gpt2: Loaded) -> None:
    first = 2 * gpt2.d_model + 2 * gpt2.d_head
    values = slice(first, first + gpt2.d_head)

    def leave_only_biases(attention) -> None:
        attention.c_attn.bias[values] += gpt2.layer(1).ln_1.bias @ attention.c_attn.weight[:, values]
        attention.c_attn.weight[:, values].zero_()

    without = with_weights(gpt2, leave_only_biases)
    changed = edited(gpt2, components=["1.2"], ablation="zero", value_bias="folded")
    assert changed == pytest.approx(numbers_in(arms_of(without, PAIRS, "behavior"), CLEAN), **CLOSE)
    assert changed != pytest.approx(edited(gpt2, components=["1.2"], ablation="zero"), **CLOSE)


def by_hand(loaded: Loaded, place: str, values: torch.Tensor) -> list[float]:
    """The logit difference of each stated prompt with (batch, pos, d) written to a place by plain hooks."""
    tokens = torch.tensor([prompt["tokens"] for prompt in PAIRS["prompts"]])
    last = torch.full((len(tokens), 1), tokens.shape[1] - 1)
    logits = oracle(loaded, tokens, [[Edit(component(place), None, values)]], last).logits[0, :, 0]
    return [
        float(row[prompt["right"]].mean() - row[prompt["wrong"]].mean())
        for row, prompt in zip(logits, PAIRS["prompts"], strict=True)
    ]


def values_of(loaded: Loaded, place: str, corruption: str | None = None) -> torch.Tensor:
    tokens = [prompt["corrupted"][corruption] if corruption else prompt["tokens"] for prompt in PAIRS["prompts"]]
    return read(record(loaded, torch.tensor(tokens)), component(place), None)


@pytest.mark.parametrize("place", ["1.2", "mlp.1", "attn.2", "mlp.0.7", "resid.2", "1.2.pattern", "2.1.k"])
def test_a_mean_per_position_is_taken_at_the_same_index_over_all_stated_prompts(random_model: Loaded, place: str):
    values = values_of(random_model, place)
    mean = values.mean(0).expand(len(values), -1, -1)
    assert edited(random_model, components=[place]) == pytest.approx(by_hand(random_model, place, mean), **CLOSE)


def test_a_pooled_mean_is_taken_over_all_positions_of_all_prompts(random_model: Loaded) -> None:
    values = values_of(random_model, "1.2")
    mean = values.mean((0, 1)).expand_as(values)
    changed = edited(random_model, components=["1.2"], mean="pooled")
    assert changed == pytest.approx(by_hand(random_model, "1.2", mean), **CLOSE)


def test_a_mean_over_a_corruption_is_taken_over_the_corrupted_prompts(random_model: Loaded) -> None:
    corrupted = values_of(random_model, "1.2", "other")
    mean = corrupted.mean(0).expand_as(corrupted)
    changed = edited(random_model, components=["1.2"], corruption="other")
    assert changed == pytest.approx(by_hand(random_model, "1.2", mean), **CLOSE)


def test_resampled_values_are_one_other_prompts_own(gpt2: Loaded) -> None:
    two = {**PAIRS, "prompts": PAIRS["prompts"][:2]}
    values = values_of(gpt2, "1.2")[:2].flip(0)  # of two prompts, each is the other's donor
    changed = numbers_in(arms_of(gpt2, two, "ablation", components=["1.2"], ablation="resample"), EDITED)
    padded = torch.cat([values, values[:1]])
    assert changed == pytest.approx(by_hand(gpt2, "1.2", padded)[:2], **CLOSE)


def test_a_donor_depends_on_the_prompt_alone_and_is_never_the_prompt_itself(gpt2: Loaded) -> None:
    made = job(a_measurement(gpt2, PAIRS, "ablation", components=["1.2"], ablation="resample"), 0, gpt2)
    prompts = stated_prompts(made)
    chosen = [made.fit.donor(Population(), prompt) for prompt in prompts]
    assert [made.fit.donor(Population(), prompt) for prompt in prompts[1:]] == chosen[1:]
    assert all(donor != prompt.tokens for donor, prompt in zip(chosen, prompts, strict=True))


def test_at_a_position_only_that_token_is_ablated(gpt2: Loaded) -> None:
    values = values_of(gpt2, "1.2")
    changed = values.clone()
    for row, prompt in enumerate(PAIRS["prompts"]):
        index = prompt["positions"]["MIDDLE"] + 1
        changed[row, index] = values.mean(0)[index]
    assert edited(gpt2, components=["1.2@MIDDLE+1"]) == pytest.approx(by_hand(gpt2, "1.2", changed), **CLOSE)


def test_keeping_every_head_is_the_clean_run_and_keeping_none_is_ablating_all(random_model: Loaded) -> None:
    every = [f"{layer}.{head}" for layer in range(random_model.layers) for head in range(random_model.heads)]
    kept = arms_of(random_model, PAIRS, "ablation", components=every, action="keep_only", report="kept")
    assert numbers_in(kept, EDITED) == pytest.approx(numbers_in(kept, CLEAN), **CLOSE)
    assert numbers_in(kept, FLOOR) == pytest.approx(edited(random_model, components=["*.*"]), **CLOSE)


def test_keeping_some_heads_is_knocking_out_the_others(random_model: Loaded) -> None:
    kept = edited(random_model, components=["0.1", "2.3"], action="keep_only")
    others = [f"{x}.{y}" for x in range(4) for y in range(4) if (x, y) not in ((0, 1), (2, 3))]
    assert kept == pytest.approx(edited(random_model, components=others), **CLOSE)


def test_with_mlps_among_the_others_they_are_ablated_too(gpt2: Loaded) -> None:
    kept = edited(gpt2, components=["0.*", "1.*", "mlp.0"], action="keep_only", others="heads_and_mlps")
    assert kept == pytest.approx(edited(gpt2, components=["2.*", "3.*", "mlp.1", "mlp.2", "mlp.3"]), **CLOSE)


def test_a_head_kept_at_one_position_is_ablated_at_the_others(gpt2: Loaded) -> None:
    others = [f"{x}.{y}" for x in range(4) for y in range(4) if (x, y) != (1, 2)]
    elsewhere = [f"1.2@END-{back}" for back in range(1, 6)]
    kept = edited(gpt2, components=["1.2@END"], action="keep_only")
    assert kept == pytest.approx(edited(gpt2, components=[*others, *elsewhere]), **CLOSE)


def test_what_is_given_stands_in_both_arms(gpt2: Loaded) -> None:
    given = [{"components": ["0.1"], "ablation": "zero"}]
    run = arms_of(gpt2, PAIRS, "ablation", components=["1.2"], ablation="zero", given=given)
    assert numbers_in(run, CLEAN) == pytest.approx(edited(gpt2, components=["0.1"], ablation="zero"), **CLOSE)
    assert numbers_in(run, EDITED) == pytest.approx(edited(gpt2, components=["0.1", "1.2"], ablation="zero"), **CLOSE)


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
@pytest.mark.parametrize("action", ["knock_out", "keep_only"])
def test_replay_and_plain_hooks_agree(model: Loaded, kind: str, action: str) -> None:
    spec = {"components": ["0.1", "1.0@MIDDLE"], "ablation": kind, "action": action}
    fast, slow = (arms_of(model, PAIRS, "ablation", how, **spec) for how in ("replay", "oracle"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key


def test_a_position_outside_the_prompt_is_refused_with_the_prompt_named(gpt2: Loaded) -> None:
    with pytest.raises(Refused, match="outside"):
        edited(gpt2, components=["1.2@END+1"])


def test_a_layout_that_the_fit_has_not_seen_is_refused(gpt2: Loaded) -> None:
    one, other = (
        {**prompt, "template": name} for prompt, name in zip(PAIRS["prompts"], ("one", "other"), strict=False)
    )
    prompts = {"default": {**PAIRS, "prompts": [one, other]}, "fit": {**PAIRS, "prompts": [one]}}
    with pytest.raises(Refused, match="its template 'other.*take a pooled mean"):
        arms_of(gpt2, prompts, "ablation", components=["1.2"], mean_over="fit")
    arms_of(gpt2, prompts, "ablation", components=["1.2"], mean_over="fit", mean="pooled")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ablation": "zero", "mean": "pooled"}, "takes no mean"),
        ({"ablation": "resample", "mean": "pooled"}, "takes no mean"),
        ({"value_bias": "folded"}, "only matters for zero"),
        ({"others": "heads_and_mlps"}, "only matters for keep_only"),
        ({"floor": "zero"}, "only matters for report 'kept'"),
        ({"components": ["9.9[END>IO]"]}, "cannot be ablated"),
        ({"components": ["mlp.1"], "action": "keep_only"}, "cannot be kept"),
        ({"components": ["mlp.1"], "ablation": "zero", "value_bias": "folded"}, "no value bias"),
        ({"components": ["1.2.pattern"], "mean": "pooled"}, "take mean 'per_position'"),
        ({"metric": "attention"}, "not read off"),
        ({"components": []}, "at least 1 item"),
    ],
)
def test_a_field_that_would_not_count_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["1.2"], **fields})


def test_what_kept_is_when_nothing_happens() -> None:
    spec = {"metric": "logit_diff", "components": ["1.2"], "report": "kept"}
    assert Spec.from_json(spec).null_of_kept == 1.0
    assert Spec.from_json({**spec, "action": "keep_only"}).null_of_kept == 0.0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "replacing 1.2 and 9.9@END by the mean over other prompts"),
        ({"ablation": "zero", "value_bias": "folded"}, "replacing 1.2 and 9.9@END by zero (value bias folded)"),
        (
            {"ablation": "resample", "corruption": "abc"},
            "replacing 1.2 and 9.9@END by the values on another abc-corrupted prompt",
        ),
        (
            {"over": "each", "mean": "pooled"},
            "replacing each of 1.2 and 9.9@END alone by the mean over other prompts, pooled over positions",
        ),
        (
            {"action": "keep_only"},
            "keeping only 1.2 and 9.9@END and replacing all other heads by the mean over other prompts",
        ),
    ],
)
def test_the_sentence_says_what_is_written_in_place(fields: dict, words: str) -> None:
    assert sentence(Spec.from_json({"metric": "logit_diff", "components": ["1.2", "9.9@END"], **fields})) == words
