"""GPT-J: Linear weights (out, in) without biases in the attention, part of each head rotated, MLP beside the attention.

Both stand behind one LayerNorm. The unembedding has a bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import GPTJForCausalLM

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import GPTJConfig
    from transformers.models.gptj.modeling_gptj import GPTJMLP, GPTJAttention, GPTJBlock

    from workers.engine.architectures import Adding, Projected

MODEL = GPTJForCausalLM


def causal(config: GPTJConfig) -> bool:
    return True


def queries_last(config: GPTJConfig) -> bool:
    return False


def key_value_heads(config: GPTJConfig) -> int:
    return config.n_head


def layers(model: GPTJForCausalLM) -> nn.ModuleList:
    return model.transformer.h


def attention(layer: GPTJBlock) -> nn.Module:
    return layer.attn


def output_projection(attention: GPTJAttention) -> nn.Module:
    return attention.out_proj


def output_weights(attention: GPTJAttention, heads: int) -> Tensor:
    return torch.unflatten(attention.out_proj.weight.T, 0, (heads, -1))


def output_bias(attention: GPTJAttention) -> Tensor | None:
    return attention.out_proj.bias


def projection(attention: GPTJAttention, part: Projected, head: int) -> tuple[nn.Module, int]:
    return {"q": attention.q_proj, "k": attention.k_proj, "v": attention.v_proj}[part], head


def mlp(layer: GPTJBlock) -> nn.Module | None:
    return layer.mlp


def down_projection(mlp: GPTJMLP) -> nn.Module:
    return mlp.fc_out


def added(layer: GPTJBlock, part: Adding, output: Tensor) -> Tensor | None:
    return output


def final_norm(model: GPTJForCausalLM) -> nn.Module:
    return model.transformer.ln_f


def embedding(model: GPTJForCausalLM) -> Tensor:
    return model.transformer.wte.weight


def unembedding(model: GPTJForCausalLM) -> tuple[Tensor, Tensor | None]:
    return model.lm_head.weight, model.lm_head.bias


def finish_logits(model: GPTJForCausalLM, logits: Tensor) -> Tensor:
    return logits
