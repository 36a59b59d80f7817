"""Activation patching: identities that hold on any model, and agreement with plain hooks."""

from __future__ import annotations

import pytest

from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.techniques.activation_patching import Spec, sentence

EDITED, CLEAN, CORRUPTED = ("edited", 0), ("clean", 0), ("corrupted", 0)
CLOSE = {"abs": 2e-5}


def patched(loaded: Loaded, how: str = "replay", **spec):
    return arms_of(loaded, PAIRS, "activation_patching", how, corruption="other", **spec)


@pytest.mark.parametrize("place", ["embed", "resid.0", "resid.2", "resid.4@END"])
def test_the_whole_clean_residual_brings_the_clean_number_back(random_model: Loaded, place: str) -> None:
    run = patched(random_model, components=[place])
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)
    assert numbers_in(run, EDITED) != pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


@pytest.mark.parametrize("place", ["embed", "resid.2"])
def test_noising_the_whole_residual_gives_the_corrupted_number(random_model: Loaded, place: str) -> None:
    run = patched(random_model, components=[place], direction="noise")
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


def test_where_both_runs_are_alike_patching_changes_nothing(random_model: Loaded) -> None:
    """The prompts' first three tokens are never corrupted, and a causal model knows nothing of what follows."""
    unchanged = patched(random_model, components=["2.1@END-5", "mlp.1@END-3", "resid.1@END-4"])
    assert numbers_in(unchanged, EDITED) == pytest.approx(numbers_in(unchanged, CORRUPTED), **CLOSE)
    assert unchanged.changes[EDITED] == pytest.approx(0.0, abs=1e-5)


def test_patching_every_write_to_the_last_residual_stream_is_patching_the_stream(random_model: Loaded) -> None:
    writes = [f"{kind}.{layer}" for kind in ("attn", "mlp") for layer in range(random_model.layers)]
    together = patched(random_model, components=["embed", *writes])
    assert numbers_in(together, EDITED) == pytest.approx(numbers_in(together, CLEAN), **CLOSE)


@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize(
    "components",
    [
        ["1.2"],
        ["0.1@MIDDLE", "1.2"],
        ["1.0.q", "1.1.k", "1.2.v"],
        ["attn.1", "mlp.0@MIDDLE"],
        ["mlp.1.5"],
        ["resid.1@END-1"],
    ],
)
def test_replay_and_plain_hooks_agree(model: Loaded, direction: str, components: list[str]) -> None:
    fast, slow = (patched(model, how, components=components, direction=direction) for how in ("replay", "oracle"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key


def test_a_null_edit_leaves_the_run_as_it_is(model: Loaded) -> None:
    run = patched(model, "null", components=["1.2", "mlp.0", "0.1@MIDDLE"])
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


def test_a_contrast_is_a_second_arm_on_the_same_prompts(random_model: Loaded) -> None:
    run = patched(random_model, components=["1.2"], contrast=["2.1"])
    alone = patched(random_model, components=["2.1"])
    assert numbers_in(run, ("contrast", 0)) == pytest.approx(numbers_in(alone, EDITED), **CLOSE)


def test_members_are_the_group_without_one(random_model: Loaded) -> None:
    group = patched(random_model, components=["1.2", "2.1", "3.0"])
    without = patched(random_model, components=["1.2", "3.0"])
    assert numbers_in(group, ("member", 1)) == pytest.approx(numbers_in(without, EDITED), **CLOSE)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"corruption": None}, "name a corruption|needs a second run"),
        ({"report": "kept"}, "belongs to ablation"),
        ({"components": ["1.2[END>IO]"]}, "cannot be patched"),
        ({"components": ["logits"]}, "cannot be patched"),
        ({"contrast": ["logits"]}, "cannot be patched"),
    ],
)
def test_what_cannot_be_patched_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["1.2"], "corruption": "abc", **fields})


def test_it_reports_the_recovered_share_unless_told_otherwise() -> None:
    spec = Spec.from_json({"metric": "logit_diff", "components": ["1.2"], "corruption": "abc"})
    assert (spec.report, spec.statistic, spec.base) == ("recovered", "ratio_of_means", "corrupted")
    assert Spec.from_json({**spec.values(), "direction": "noise"}).base == "clean"


def test_the_sentence_says_which_way_values_go() -> None:
    spec = {"metric": "logit_diff", "components": ["1.2@END"], "corruption": "abc"}
    assert sentence(Spec.from_json(spec)) == (
        "putting the clean values of 1.2@END into the run on abc-corrupted prompts"
    )
    noise = {**spec, "direction": "noise", "given": [{"components": ["0.1", "0.2"]}]}
    assert sentence(Spec.from_json(noise)) == (
        "putting the values of 1.2@END on abc-corrupted prompts into the clean run, "
        "given that 0.1 and 0.2 are mean-ablated"
    )
