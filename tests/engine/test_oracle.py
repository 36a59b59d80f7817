"""The slow truth, checked against things that can be worked out without it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import component
from workers.engine.edit import Edit, read
from workers.engine.loading import load_folder
from workers.engine.oracle import oracle
from workers.engine.record import record
from workers.engine.replay import logits


def close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= 1e-5 * other.abs().max())


def end(tokens: Tensor) -> Tensor:
    return torch.full((len(tokens), 1), tokens.shape[1] - 1)


def test_without_edits_it_is_the_models_own_forward_pass(model: Loaded, tokens: Tensor) -> None:
    truth = oracle(model, tokens, [[]], end(tokens))
    own = model.model(input_ids=tokens.to(model.device), use_cache=False).logits
    assert torch.equal(truth.logits[0], own[:, -1:])
    assert close(logits(model, truth.resid), truth.logits)


def test_the_whole_residual_of_another_run_gives_the_other_run(
    model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    other = record(model, other_tokens)
    for layer in range(model.layers + 1):
        resid = component(f"resid.{layer}")
        truth = oracle(model, tokens, [[Edit(resid, None, read(other, resid, None))]], end(tokens))
        assert close(truth.resid[0], other.resid[-1][:, -1:])


def test_q_k_and_v_of_all_heads_of_another_run_give_its_attention(
    model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    """Written one query head at a time, they add up to the other run's z, whatever heads share."""
    other = record(model, other_tokens)
    parts = [component(f"1.{head}.{part}") for head in range(model.heads) for part in "qkv"]
    through_parts = [Edit(part, None, read(other, part, None)) for part in parts]
    attn = component("attn.1")
    whole = [Edit(attn, None, read(other, attn, None))]
    truth = oracle(model, tokens, [through_parts, whole], end(tokens))
    assert close(truth.resid[0], truth.resid[1])


def test_the_models_own_pattern_changes_nothing(model: Loaded, tokens: Tensor) -> None:
    base, head = record(model, tokens), component("1.1.pattern")
    null = [Edit(head, None, read(base, head, None))]
    assert close(oracle(model, tokens, [null], end(tokens)).resid[0], base.resid[-1][:, -1:])


def test_an_edit_at_one_position_is_made_there_and_nowhere_else(random_model: Loaded, tokens: Tensor) -> None:
    at = torch.tensor([0, 3, 5, 9, 9, 9])
    final = component(f"resid.{random_model.layers}")
    value = torch.full((6, random_model.d_model), 7.0)
    everywhere = torch.arange(10).repeat(6, 1)
    truth = oracle(random_model, tokens, [[], [Edit(final, at, value)]], everywhere)
    changed = (truth.resid[0] != truth.resid[1]).any(dim=-1).cpu()
    assert torch.equal(changed, everywhere == at[:, None])
    assert (truth.resid[1, torch.arange(6), at] == 7).all()


def test_grouped_keys_and_values_edited_for_one_head_equal_a_model_that_shares_none(
    random_checkpoints: dict[str, Path], tmp_path: Path, tokens: Tensor, other_tokens: Tensor
) -> None:
    """The same Llama with each key/value head written out for every query head that it serves."""
    grouped = load_folder(random_checkpoints["llama"])
    config = grouped.model.config
    weights = dict(grouped.model.state_dict())
    for name in [name for name in weights if "k_proj" in name or "v_proj" in name]:
        blocks = weights[name].unflatten(0, (config.num_key_value_heads, grouped.d_head))
        weights[name] = blocks.repeat_interleave(2, dim=0).flatten(0, 1)
    config = type(config)(**{**config.to_dict(), "num_key_value_heads": grouped.heads})
    ungrouped = LlamaForCausalLM(config)
    ungrouped.load_state_dict(weights)
    ungrouped.save_pretrained(tmp_path)
    apart = load_folder(tmp_path)
    assert (grouped.kv_heads, apart.kv_heads) == (2, 4)

    found = []
    for model in (grouped, apart):
        other = record(model, other_tokens)
        parts = [component(text) for text in ("1.1.k", "2.2.v", "2.3.k")]
        edits = [[Edit(part, None, read(other, part, None))] for part in parts]
        found.append(oracle(model, tokens, [*edits, sum(edits, [])], end(tokens)).logits)
    assert close(*found)


def test_it_leaves_the_model_as_it_was(random_model: Loaded, tokens: Tensor, other_tokens: Tensor) -> None:
    other = record(random_model, other_tokens)
    parts = [component(text) for text in ("1.1.k", "2.2.v", "0.0", "mlp.1.3", "3.1.pattern")]
    before = oracle(random_model, tokens, [[]], end(tokens)).logits
    oracle(random_model, tokens, [[Edit(part, None, read(other, part, None)) for part in parts]], end(tokens))
    assert torch.equal(before, oracle(random_model, tokens, [[]], end(tokens)).logits)
