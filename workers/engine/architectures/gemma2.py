"""Gemma 2: Llama's layout, with norms before and behind attention and MLP, scaled embeddings and capped logits.

Attention scores are capped too; every second layer sees a window of positions only. d_head is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import Gemma2ForCausalLM

from workers.engine.architectures import llama

if TYPE_CHECKING:
    from torch import Tensor
    from transformers.models.gemma2.modeling_gemma2 import Gemma2DecoderLayer

    from workers.engine.architectures import Adding

MODEL = Gemma2ForCausalLM
LIKE = llama


def added(layer: Gemma2DecoderLayer, part: Adding, output: Tensor) -> Tensor | None:
    norm = layer.post_attention_layernorm if part == "attn" else layer.post_feedforward_layernorm
    return norm(output)


def embedding(model: Gemma2ForCausalLM) -> Tensor:
    table = model.model.embed_tokens
    return table.weight * table.embed_scale.to(table.weight.dtype)  # sqrt(d_model), in the model's precision


def finish_logits(model: Gemma2ForCausalLM, logits: Tensor) -> Tensor:
    cap = model.config.final_logit_softcapping
    return logits if cap is None else torch.tanh(logits / cap) * cap
