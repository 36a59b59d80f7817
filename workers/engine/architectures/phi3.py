"""Phi 3 and 4: Llama's layout, with q, k and v of all heads in one projection, and gate and up in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import Phi3ForCausalLM

from workers.engine.architectures import llama

if TYPE_CHECKING:
    from torch import nn
    from transformers.models.phi3.modeling_phi3 import Phi3Attention

    from workers.engine.architectures import Projected

MODEL = Phi3ForCausalLM
LIKE = llama


def projection(attention: Phi3Attention, part: Projected, head: int) -> tuple[nn.Module, int]:
    heads, group = attention.config.num_attention_heads, attention.num_key_value_groups
    first = {"q": 0, "k": heads, "v": heads + heads // group}[part]
    return attention.qkv_proj, first + (head if part == "q" else head // group)
