"""GPT-2: Conv1D weights (in, out), q, k and v in one projection, learned positions, LayerNorm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import GPT2LMHeadModel

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2MLP, GPT2Attention, GPT2Block

    from workers.engine.architectures import Adding, Projected

MODEL = GPT2LMHeadModel


def causal(config: GPT2Config) -> bool:
    return True


def queries_last(config: GPT2Config) -> bool:
    return False


def key_value_heads(config: GPT2Config) -> int:
    return config.n_head


def layers(model: GPT2LMHeadModel) -> nn.ModuleList:
    return model.transformer.h


def attention(layer: GPT2Block) -> nn.Module:
    return layer.attn


def output_projection(attention: GPT2Attention) -> nn.Module:
    return attention.c_proj


def output_weights(attention: GPT2Attention, heads: int) -> Tensor:
    return torch.unflatten(attention.c_proj.weight, 0, (heads, -1))  # Conv1D stores (heads * d_head, d_model)


def output_bias(attention: GPT2Attention) -> Tensor | None:
    return attention.c_proj.bias


def projection(attention: GPT2Attention, part: Projected, head: int) -> tuple[nn.Module, int]:
    return attention.c_attn, "qkv".index(part) * attention.num_heads + head


def mlp(layer: GPT2Block) -> nn.Module | None:
    return layer.mlp


def down_projection(mlp: GPT2MLP) -> nn.Module:
    return mlp.c_proj


def added(layer: GPT2Block, part: Adding, output: Tensor) -> Tensor | None:
    return output


def final_norm(model: GPT2LMHeadModel) -> nn.Module:
    return model.transformer.ln_f


def embedding(model: GPT2LMHeadModel) -> Tensor:
    return model.transformer.wte.weight


def unembedding(model: GPT2LMHeadModel) -> tuple[Tensor, Tensor | None]:
    return model.lm_head.weight, None


def finish_logits(model: GPT2LMHeadModel, logits: Tensor) -> Tensor:
    return logits
