"""Faithfulness of a circuit of edges: what must hold of any model, a number worked out by hand, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.engine.conftest import DEVICE, write_checkpoint
from tests.engine.made_bundles import PAIRS, a_claim, a_measurement, arms_of, bundle_document, numbers_in
from tests.engine.made_families import MADE
from tests.engine.made_toys import write_toy
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.documents.reach import can_reach
from workers.engine.edge_gradients import nodes_of
from workers.engine.edit import CannotEdit
from workers.engine.loading import load_folder
from workers.engine.techniques.faithfulness import Spec, passes, sentence

EDITED, FLOOR, CLEAN = ("edited", 0), ("floor", 0), ("clean", 0)
CLOSE = {"abs": 5e-5}
Edge = tuple[str, str]


def kept(loaded: Loaded, edges: list[Edge], how: str = "replay", prompts: dict = PAIRS, **spec):
    return arms_of(loaded, prompts, "faithfulness", how, edges=[list(edge) for edge in edges], **spec)


def all_edges(loaded: Loaded) -> list[Edge]:
    nodes = nodes_of(loaded)
    pairs = [(one, other) for one in nodes.senders for other in nodes.receivers if can_reach(one, other)]
    return [(str(one), str(other)) for one, other in pairs]


SOME: list[Edge] = [
    ("embed", "0.1.v"),
    ("embed", "mlp.0"),
    ("0.1", "mlp.0"),
    ("0.1", "2.3.q"),
    ("mlp.0", "2.3.k"),
    ("embed", "2.3.v"),
    ("mlp.0", "2.2.k"),
    ("0.2", "2.2.v"),
    ("embed", "0.2"),
    ("2.3", "logits"),
    ("2.2", "logits"),
    ("2.3", "mlp.2"),
    ("mlp.2", "logits"),
]
RESAMPLED = {"ablation": "resample", "corruption": "other"}
ABLATIONS = [{"ablation": "zero"}, {"ablation": "mean"}, RESAMPLED]
FIXED = ABLATIONS[:2]  # which prompt is resampled depends on the measurement

# One of each layout that matters: parallel blocks, shared keys, norms of q and k, multipliers.
FAMILIES = ("gptj", "falcon/7b", "falcon/40b", "falcon/rw", "qwen3", "granite", "opt")


@pytest.fixture(params=FAMILIES, scope="module")
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_folder(write_checkpoint(tmp_path_factory.mktemp("family"), MADE[request.param]()), DEVICE)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_all_edges_are_the_clean_run(random_model: Loaded, ablation: dict) -> None:
    run = kept(random_model, all_edges(random_model), **ablation)
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)
    assert run.changes[EDITED] == 0


def test_all_edges_are_the_clean_run_in_every_layout(family: Loaded) -> None:
    run = kept(family, all_edges(family))
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)
    assert numbers_in(run, FLOOR) != pytest.approx(numbers_in(run, CLEAN), abs=1e-2)


@pytest.mark.parametrize("ablation", FIXED)
def test_without_the_edges_of_one_head_it_is_that_head_ablated(random_model: Loaded, ablation: dict) -> None:
    edges = [edge for edge in all_edges(random_model) if edge[0] != "1.2"]
    whole = arms_of(random_model, PAIRS, "ablation", components=["1.2"], **ablation)
    assert numbers_in(kept(random_model, edges, **ablation), EDITED) == pytest.approx(
        numbers_in(whole, EDITED), **CLOSE
    )
    assert numbers_in(whole, EDITED) != pytest.approx(numbers_in(whole, CLEAN), abs=1e-3)


def test_without_the_edges_of_one_mlp_it_is_that_mlp_ablated_in_every_layout(family: Loaded) -> None:
    edges = [edge for edge in all_edges(family) if edge[0] not in ("mlp.0", "1.3")]
    whole = arms_of(family, PAIRS, "ablation", components=["mlp.0", "1.3"])
    assert numbers_in(kept(family, edges), EDITED) == pytest.approx(numbers_in(whole, EDITED), **CLOSE)


@pytest.mark.parametrize("ablation", FIXED)
def test_all_edges_among_some_components_are_these_kept_alone(random_model: Loaded, ablation: dict) -> None:
    """With the embedding among them, which node-level ablation never touches."""
    circuit = ["0.1", "1.2", "2.0", "mlp.1", "mlp.3"]
    edges = [edge for edge in all_edges(random_model) if edge[0] in (*circuit, "embed")]
    alone = arms_of(random_model, PAIRS, "faithfulness", components=circuit, others="heads_and_mlps", **ablation)
    run = kept(random_model, edges, **ablation)
    assert numbers_in(run, EDITED) == pytest.approx(numbers_in(alone, EDITED), **CLOSE)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_layer_by_layer_and_a_call_for_each_receiver_agree(random_model: Loaded, ablation: dict) -> None:
    fast, slow = (kept(random_model, SOME, how, **ablation) for how in ("replay", "oracle"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), **CLOSE), key
    assert numbers_in(fast, EDITED) != pytest.approx(numbers_in(fast, FLOOR), abs=1e-3)
    assert numbers_in(fast, EDITED) != pytest.approx(numbers_in(fast, CLEAN), abs=1e-3)
    assert fast.changes[EDITED] > 0.1


def test_they_agree_in_every_layout(family: Loaded) -> None:
    fast, slow = (kept(family, SOME, how) for how in ("replay", "oracle"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), **CLOSE), key


def test_one_cut_edge_is_heard_by_its_receiver_alone(random_model: Loaded) -> None:
    """To cut an edge into q is another thing than to cut it into k, and both than to cut neither."""
    whole = all_edges(random_model)
    cut = [("mlp.0", "1.2.q"), ("mlp.0", "1.2.k"), ("mlp.0", "1.3.k"), ("mlp.0", "mlp.1")]
    numbers = [numbers_in(kept(random_model, [edge for edge in whole if edge != one]), EDITED) for one in cut]
    for i, found in enumerate(numbers):
        for other in numbers[:i]:
            assert found != pytest.approx(other, abs=1e-4)


def test_a_null_edit_leaves_the_run_as_it_is(random_model: Loaded) -> None:
    run = kept(random_model, SOME, "null")
    for key in (EDITED, FLOOR):
        assert numbers_in(run, key) == pytest.approx(numbers_in(run, CLEAN), **CLOSE)
    assert run.changes[EDITED] == 0


# Two layers of uniform attention over one-hot embeddings; the first head of each passes on what it reads.
CHAIN: list[Edge] = [("embed", "0.0.v"), ("0.0", "1.0.v"), ("1.0", "logits")]
NAMED = {"tokens": [0, 1, 2], "corrupted": {"other": [0, 3, 2]}, "right": [1], "wrong": [3]}
PROMPT = {"generator": "pairs", "prompts": [NAMED]}


@pytest.fixture(scope="module")
def averaging(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    config = {"n_layers": 2, "n_heads": 2, "d_model": 4, "d_head": 4, "d_vocab": 4, "n_ctx": 3}
    config |= {"attn_only": True, "normalization_type": None, "act_fn": None}
    nothing, axes = torch.zeros(4, 4), torch.eye(4)
    weights: dict[str, Tensor] = {"embed.W_E": axes, "pos_embed.W_pos": torch.zeros(3, 4), "unembed.W_U": axes.clone()}
    for layer in range(2):
        weights[f"blocks.{layer}.attn.W_Q"] = torch.stack([nothing, nothing])
        weights[f"blocks.{layer}.attn.W_K"] = torch.stack([nothing, nothing])
        weights[f"blocks.{layer}.attn.W_V"] = torch.stack([axes, axes])
        weights[f"blocks.{layer}.attn.W_O"] = torch.stack([axes, nothing])
    return load_folder(write_toy(tmp_path_factory.mktemp("averaging"), config, weights))


@pytest.mark.parametrize("how", ["replay", "oracle"])
@pytest.mark.parametrize(
    ("edges", "at_end"),
    [
        # 0.0 writes 1, 1/2, 1/3 of token 0 and 0, 1/2, 1/3 of token 1; 1.0 writes their means, 11/18 and 5/18
        (CHAIN, 5 / 18),
        ([*CHAIN, ("embed", "1.0.v")], 5 / 18 + 1 / 3),
        ([*CHAIN, ("0.0", "logits")], 5 / 18 + 1 / 3),
        ([("embed", "0.0.v"), ("0.0", "1.0.k"), ("1.0", "logits")], 0),
        (CHAIN[1:], 0),
        (CHAIN[:2], 0),
    ],
)
def test_a_chain_of_edges_by_hand(averaging: Loaded, how: str, edges: list[Edge], at_end: float) -> None:
    """Zero ablation: the logit of token 1 at the end, no one says anything of token 3."""
    run = kept(averaging, edges, how, PROMPT, ablation="zero")
    assert numbers_in(run, EDITED) == pytest.approx([at_end], abs=1e-6)
    assert numbers_in(run, CLEAN) == pytest.approx([5 / 18 + 2 / 3], abs=1e-6)


def test_what_is_cut_carries_what_was_written_on_the_corrupted_prompt(averaging: Loaded) -> None:
    """Token 3 in place of 1: a third by 0.0 into the logits, and a third by the embedding into 1.0, both cut."""
    run = kept(averaging, CHAIN, prompts=PROMPT, **RESAMPLED)
    assert numbers_in(run, EDITED) == pytest.approx([5 / 18 - 2 / 3], abs=1e-6)
    assert numbers_in(run, FLOOR) == pytest.approx([-5 / 18 - 2 / 3], abs=1e-6)


@pytest.mark.parametrize("family", ["gemma2", "olmo2", "opt/350m", "opt/post-norm"])
def test_where_a_norm_stands_between_writes_and_stream_there_are_no_edges(family: str, tmp_path: Path) -> None:
    loaded = load_folder(write_checkpoint(tmp_path, MADE[family]()), DEVICE)
    with pytest.raises(CannotEdit, match="name components instead"):
        kept(loaded, SOME)


@pytest.mark.parametrize(
    ("edge", "said"),
    [
        (["#movers", "logits"], "for each member of the group"),
        (["*.*", "logits"], "write its layer and head"),
        (["mlp.*", "logits"], "write its layer and head"),
        (["0.1@END", "logits"], "write 0.1"),
        (["0.1.q", "logits"], "no sender"),
        (["resid.1", "logits"], "no sender"),
        (["0.1", "resid.1"], "no receiver"),
        (["0.1", "1.2.pattern"], "no receiver"),
        (["1.2", "0.1.q"], "there is no edge from 1.2 to 0.1.q"),
        (["1.2", "1.1.q"], "there is no edge"),
        (["0.1", "heads"], "names no component"),
    ],
)
def test_what_is_no_edge_is_refused(edge: list[str], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "edges": [edge]})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"components": ["0.1"]}, "remove one of the two"),
        ({"others": "heads"}, "remove others"),
        ({"given": [{"components": ["0.2"]}]}, "remove given"),
        ({"over": "each"}, "remove over"),
        ({"contrast": ["0.2"]}, "remove contrast"),
        ({"edges": []}, "name the circuit"),
        ({"edges": None}, "name the circuit"),
    ],
)
def test_what_does_not_go_with_edges_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "edges": [["0.1", "logits"]], **fields})


def test_a_head_as_receiver_is_its_q_k_and_v_and_order_means_nothing() -> None:
    one = Spec.from_json({"metric": "logit_diff", "edges": [["0.1", "1.2"], ["embed", "logits"]]})
    three = [["embed", "logits"], ["0.1", "1.2.v"], ["0.1", "1.2.k"], ["0.1", "1.2.q"], ["0.1", "1.2.v"]]
    other = Spec.from_json({"metric": "logit_diff", "edges": three})
    assert one.sha256 == other.sha256
    assert Spec.from_json(one.values()) == one


def test_a_circuit_of_components_keeps_its_hash() -> None:
    """The field came later."""
    assert "edges" not in Spec.from_json({"metric": "logit_diff", "components": ["1.2"]}).values()


def test_an_edge_of_a_component_that_the_model_does_not_have_is_refused(random_model: Loaded) -> None:
    for edge in (["4.0", "logits"], ["0.1", "1.4.q"], ["mlp.0", "mlp.7"]):
        with pytest.raises(Invalid, match="the model has 4"):
            a_measurement(random_model, PAIRS, "faithfulness", edges=[edge])


def test_the_cost_grows_with_what_the_receivers_of_one_layer_read() -> None:
    """Into layer 2 lead embed, 0.1, 0.2, mlp.0 and 2.3, each to receivers of its own."""
    assert passes(Spec.from_json({"metric": "logit_diff", "edges": [list(edge) for edge in SOME]})) == 3 + 5
    assert passes(Spec.from_json({"metric": "logit_diff", "components": ["1.2"]})) == 1


def test_the_sentence_names_the_first_edges() -> None:
    spec = {"metric": "logit_diff", "edges": [["0.1", "1.2.q"], ["1.2", "logits"]], "ablation": "zero"}
    assert sentence(Spec.from_json(spec)) == (
        "keeping only the edges 0.1 → 1.2.q and 1.2 → logits and having all other edges carry zero"
    )
    many = {**spec, "edges": [["embed", f"{layer}.{head}.q"] for layer in range(4) for head in range(4)]}
    assert "0.0.q" in sentence(Spec.from_json(many)) and "and 4 more" in sentence(Spec.from_json(many))


def test_an_absence_is_compared_with_a_circuit_of_components(random_model: Loaded) -> None:
    claim = a_claim("faithfulness", {"value": 0, "tolerance": 0.1}, edges=SOME, normalization="difference")
    with pytest.raises(Invalid, match="state a circuit that must not do"):
        bundle_document(random_model, PAIRS, [{**claim, "kind": "absence"}])
    spec = Spec.from_json({**claim["spec"]}).for_power(("1.2",))
    assert (spec.components, spec.edges, spec.others) == (("1.2",), None, "heads_and_mlps")
