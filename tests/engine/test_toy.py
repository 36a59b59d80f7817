"""The field's own small transformers: every option against the formulas, orientations by hand, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.made_bundles import a_measurement, arms_of, numbers_in
from tests.engine.made_toys import SMALL, forward, toy_weights, write_toy
from workers.engine.documents.components import component
from workers.engine.edit import Edit, read
from workers.engine.loading import CannotLoad, Loaded, load_folder
from workers.engine.measuring import job, measure
from workers.engine.oracle import oracle
from workers.engine.prepare import prepare, vocabulary_of
from workers.engine.prompts import Refused
from workers.engine.record import record
from workers.engine.replay import replay

OPTIONS: list[dict[str, Any]] = [
    {},
    {"attn_only": True, "d_mlp": None, "act_fn": None},
    *({"act_fn": name} for name in ("gelu", "gelu_new", "silu", "solu", "solu_ln")),
    *({"normalization_type": name} for name in ("LN", "LNPre", "RMS", "RMSPre")),
    {"normalization_type": "LN", "act_fn": "solu_ln"},
    {"positional_embedding_type": "shortformer"},
    {"attention_dir": "bidirectional"},
    {"attention_dir": "bidirectional", "pad_token_id": 1, "normalization_type": "LN"},
    {"attention_dir": "bidirectional", "attn_coeff": 0.0},
    {"attention_dir": "bidirectional", "attn_coeff": 0.3},
    {"d_vocab_out": 3},
    {"d_vocab_out": -1},
]
PADDED = {**SMALL, "attention_dir": "bidirectional", "pad_token_id": 1, "normalization_type": "LN"}
SITES = ["1.2", "0.1", "0.1.q", "0.2.k", "1.0.v", "0.0.pattern", "attn.1", "mlp.0", "mlp.1.5", "resid.1", "embed"]


def named(option: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in option.items()) or "plain"


@pytest.fixture(params=OPTIONS, ids=named)
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**SMALL, **request.param}


@pytest.fixture
def toy(config: dict[str, Any], tmp_path: Path) -> Loaded:
    return load_folder(write_toy(tmp_path, config))


@pytest.fixture
def tokens() -> Tensor:
    """(4, 6): token 1 is padding where a model has some: at other places in each prompt, and never first."""
    return torch.tensor([[0, 2, 3, 4, 5, 6], [0, 2, 3, 1, 1, 1], [2, 6, 4, 5, 3, 1], [3, 1, 0, 1, 2, 4]])


def close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= 2e-5 * other.abs().max())


def test_every_option_is_computed_by_its_formula(config: dict[str, Any], toy: Loaded, tokens: Tensor) -> None:
    assert close(toy.model(tokens).logits, forward(config, toy_weights(config), tokens))


@pytest.mark.parametrize("absent", ["b_", "b_Q", "b_O", "b_in", "b_U"])
def test_an_absent_bias_is_zero(absent: str, tmp_path: Path, tokens: Tensor) -> None:
    weights = toy_weights(SMALL, without=absent)
    toy = load_folder(write_toy(tmp_path, SMALL, weights))
    assert close(toy.model(tokens).logits, forward(SMALL, weights, tokens))
    if absent == "b_":
        assert toy.architecture.output_bias(toy.attention(0)) is None
        assert not toy.b_V(0).any()


def test_a_replay_of_any_edit_is_what_plain_hooks_give(toy: Loaded, tokens: Tensor) -> None:
    """Padding differs from prompt to prompt, and so do the positions that are edited and read."""
    base, other = record(toy, tokens), record(toy, tokens[[2, 0, 3, 1]])
    at, reads = torch.tensor([1, 2, 0, 4]), torch.tensor([[5, 0], [2, 1], [4, 3], [0, 5]])
    sites = [component(name) for name in SITES if toy.d_mlp or "mlp" not in name]
    edits = [[Edit(site, None, read(other, site, None))] for site in sites]
    edits += [[Edit(site, at, read(other, site, at))] for site in sites]
    for budget in (None, 1):  # all at once, and one prompt of one intervention at a time
        done = replay(base, edits, reads, budget)
        truth = oracle(toy, tokens, edits, reads)
        assert done.wrote.all()
        assert close(done.resid, truth.resid)


def test_padding_changes_nothing_that_is_read_before_it(tmp_path: Path) -> None:
    """Also under edits: a padded prompt is the prompt itself."""
    toy = load_folder(write_toy(tmp_path, PADDED))
    short, padded = torch.tensor([[0, 2, 5, 3], [4, 6, 2, 2]]), torch.tensor([[0, 2, 5, 3, 1, 1], [4, 6, 2, 2, 1, 1]])
    bare, filled = record(toy, short), record(toy, padded)
    reads = torch.tensor([[0], [3]])
    zeroed = [component("0.1"), component("1.2"), component("mlp.0")]
    one, other = (
        replay(run, [[Edit(site, None, torch.zeros_like(read(run, site, None)))] for site in zeroed], reads).resid
        for run in (bare, filled)
    )
    assert close(one, other)
    assert close(bare.resid[-1], filled.resid[-1][:, :4])
    assert filled.pattern(1)[..., 4:].max() == 0


def test_a_query_that_sees_only_padding_sees_itself(tmp_path: Path) -> None:
    """The first position of a causal model, were it padding: softmax of nothing would be no number."""
    toy = load_folder(write_toy(tmp_path, {**SMALL, "pad_token_id": 1}))
    pattern = record(toy, torch.tensor([[1, 1, 2, 3]])).pattern(0)[0, 0]
    assert torch.equal(pattern[:2], torch.eye(4)[:2])
    assert torch.equal(pattern[2], torch.eye(4)[2])


def test_the_orientation_of_every_matrix_by_hand(tmp_path: Path) -> None:
    """One head reads residual 2 through head dimension 1 and writes it to residual 0; neuron 4 doubles that to 3."""
    config = {**SMALL, "n_layers": 1, "n_ctx": 2}
    weights = {name: torch.zeros_like(value) for name, value in toy_weights(config).items()}
    weights["embed.W_E"][5, 2] = 1.0
    weights["blocks.0.attn.W_V"][1, 2, 1] = 3.0
    weights["blocks.0.attn.W_O"][1, 1, 0] = 5.0
    weights["blocks.0.mlp.W_in"][0, 4] = 1.0
    weights["blocks.0.mlp.W_out"][4, 3] = 2.0
    weights["unembed.W_U"][3, 6] = 7.0
    toy = load_folder(write_toy(tmp_path, config, weights))
    run = record(toy, torch.tensor([[5, 5]]))
    assert run.z[0][0, 0].tolist() == [[0, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 0]]
    assert run.attn_out[0][0, 0, 0] == 15
    assert run.neurons(0)[0, 0].nonzero().tolist() == [[4]]
    assert run.resid[1][0, 0].tolist() == [15, 0, 1, 30, 0, 0, 0, 0, 0, 0]
    assert toy.model(run.tokens).logits[0, 0].tolist() == [0, 0, 0, 0, 0, 0, 210]


def test_queries_and_keys_are_told_apart(tmp_path: Path) -> None:
    """Only the query of token 5 and the key of token 4 meet: all attention from 5 goes to 4, and half of it back."""
    config = {**SMALL, "n_layers": 1, "attn_only": True, "attention_dir": "bidirectional", "d_head": 1, "n_heads": 1}
    weights = {name: torch.zeros_like(value) for name, value in toy_weights(config).items()}
    weights["embed.W_E"][5, 0] = weights["embed.W_E"][4, 1] = 1.0
    weights["blocks.0.attn.W_Q"][0, 0, 0] = weights["blocks.0.attn.W_K"][0, 1, 0] = 10.0
    pattern = record(load_folder(write_toy(tmp_path, config, weights)), torch.tensor([[5, 4]])).pattern(0)[0, 0]
    assert pattern[0].tolist() == pytest.approx([0, 1], abs=1e-6)
    assert pattern[1].tolist() == [0.5, 0.5]


def test_the_scale_of_scores_can_be_stated_or_left_out(tmp_path: Path, tokens: Tensor) -> None:
    """A scale of 1 is what weights that were multiplied by sqrt(d_head) = 2 need no more."""
    weights = toy_weights(SMALL)
    doubled = {name: 2 * value if name.endswith(("W_Q", "b_Q")) else value for name, value in weights.items()}
    plain = load_folder(write_toy(tmp_path / "a", {**SMALL, "use_attn_scale": False}, weights))
    stated = load_folder(write_toy(tmp_path / "b", {**SMALL, "attn_scale": 1.0}, weights))
    usual = load_folder(write_toy(tmp_path / "c", SMALL, doubled))
    assert close(plain.model(tokens).logits, usual.model(tokens).logits)
    assert close(stated.model(tokens).logits, usual.model(tokens).logits)


PAIRS = {"generator": "pairs", "prompts": [{"tokens": [0, 5, 6, 2], "right": [1], "wrong": [2]}]}


def test_answers_may_be_other_than_tokens(tmp_path: Path) -> None:
    """Two classes of seven tokens: the logits are the two outputs', and so is accuracy's choice."""
    config = {**SMALL, "d_vocab_out": 3}
    toy = load_folder(write_toy(tmp_path, config))
    assert (toy.vocabulary, toy.outputs) == (7, 3)
    by_hand = forward(config, toy_weights(config), torch.tensor([[0, 5, 6, 2]]))[0, -1]
    run = arms_of(toy, PAIRS, "behavior")
    assert numbers_in(run, ("edited", 0)) == pytest.approx([float(by_hand[1] - by_hand[2])], abs=1e-5)
    accuracy = arms_of(toy, PAIRS, "behavior", metric="accuracy")
    assert numbers_in(accuracy, ("edited", 0), "accuracy") == [float(by_hand.argmax() == 1)]


@pytest.mark.parametrize("outputs", [3, 9])
def test_an_answer_that_the_model_cannot_give_is_refused_with_its_prompt(outputs: int, tmp_path: Path) -> None:
    toy = load_folder(write_toy(tmp_path, {**SMALL, "d_vocab_out": outputs}))
    beyond = {**PAIRS, "prompts": [{"tokens": [0, 5], "right": [outputs], "wrong": [0]}]}
    measurement = a_measurement(toy, beyond, "behavior")
    told = f"'0 5': the model gives no answer {outputs}; its outputs end at {outputs - 1}"
    with pytest.raises(Refused, match=told):
        prepare(measurement, vocabulary_of(None, measurement.model, toy.outputs))
    with pytest.raises(Refused, match=told):
        measure(job(measurement, 0, toy), None, (), lambda done, total, words: None)


def test_more_outputs_than_tokens_can_be_answers(tmp_path: Path) -> None:
    toy = load_folder(write_toy(tmp_path, {**SMALL, "d_vocab_out": 9}))
    last = {**PAIRS, "prompts": [{"tokens": [0, 5], "right": [8], "wrong": [7]}]}
    measurement = a_measurement(toy, last, "behavior")
    prepare(measurement, vocabulary_of(None, measurement.model, toy.outputs))
    assert len(measure(job(measurement, 0, toy), None, (), lambda done, total, words: None).prompts) == 1


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"act_fn": "reglu"}, "act_fn is 'reglu'; a toy model's may be relu, gelu"),
        ({"act_fn": None}, "act_fn is None"),
        ({"positional_embedding_type": "rotary"}, "positional_embedding_type is 'rotary'"),
        ({"normalization_type": "BatchNorm"}, "normalization_type is 'BatchNorm'"),
        ({"attention_dir": "backwards"}, "attention_dir is 'backwards'"),
        ({"gated_mlp": True}, "gated_mlp is True"),
        ({"parallel_attn_mlp": True}, "parallel_attn_mlp is True"),
        ({"n_key_value_heads": 1}, "n_key_value_heads is 1"),
        ({"use_local_attn": True}, "use_local_attn is True"),
        ({"final_rms": True}, "final_rms is True"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ({"attn_scores_soft_cap": 50.0}, "attn_scores_soft_cap is 50.0"),
        ({"attn_coeff": 0.5}, "attention_dir is bidirectional"),
        ({"n_layers": 0}, "n_layers is 0"),
        ({"d_vocab": "7"}, "d_vocab is '7'"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match=told):
        load_folder(write_toy(tmp_path, {**SMALL, **changed}, toy_weights(SMALL)))


def test_a_norm_that_is_not_stated_is_a_layer_norm_and_its_weights_must_be_there(tmp_path: Path) -> None:
    unstated = {key: value for key, value in SMALL.items() if key != "normalization_type"}
    with pytest.raises(CannotLoad, match=r"lacks blocks\.0\.ln1\.b"):
        load_folder(write_toy(tmp_path, unstated, toy_weights(SMALL)))


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("blocks.0.attn.W_gate", (3, 10, 4), r"no place for blocks\.0\.attn\.W_gate"),
        ("blocks.2.attn.W_Q", (3, 10, 4), r"no place for blocks\.2\.attn\.W_Q"),
        ("blocks.0.attn.mask", (8, 8), "no place for"),
        ("blocks.1.attn.W_V", (3, 4, 10), r"W_V is \(3, 4, 10\); by the config it is \(3, 10, 4\)"),
        ("unembed.W_U", (7, 10), r"W_U is \(7, 10\)"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...], told: str, tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match=told):
        load_folder(write_toy(tmp_path, SMALL, {**toy_weights(SMALL), name: torch.zeros(shape)}))


def test_a_missing_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match=r"lacks blocks\.0\.attn\.W_O"):
        load_folder(write_toy(tmp_path, SMALL, toy_weights(SMALL, without="W_O")))
