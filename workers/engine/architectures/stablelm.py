"""StableLM: Llama's layout, with LayerNorm, part of each head rotated, and MLP beside or behind the attention.

Where a norm of each head's own follows q and k, they are meant before it.
"""

from __future__ import annotations

from transformers import StableLmForCausalLM

from workers.engine.architectures import llama

MODEL = StableLmForCausalLM
LIKE = llama
