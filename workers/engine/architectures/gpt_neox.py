"""GPT-NeoX (Pythia): q, k and v of each head side by side in one projection, part of each head rotated, LayerNorm.

MLP beside the attention, each behind a norm of its own, or behind it (`use_parallel_residual`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import GPTNeoXForCausalLM

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import GPTNeoXConfig
    from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXAttention, GPTNeoXLayer, GPTNeoXMLP

    from workers.engine.architectures import Adding, Projected

MODEL = GPTNeoXForCausalLM


def causal(config: GPTNeoXConfig) -> bool:
    return True


def queries_last(config: GPTNeoXConfig) -> bool:
    return False


def key_value_heads(config: GPTNeoXConfig) -> int:
    return config.num_attention_heads


def layers(model: GPTNeoXForCausalLM) -> nn.ModuleList:
    return model.gpt_neox.layers


def attention(layer: GPTNeoXLayer) -> nn.Module:
    return layer.attention


def output_projection(attention: GPTNeoXAttention) -> nn.Module:
    return attention.dense


def output_weights(attention: GPTNeoXAttention, heads: int) -> Tensor:
    return torch.unflatten(attention.dense.weight.T, 0, (heads, -1))


def output_bias(attention: GPTNeoXAttention) -> Tensor | None:
    return attention.dense.bias


def projection(attention: GPTNeoXAttention, part: Projected, head: int) -> tuple[nn.Module, int]:
    return attention.query_key_value, 3 * head + "qkv".index(part)


def mlp(layer: GPTNeoXLayer) -> nn.Module | None:
    return layer.mlp


def down_projection(mlp: GPTNeoXMLP) -> nn.Module:
    return mlp.dense_4h_to_h


def added(layer: GPTNeoXLayer, part: Adding, output: Tensor) -> Tensor | None:
    return output


def final_norm(model: GPTNeoXForCausalLM) -> nn.Module:
    return model.gpt_neox.final_layer_norm


def embedding(model: GPTNeoXForCausalLM) -> Tensor:
    return model.gpt_neox.embed_in.weight


def unembedding(model: GPTNeoXForCausalLM) -> tuple[Tensor, Tensor | None]:
    return model.lm_head.weight, None


def finish_logits(model: GPTNeoXForCausalLM, logits: Tensor) -> Tensor:
    return logits
