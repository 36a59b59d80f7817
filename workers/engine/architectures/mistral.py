"""Mistral: Llama's layout; attention may reach back a window of positions only, which each layer's mask says."""

from __future__ import annotations

from transformers import MistralForCausalLM

from workers.engine.architectures import llama

MODEL = MistralForCausalLM
LIKE = llama
