"""Granite: Llama's layout; embeddings, what attention and MLP add, and logits are scaled by numbers of the config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import GraniteForCausalLM

from workers.engine.architectures import llama

if TYPE_CHECKING:
    from torch import Tensor
    from transformers.models.granite.modeling_granite import GraniteDecoderLayer

    from workers.engine.architectures import Adding

MODEL = GraniteForCausalLM
LIKE = llama


def added(layer: GraniteDecoderLayer, part: Adding, output: Tensor) -> Tensor | None:
    return output * layer.residual_multiplier


def embedding(model: GraniteForCausalLM) -> Tensor:
    return model.model.embed_tokens.weight * model.config.embedding_multiplier


def finish_logits(model: GraniteForCausalLM, logits: Tensor) -> Tensor:
    return logits / model.config.logits_scaling
