"""Falcon: q, k and v in one projection, in three layouts; rotary positions, or ALiBi's slopes in each head's mask.

Falcon-40B (`new_decoder_architecture`) puts the query heads of a group before their key and value; Falcon-7B
(`multi_query`) all query heads before the one key and value; Falcon-RW each head's q, k and v side by side. MLP beside
the attention, behind one norm or two, or behind it (`parallel_attn`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import FalconForCausalLM

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import FalconConfig
    from transformers.models.falcon.modeling_falcon import FalconAttention, FalconDecoderLayer, FalconMLP

    from workers.engine.architectures import Adding, Projected

MODEL = FalconForCausalLM


def causal(config: FalconConfig) -> bool:
    return True


def queries_last(config: FalconConfig) -> bool:
    return False


def key_value_heads(config: FalconConfig) -> int:
    if config.new_decoder_architecture:
        return config.num_kv_heads or config.num_attention_heads
    return 1 if config.multi_query else config.num_attention_heads


def layers(model: FalconForCausalLM) -> nn.ModuleList:
    return model.transformer.h


def attention(layer: FalconDecoderLayer) -> nn.Module:
    return layer.self_attention


def output_projection(attention: FalconAttention) -> nn.Module:
    return attention.dense


def output_weights(attention: FalconAttention, heads: int) -> Tensor:
    return torch.unflatten(attention.dense.weight.T, 0, (heads, -1))


def output_bias(attention: FalconAttention) -> Tensor | None:
    return attention.dense.bias


def projection(attention: FalconAttention, part: Projected, head: int) -> tuple[nn.Module, int]:
    group = attention.num_heads // key_value_heads(attention.config)  # query heads to a key and value
    first = head // group * (group + 2)
    return attention.query_key_value, first + {"q": head % group, "k": group, "v": group + 1}[part]


def mlp(layer: FalconDecoderLayer) -> nn.Module | None:
    return layer.mlp


def down_projection(mlp: FalconMLP) -> nn.Module:
    return mlp.dense_4h_to_h


def added(layer: FalconDecoderLayer, part: Adding, output: Tensor) -> Tensor | None:
    return output


def final_norm(model: FalconForCausalLM) -> nn.Module:
    return model.transformer.ln_f


def embedding(model: FalconForCausalLM) -> Tensor:
    return model.transformer.word_embeddings.weight


def unembedding(model: FalconForCausalLM) -> tuple[Tensor, Tensor | None]:
    return model.lm_head.weight, None


def finish_logits(model: FalconForCausalLM, logits: Tensor) -> Tensor:
    return logits
