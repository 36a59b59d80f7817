"""Qwen 2 and 2.5: Llama's layout, with biases of q, k and v; some layers may see a window of positions only."""

from __future__ import annotations

from transformers import Qwen2ForCausalLM

from workers.engine.architectures import llama

MODEL = Qwen2ForCausalLM
LIKE = llama
