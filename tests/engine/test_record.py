"""A record holds what the run was, seen against Hugging Face's own outputs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.record import KeyValuePrefix, record


def close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= 1e-5 * other.abs().max())


def test_residuals_and_patterns_are_hugging_faces_own(model: Loaded, tokens: Tensor) -> None:
    base = record(model, tokens)
    own = model.model(input_ids=base.tokens, output_hidden_states=True, output_attentions=True, use_cache=False)
    assert len(base.resid) == model.layers + 1
    assert all(map(close, base.resid[:-1], own.hidden_states[:-1]))
    assert close(model.final_norm()(base.resid[-1]), own.hidden_states[-1])
    assert all(close(base.pattern(layer), own.attentions[layer]) for layer in range(model.layers))


def test_the_residual_stream_is_the_sum_of_what_was_written_to_it(model: Loaded, tokens: Tensor) -> None:
    base = record(model, tokens)
    for layer in range(model.layers):
        mlp_out = base.mlp_out[layer]
        assert mlp_out is not None
        assert close(base.resid[layer] + base.attn_out[layer] + mlp_out, base.resid[layer + 1])


def test_heads_values_and_patterns_fit_together(model: Loaded, tokens: Tensor) -> None:
    base = record(model, tokens)
    group = model.heads // model.kv_heads
    for layer in range(model.layers):
        values = base.v[layer].repeat_interleave(group, dim=1)  # (batch, heads, pos, d_head)
        assert close((base.pattern(layer) @ values).transpose(1, 2), base.z[layer])
        assert base.k[layer].shape == (len(tokens), model.kv_heads, 10, model.d_head)


def test_values_of_a_head_are_those_of_the_group_that_serves_it(model: Loaded, tokens: Tensor) -> None:
    base, group = record(model, tokens), model.heads // model.kv_heads
    for head in range(model.heads):
        assert close(base.projected(1, "v", head), base.v[1][:, head // group])


def test_neurons_are_what_the_down_projection_reads(model: Loaded, tokens: Tensor) -> None:
    base = record(model, tokens)
    down = model.down_projection(1)
    assert down is not None and base.mlp_out[1] is not None
    assert base.neurons(1).shape == (*tokens.shape, model.d_mlp)
    assert close(down(base.neurons(1)), base.mlp_out[1])


@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_prompts_are_recorded(random_model: Loaded, tokens: Tensor, length: int) -> None:
    whole, short = record(random_model, tokens), record(random_model, tokens[:, :length])
    assert close(short.resid[-1], whole.resid[-1][:, :length])


def test_some_prompts_of_a_record_are_the_record_of_those_prompts(random_model: Loaded, tokens: Tensor) -> None:
    some, alone = record(random_model, tokens).prompts(slice(2, 4)), record(random_model, tokens[2:4])
    assert torch.equal(some.tokens, alone.tokens)
    assert all(map(close, some.resid, alone.resid))
    assert close(some.neurons(1), alone.neurons(1)) and close(some.pattern(2), alone.pattern(2))


def test_every_layer_called_again_from_any_position_gives_what_followed(model: Loaded, tokens: Tensor) -> None:
    base = record(model, tokens)
    for layer, call in enumerate(base.calls):
        for start in (0, 1, 4, 9):
            prefix = KeyValuePrefix(base.k[layer][:, :, :start], base.v[layer][:, :, :start])
            positions = torch.arange(start, 10, device=base.tokens.device)[None]
            again = call.run(base.resid[layer][:, start:], positions, 10, prefix)
            assert close(again, base.resid[layer + 1][:, start:])


def test_a_prompt_longer_than_the_model_reads_is_no_prompt(random_model: Loaded) -> None:
    with pytest.raises(AssertionError):
        record(random_model, torch.zeros(1, random_model.positions + 1, dtype=torch.long))


def test_recording_leaves_no_hooks(random_model: Loaded, tokens: Tensor) -> None:
    record(random_model, tokens).pattern(0)
    modules = list(random_model.model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
