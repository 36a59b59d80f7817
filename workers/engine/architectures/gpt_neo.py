"""GPT-Neo: GPT-J's names in the attention, one module further down; GPT-2's names elsewhere; learned positions.

Every second layer sees a window of positions only, by a mask of its own that counts back from the last key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import GPTNeoForCausalLM

from workers.engine.architectures import gpt2, gptj

if TYPE_CHECKING:
    from torch import nn
    from transformers import GPTNeoConfig
    from transformers.models.gpt_neo.modeling_gpt_neo import GPTNeoBlock

MODEL = GPTNeoForCausalLM
LIKE = gpt2


def queries_last(config: GPTNeoConfig) -> bool:
    return True


def key_value_heads(config: GPTNeoConfig) -> int:
    return config.num_heads


def attention(layer: GPTNeoBlock) -> nn.Module:
    return layer.attn.attention


output_projection = gptj.output_projection
output_weights = gptj.output_weights
output_bias = gptj.output_bias
projection = gptj.projection
