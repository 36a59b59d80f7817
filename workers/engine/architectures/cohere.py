"""Cohere (Command R): Llama's layout, with the MLP beside the attention behind one norm, and scaled logits.

Where a norm of each head's own follows q and k, they are meant before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import CohereForCausalLM

from workers.engine.architectures import llama

if TYPE_CHECKING:
    from torch import Tensor

MODEL = CohereForCausalLM
LIKE = llama


def finish_logits(model: CohereForCausalLM, logits: Tensor) -> Tensor:
    scale = model.logit_scale
    return logits if scale is None else logits * scale
