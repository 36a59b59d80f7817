"""Phi 1, 1.5 and 2: Llama's names before W_O, biases everywhere, part of each head rotated, MLP beside the attention.

Both stand behind one LayerNorm. Where a norm of each head's own follows q and k, they are meant before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import PhiForCausalLM

from workers.engine.architectures import llama

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers.models.phi.modeling_phi import PhiAttention, PhiMLP

MODEL = PhiForCausalLM
LIKE = llama


def output_projection(attention: PhiAttention) -> nn.Module:
    return attention.dense


def output_weights(attention: PhiAttention, heads: int) -> Tensor:
    return torch.unflatten(attention.dense.weight.T, 0, (heads, -1))


def output_bias(attention: PhiAttention) -> Tensor | None:
    return attention.dense.bias


def down_projection(mlp: PhiMLP) -> nn.Module:
    return mlp.fc2


def final_norm(model: PhiForCausalLM) -> nn.Module:
    return model.model.final_layernorm


def unembedding(model: PhiForCausalLM) -> tuple[Tensor, Tensor | None]:
    return model.lm_head.weight, model.lm_head.bias
