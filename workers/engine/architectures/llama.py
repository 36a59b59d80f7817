"""Llama: Linear weights (out, in), grouped key/value heads, rotary positions, RMSNorm, gated MLP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import LlamaForCausalLM

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import LlamaConfig, LlamaModel
    from transformers.models.llama.modeling_llama import LlamaAttention, LlamaDecoderLayer, LlamaMLP

    from workers.engine.architectures import Adding, Projected

MODEL = LlamaForCausalLM


def causal(config: LlamaConfig) -> bool:
    return True


def queries_last(config: LlamaConfig) -> bool:
    return False


def key_value_heads(config: LlamaConfig) -> int:
    return config.num_key_value_heads or config.num_attention_heads


def layers(model: LlamaForCausalLM) -> nn.ModuleList:
    return _decoder(model).layers


def attention(layer: LlamaDecoderLayer) -> nn.Module:
    return layer.self_attn


def output_projection(attention: LlamaAttention) -> nn.Module:
    return attention.o_proj


def output_weights(attention: LlamaAttention, heads: int) -> Tensor:
    return torch.unflatten(attention.o_proj.weight.T, 0, (heads, -1))  # Linear stores (d_model, heads * d_head)


def output_bias(attention: LlamaAttention) -> Tensor | None:
    return attention.o_proj.bias


def projection(attention: LlamaAttention, part: Projected, head: int) -> tuple[nn.Module, int]:
    if part == "q":
        return attention.q_proj, head
    return (attention.k_proj if part == "k" else attention.v_proj), head // attention.num_key_value_groups


def mlp(layer: LlamaDecoderLayer) -> nn.Module | None:
    return layer.mlp


def down_projection(mlp: LlamaMLP) -> nn.Module:
    return mlp.down_proj


def added(layer: LlamaDecoderLayer, part: Adding, output: Tensor) -> Tensor | None:
    return output


def final_norm(model: LlamaForCausalLM) -> nn.Module:
    return _decoder(model).norm


def embedding(model: LlamaForCausalLM) -> Tensor:
    return _decoder(model).embed_tokens.weight


def unembedding(model: LlamaForCausalLM) -> tuple[Tensor, Tensor | None]:
    return model.lm_head.weight, None


def finish_logits(model: LlamaForCausalLM, logits: Tensor) -> Tensor:
    return logits


def _decoder(model: LlamaForCausalLM) -> LlamaModel:
    decoder: LlamaModel = model.model
    return decoder
