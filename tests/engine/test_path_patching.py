"""Path patching: identities that hold on any model, answers worked out by hand, and agreement with plain hooks."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from tests.engine.made_bundles import PAIRS, a_control, arms_of, bundle_document, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.loading import load_folder
from workers.engine.record import record
from workers.engine.techniques.path_patching import Spec, sentence

EDITED, CLEAN, CORRUPTED = ("edited", 0), ("clean", 0), ("corrupted", 0)
CLOSE = {"abs": 2e-5}


@pytest.fixture(scope="module")
def gpt2(random_checkpoints) -> Loaded:
    return load_folder(random_checkpoints["gpt2"])


def patched(loaded: Loaded, how: str = "replay", technique: str = "path_patching", **spec):
    return arms_of(loaded, PAIRS, technique, how, corruption="other", **spec)


@pytest.mark.parametrize("mlps", ["recomputed", "frozen"])
@pytest.mark.parametrize(
    "path",
    [
        {"components": ["1.2", "2.1"]},
        {"components": ["0.1@END", "mlp.1"]},
        {"components": ["attn.1", "mlp.0@MIDDLE"], "receivers": ["2.1.k", "3.0.v"]},
        {"components": ["0.3@END"], "receivers": ["2.1.q@END"]},
        {"components": ["0.1", "1.0"], "receivers": ["1.1", "2.2.q", "mlp.3"]},
        {"components": ["resid.1@MIDDLE"], "receivers": ["2.3.v", "resid.3@MIDDLE"]},
        {"components": ["0.2"], "receivers": ["mlp.0", "2.3.v"]},
        {"components": ["embed"], "receivers": ["1.2.k@MIDDLE"]},
        {"components": ["0.0"], "through": ["1.1.k"], "receivers": ["logits"]},
        {"components": ["0.0", "0.1"], "through": ["1.1", "mlp.2@END"], "receivers": ["3.3.q"]},
        {"components": ["embed@MIDDLE"], "through": ["0.2.v", "1.3.v"], "receivers": ["2.0"], "direction": "noise"},
    ],
)
def test_frozen_runs_and_plain_hooks_agree(random_model: Loaded, path: dict, mlps: str) -> None:
    fast, slow = (patched(random_model, how, mlps=mlps, **path) for how in ("replay", "oracle"))
    assert fast.wrote
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key


def test_a_null_edit_leaves_the_run_as_it_is(random_model: Loaded) -> None:
    for path in ({}, {"receivers": ["2.1", "mlp.2"]}, {"through": ["1.2", "2.0.v"]}):
        run = patched(random_model, "null", components=["0.2", "mlp.0@MIDDLE"], **path)
        assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


def test_all_that_is_written_to_the_residual_stream_reaches_the_logits_directly(random_model: Loaded) -> None:
    writes = [f"{kind}.{layer}" for kind in ("attn", "mlp") for layer in range(random_model.layers)]
    run = patched(random_model, components=["embed", *writes], mlps="frozen")
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)


def test_recomputed_mlps_answer_to_all_heads_and_embeddings(random_model: Loaded) -> None:
    run = patched(random_model, components=["embed", *(f"attn.{layer}" for layer in range(random_model.layers))])
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)


def test_a_direct_effect_is_the_heads_own_write_added_to_the_final_residual(gpt2: Loaded) -> None:
    """Frozen MLPs, no post-norms: resid' = resid + (z_clean - z_corrupted) W_O, then final norm and unembedding."""
    run = patched(gpt2, components=["1.2"], mlps="frozen")
    prompts = PAIRS["prompts"]
    clean, corrupted = (
        record(gpt2, torch.tensor(tokens))
        for tokens in ([one["tokens"] for one in prompts], [one["corrupted"]["other"] for one in prompts])
    )
    written = (clean.z[1][:, -1, 2] - corrupted.z[1][:, -1, 2]) @ gpt2.W_O(1)[2]
    normed = gpt2.final_norm()(corrupted.resid[-1][:, -1] + written)
    logits = normed @ gpt2.model.lm_head.weight.T
    by_hand = [
        float(row[one["right"]].mean() - row[one["wrong"]].mean()) for row, one in zip(logits, prompts, strict=True)
    ]
    assert numbers_in(run, EDITED) == pytest.approx(by_hand, **CLOSE)


@pytest.mark.parametrize(
    ("sender", "receiver"), [("0.2", "resid.1"), ("0.2@MIDDLE", "resid.1"), ("mlp.1", "resid.2"), ("3.1", "logits")]
)
def test_a_path_that_is_the_only_way_is_activation_patching(random_model: Loaded, sender: str, receiver: str) -> None:
    """What head 0.2 changes, its layer's MLP recomputed, all goes by the residual entering layer 1."""
    path = patched(random_model, components=[sender], receivers=[receiver])
    everywhere = patched(random_model, technique="activation_patching", components=[sender])
    assert numbers_in(path, EDITED) == pytest.approx(numbers_in(everywhere, EDITED), **CLOSE)


def test_by_way_of_a_head_is_that_head_patched_with_what_the_sender_alone_makes_it_say(random_model: Loaded) -> None:
    """0.2 -> 1.1 -> logits: frozen from 1.1 on, with the z it has where 0.2 alone was patched; MLPs frozen."""
    by_way = patched(random_model, components=["0.2"], through=["1.1"], mlps="frozen")
    beside = patched(random_model, components=["0.2"], receivers=["1.1"], mlps="frozen")
    direct = patched(random_model, components=["0.2"], mlps="frozen")
    assert numbers_in(by_way, EDITED) != pytest.approx(numbers_in(beside, EDITED), **CLOSE)
    assert numbers_in(by_way, EDITED) != pytest.approx(numbers_in(direct, EDITED), **CLOSE)
    last = {"components": ["2.2"], "through": ["3.1"], "mlps": "frozen"}
    answering = patched(random_model, components=["2.2"], receivers=["3.1"], mlps="frozen")
    frozen = patched(random_model, **last)
    # behind the last head only its layer's MLP is left to answer: without it the two are one
    without = without_mlp(random_model, 3)
    assert numbers_in(patched(without, **last), EDITED) == pytest.approx(
        numbers_in(patched(without, components=["2.2"], receivers=["3.1"], mlps="frozen"), EDITED), **CLOSE
    )
    assert numbers_in(frozen, EDITED) != pytest.approx(numbers_in(answering, EDITED), **CLOSE)


def test_frozen_and_recomputed_mlps_are_two_numbers_unless_no_mlp_lies_between(random_model: Loaded) -> None:
    between = [patched(random_model, components=["0.2"], receivers=["2.1.q"], mlps=m) for m in ("frozen", "recomputed")]
    assert numbers_in(between[0], EDITED) != pytest.approx(numbers_in(between[1], EDITED), **CLOSE)
    beside = [
        patched(random_model, components=["resid.2"], receivers=["2.1.q"], mlps=m) for m in ("frozen", "recomputed")
    ]
    assert numbers_in(beside[0], EDITED) == pytest.approx(numbers_in(beside[1], EDITED), **CLOSE)


def test_the_query_alone_is_not_the_whole_head(random_model: Loaded) -> None:
    whole, query = (patched(random_model, components=["0.2"], receivers=[place]) for place in ("2.1", "2.1.q"))
    parts = patched(random_model, components=["0.2"], receivers=["2.1.q", "2.1.k", "2.1.v"])
    assert numbers_in(whole, EDITED) == numbers_in(parts, EDITED)
    assert numbers_in(whole, EDITED) != pytest.approx(numbers_in(query, EDITED), **CLOSE)


@pytest.mark.parametrize(
    "path",
    [
        {"components": ["1.2@MIDDLE"]},
        {"components": ["0.2@END"], "receivers": ["2.1.k@MIDDLE"]},
        {"components": ["0.2@END"], "through": ["1.1.k@MIDDLE"], "receivers": ["2.1"]},
        {"components": ["3.2", "0.1@END-5"], "receivers": ["2.1"]},
    ],
)
def test_where_no_path_leads_nothing_was_changed(random_model: Loaded, path: dict) -> None:
    """Another position, or a position whose token is the same in both runs."""
    run = patched(random_model, **path)
    assert run.changes[EDITED] == 0.0
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


def copied(loaded: Loaded) -> Loaded:
    return replace(loaded, model=deepcopy(loaded.model))


def without_mlp(loaded: Loaded, layer: int) -> Loaded:
    """Its MLP of one layer gives zeros."""
    copy = copied(loaded)
    with torch.no_grad():
        for parameter in copy.down_projection(layer).parameters():
            parameter.zero_()
    return copy


def test_a_claim_of_a_path_into_a_query_that_is_not_there_changes_nothing(gpt2: Loaded) -> None:
    """Planted: the query of 2.1 is the same whatever it reads, its keys are not."""
    planted = copied(gpt2)
    width = gpt2.d_head
    with torch.no_grad():
        planted.attention(2).c_attn.weight[:, width : 2 * width].zero_()
    query, key = (patched(planted, components=["0.2"], receivers=[f"2.1.{part}"]) for part in ("q", "k"))
    assert (query.changes[EDITED], query.wrote) == (0.0, True)
    assert key.changes[EDITED] > 0.01
    assert numbers_in(key, EDITED) != pytest.approx(numbers_in(key, CORRUPTED), **CLOSE)


def test_a_receiver_that_says_nothing_is_a_measured_zero(gpt2: Loaded) -> None:
    """Planted: what 2.1 attends to changes, but it writes nothing."""
    planted = copied(gpt2)
    width = gpt2.d_head
    with torch.no_grad():
        planted.attention(2).c_proj.weight[width : 2 * width].zero_()
    run = patched(planted, components=["0.2"], receivers=["2.1"])
    assert run.changes[EDITED] > 0.01
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CORRUPTED), **CLOSE)


def test_one_sender_at_a_time_is_the_same_as_many_in_one_batch(random_model: Loaded) -> None:
    every = patched(random_model, components=["*.*"], receivers=["3.1.q"], over="each")
    alone = patched(random_model, components=["1.3"], receivers=["3.1.q"])
    assert numbers_in(every, ("edited", 7)) == pytest.approx(numbers_in(alone, EDITED), **CLOSE)
    assert every.changes["edited", 15] == 0.0  # 3.3 speaks after 3.1 has read


def test_senders_that_begin_in_different_layers_ride_together_to_the_logits(random_model: Loaded) -> None:
    places = ["0.0", "0.2", "1.3", "2.2", "3.1", "resid.2", "resid.4"]
    every = patched(random_model, components=places, receivers=["logits"], over="each")
    for number, text in enumerate(places):
        alone = patched(random_model, components=[text], receivers=["logits"])
        assert numbers_in(every, ("edited", number)) == pytest.approx(numbers_in(alone, EDITED), **CLOSE), text


def test_random_senders_are_only_those_that_can_reach_the_receiver(gpt2: Loaded) -> None:
    spec = {"components": ["0.2", "1.0"], "receivers": ["2.1.q"], "corruption": "other"}
    control = a_control(gpt2, PAIRS, "path_patching", {"at_least": 0.1}, **spec).control
    assert {"2.0", "3.3", "mlp.2", "attn.2"} <= set(control.exclude)
    assert not {"1.3", "mlp.1", "attn.1"} & set(control.exclude)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"corruption": None}, "name a corruption|needs a second run"),
        ({"report": "kept"}, "belongs to ablation"),
        ({"given": [{"components": ["0.1"]}]}, "remove given"),
        ({"components": ["1.2.q"]}, "sends nothing"),
        ({"components": ["logits"]}, "sends nothing"),
        ({"components": ["mlp.1.5"]}, "sends nothing"),
        ({"receivers": ["3.1.pattern"]}, "receives nothing"),
        ({"receivers": ["attn.3"]}, "receives nothing"),
        ({"receivers": ["logits", "3.1.q"]}, "alone"),
        ({"receivers": ["logits@END"]}, "alone"),
        ({"receivers": ["1.1.q"]}, "no path from 1.2 to 1.1.q"),
        ({"components": ["mlp.1"], "receivers": ["mlp.1"]}, "no path"),
        ({"through": ["2.1"], "receivers": ["2.2"]}, "no path from 2.1 to 2.2"),
        ({"through": ["resid.2"]}, "cannot lie on a path"),
        ({"through": ["2.*"]}, "cannot lie on a path"),
        ({"through": ["#movers"]}, "cannot lie on a path"),
    ],
)
def test_what_is_no_path_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["1.2"], "corruption": "abc", **fields})


def test_a_receiver_that_the_model_does_not_have_is_refused_when_saved(gpt2: Loaded) -> None:
    spec = {"metric": "logit_diff", "components": ["1.2"], "corruption": "other", "receivers": ["9.1.q"]}
    claim = {"id": "a", "technique": "path_patching", "spec": spec, "expect": {"at_least": 0.1}}
    with pytest.raises(Invalid, match="the model has 4 layers"):
        bundle_document(gpt2, PAIRS, [claim])


def test_a_path_by_way_of_several_places_keeps_their_order() -> None:
    spec = {"metric": "logit_diff", "components": ["0.1"], "corruption": "abc", "through": ["2.1", "10.0", "11.3.q"]}
    assert Spec.from_json(spec).through == ("2.1", "10.0", "11.3.q")


def test_the_sentence_says_the_path_and_what_mlps_do() -> None:
    spec = {"metric": "logit_diff", "components": ["1.2@END"], "corruption": "abc"}
    assert sentence(Spec.from_json(spec)) == (
        "patching the path from 1.2@END to logits with clean values in the run on abc-corrupted prompts, "
        "MLPs recomputed"
    )
    more = {"direction": "noise", "mlps": "frozen", "through": ["2.1"], "receivers": ["3.0.q"]}
    assert sentence(Spec.from_json({**spec, **more})) == (
        "patching the path from 1.2@END by way of 2.1 to 3.0.q with the values on abc-corrupted prompts in the clean "
        "run, MLPs keeping what they gave"
    )
