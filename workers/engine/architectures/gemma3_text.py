"""Gemma 3, the language model alone (`model_type` gemma3_text): Gemma 2's layout, without the caps.

A norm of each head's own follows q and k; they are meant before it. Five layers of six see a window of positions only.
Checkpoints with a picture encoder (`model_type` gemma3) are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import Gemma3ForCausalLM

from workers.engine.architectures import gemma2

if TYPE_CHECKING:
    from transformers import Gemma3TextConfig

MODEL = Gemma3ForCausalLM
LIKE = gemma2


def causal(config: Gemma3TextConfig) -> bool:
    return not config.use_bidirectional_attention
