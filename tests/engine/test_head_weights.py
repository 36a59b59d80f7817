"""Heads as matrices, beside the modules themselves, and on norms whose linear part is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workers.engine.anatomy import Loaded
from workers.engine.head_modules import HeadModules
from workers.engine.head_weights import head_weights, linear_part

HEADS = [(0, 0), (2, 3)]
TOKENS = torch.tensor([0, 3, 2, 1])


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))


def bare(weight: torch.Tensor, norm: type[nn.Module]) -> nn.Module:
    made = norm(len(weight))
    made.weight.data = weight
    if isinstance(made, nn.LayerNorm):
        made.bias.data = torch.arange(len(weight)).float()
    return made


@pytest.mark.parametrize("size", [4, 5])
def test_the_linear_part_of_rms_norm_is_its_gain(size: int) -> None:
    gain = torch.arange(1.0, size + 1)
    found = linear_part(bare(gain, nn.RMSNorm), torch.zeros(1, size))
    assert close(found / found[0, 0], torch.diag(gain))


@pytest.mark.parametrize("size", [4, 5])
def test_the_linear_part_of_layer_norm_also_takes_the_mean_off(size: int) -> None:
    gain = torch.arange(1.0, size + 1)
    found = linear_part(bare(gain, nn.LayerNorm), torch.zeros(1, size))
    assert close(found / found[0, 0] * (1 - 1 / size), (torch.eye(size) - 1 / size) * gain)


def test_no_norm_changes_nothing() -> None:
    assert torch.equal(linear_part(nn.Identity(), torch.zeros(1, 4)), torch.eye(4))


@pytest.mark.parametrize("where", HEADS)
@torch.no_grad()
def test_weights_do_what_the_modules_do(model: Loaded, where: tuple[int, int]) -> None:
    if where[0] >= model.layers or where[1] >= model.heads:
        pytest.skip("the model is smaller")
    fast, slow = head_weights(model), HeadModules(model)
    for embedding in ("plain", "after_mlp0"):
        resid = fast.embedded(where[0], TOKENS % model.vocabulary, embedding)
        assert close(resid, slow.embedded(where[0], TOKENS % model.vocabulary, embedding))
        written = slow.written(*where, resid)
        assert close(fast.written(*where, resid), written)
        assert close(fast.logits(written), slow.logits(written))
        assert close(fast.scores(*where, resid, resid), slow.scores(*where, resid, resid))
    for part in ("q", "k", "v"):
        assert close(fast.projection(where[0], part, where[1]), slow.projection(where[0], part, where[1]))
    assert close(fast.reading(where[0]), slow.reading(where[0]))
    assert close(fast.circuit(*where, "plain"), slow.circuit(*where, "plain"))


@torch.no_grad()
def test_what_a_head_writes_is_its_share_of_the_run(model: Loaded) -> None:
    """A prompt of one token attends to itself alone, so that its z is the head's value, biases taken off."""
    from workers.engine.record import record

    run = record(model, torch.tensor([[1]]))
    bias = model.b_V(0)
    weights = head_weights(model)
    z = run.z[0][0, 0] - bias  # (heads, d_head)
    normed = weights.read(0, run.resid[0][:, 0])
    zero = weights._normed(0, torch.zeros_like(run.resid[0][:, 0]))
    for head in range(model.heads):
        values = weights.projection(0, "v", head)
        assert close((normed + zero) @ values, z[head][None])


def test_a_head_of_layer_0_reads_the_plain_embedding(random_model: Loaded) -> None:
    weights = head_weights(random_model)
    plain = weights.embedded(0, TOKENS, "plain")
    assert torch.equal(weights.embedded(0, TOKENS, "after_mlp0"), plain)
    assert not torch.allclose(weights.embedded(1, TOKENS, "after_mlp0"), plain)
