"""Qwen 3: Llama's layout. A norm of each head's own follows q and k; they are meant before it. d_head is given."""

from __future__ import annotations

from transformers import Qwen3ForCausalLM

from workers.engine.architectures import llama

MODEL = Qwen3ForCausalLM
LIKE = llama
