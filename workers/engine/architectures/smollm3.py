"""SmolLM 3: Llama's layout; some layers rotate nothing (NoPE)."""

from __future__ import annotations

from transformers import SmolLM3ForCausalLM

from workers.engine.architectures import llama

MODEL = SmolLM3ForCausalLM
LIKE = llama
