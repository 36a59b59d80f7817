"""Toy: the field's own small transformers, as TransformerLens writes them: config.json and its state dict's names.

Attention-only or with MLPs (ReLU, GELU, SiLU, SoLU), with LayerNorm, RMSNorm or none, causal or bidirectional with
padding, any vocabulary, other outputs than inputs, and attention that is wholly or partly constant. Their layers stand
in `workers/engine/toy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from workers.engine.toy.layers import ToyTransformer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workers.engine.architectures import Adding, Projected
    from workers.engine.toy.config import ToyConfig
    from workers.engine.toy.layers import MLP, Attention, Layer

MODEL = ToyTransformer


def causal(config: ToyConfig) -> bool:
    return config.causal


def queries_last(config: ToyConfig) -> bool:
    return False


def key_value_heads(config: ToyConfig) -> int:
    return config.num_attention_heads


def layers(model: ToyTransformer) -> nn.ModuleList:
    return model.base_model.blocks


def attention(layer: Layer) -> nn.Module:
    return layer.attn


def output_projection(attention: Attention) -> nn.Module:
    return attention.o_proj


def output_weights(attention: Attention, heads: int) -> Tensor:
    return torch.unflatten(attention.o_proj.weight.T, 0, (heads, -1))


def output_bias(attention: Attention) -> Tensor | None:
    return attention.o_proj.bias


def projection(attention: Attention, part: Projected, head: int) -> tuple[nn.Module, int]:
    return {"q": attention.q_proj, "k": attention.k_proj, "v": attention.v_proj}[part], head


def mlp(layer: Layer) -> nn.Module | None:
    return layer.mlp


def down_projection(mlp: MLP) -> nn.Module:
    return mlp.down_proj


def added(layer: Layer, part: Adding, output: Tensor) -> Tensor | None:
    return output


def final_norm(model: ToyTransformer) -> nn.Module:
    return model.base_model.ln_final


def embedding(model: ToyTransformer) -> Tensor:
    return model.base_model.embed.weight


def unembedding(model: ToyTransformer) -> tuple[Tensor, Tensor | None]:
    return model.unembed.weight, model.unembed.bias


def finish_logits(model: ToyTransformer, logits: Tensor) -> Tensor:
    return logits
