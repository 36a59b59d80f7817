"""OPT: Linear weights (out, in) with biases, learned positions, ReLU. It has no MLP module: fc2 is taken for it.

opt-350m is another thing: norms stand behind the sums, so that nothing is merely added to the residual stream; there is
no final norm; and embeddings are narrower than the residual stream, with a projection at either end.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor, nn
from transformers import OPTForCausalLM

from workers.engine.architectures import gptj

if TYPE_CHECKING:
    from transformers import OPTConfig
    from transformers.models.opt.modeling_opt import OPTDecoder, OPTDecoderLayer

    from workers.engine.architectures import Adding


class OPT(OPTForCausalLM):
    """Hugging Face's, with an identity where there is no final norm, and the projections multiplied out once."""

    def __init__(self, config: OPTConfig) -> None:
        super().__init__(config)
        if self.model.decoder.final_layer_norm is None:
            self.model.decoder.final_layer_norm = nn.Identity()

    @cached_property
    def W_E(self) -> Tensor:
        """(vocabulary, d_model)."""
        weight, narrow = self.model.decoder.embed_tokens.weight, self.model.decoder.project_in
        return weight if narrow is None else weight @ narrow.weight.T

    @cached_property
    def W_U(self) -> Tensor:
        """(vocabulary, d_model)."""
        weight, narrow = self.lm_head.weight, self.model.decoder.project_out
        return weight if narrow is None else weight @ narrow.weight


MODEL = OPT
LIKE = gptj


def key_value_heads(config: OPTConfig) -> int:
    return config.num_attention_heads


def layers(model: OPT) -> nn.ModuleList:
    return _decoder(model).layers


def attention(layer: OPTDecoderLayer) -> nn.Module:
    return layer.self_attn


def mlp(layer: OPTDecoderLayer) -> nn.Module | None:
    return layer.fc2


def down_projection(mlp: nn.Module) -> nn.Module:
    return mlp


def added(layer: OPTDecoderLayer, part: Adding, output: Tensor) -> Tensor | None:
    return output if layer.do_layer_norm_before else None


def final_norm(model: OPT) -> nn.Module:
    return _decoder(model).final_layer_norm


def embedding(model: OPT) -> Tensor:
    return model.W_E


def unembedding(model: OPT) -> tuple[Tensor, Tensor | None]:
    return model.W_U, None


def _decoder(model: OPT) -> OPTDecoder:
    return model.model.decoder
