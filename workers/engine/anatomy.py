"""A loaded model: its modules by the engine's names, and its dimensions as config and weights give them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from tokenizers import Tokenizer
    from torch import nn

    from workers.engine.architectures import Architecture


@dataclass(frozen=True)
class Origin:
    """The files that a model was read from."""

    family: str
    folder: Path
    weights_sha256: str
    tokenizer_sha256: str | None
    tokenizer: Tokenizer | None


@dataclass(frozen=True, eq=False)
class Loaded:
    """A Hugging Face model in evaluation mode, without gradients, on one device, and proved by the self-check."""

    model: Any = field(repr=False)
    architecture: Architecture
    origin: Origin
    device: torch.device
    layers: int
    heads: int
    kv_heads: int  # fewer than heads where several query heads share keys and values
    d_head: int
    d_model: int
    d_mlp: int | None  # None: no MLPs
    vocabulary: int  # token ids that a prompt may hold; a toy model may have other outputs
    positions: int  # the longest prompt

    @property
    def family(self) -> str:
        return self.origin.family

    @property
    def causal(self) -> bool:
        """Whether a position depends on the positions before it only."""
        return self.architecture.causal(self.model.config)

    @property
    def queries_last(self) -> bool:
        """Whether an attention takes its queries for the last ones of its keys, whatever the mask that it is given."""
        return self.architecture.queries_last(self.model.config)

    @property
    def outputs(self) -> int:
        """Token ids that an answer may be: rows of the unembedding."""
        return len(self.architecture.unembedding(self.model)[0])

    @property
    def folder(self) -> Path:
        return self.origin.folder

    @property
    def tokenizer(self) -> Tokenizer | None:
        return self.origin.tokenizer

    @property
    def weights_sha256(self) -> str:
        return self.origin.weights_sha256

    @property
    def tokenizer_sha256(self) -> str | None:
        return self.origin.tokenizer_sha256

    def layer(self, layer: int) -> nn.Module:
        return self.architecture.layers(self.model)[layer]

    def attention(self, layer: int) -> nn.Module:
        return self.architecture.attention(self.layer(layer))

    def output_projection(self, layer: int) -> nn.Module:
        return self.architecture.output_projection(self.attention(layer))

    def mlp(self, layer: int) -> nn.Module | None:
        return self.architecture.mlp(self.layer(layer))

    def down_projection(self, layer: int) -> nn.Module | None:
        mlp = self.mlp(layer)
        return None if mlp is None else self.architecture.down_projection(mlp)

    def final_norm(self) -> nn.Module:
        return self.architecture.final_norm(self.model)

    def W_O(self, layer: int) -> torch.Tensor:
        """(heads, d_head, d_model)."""
        return self.architecture.output_weights(self.attention(layer), self.heads)

    def b_V(self, layer: int) -> torch.Tensor:
        """(heads, d_head), zeros where there is none: what folded zero ablation puts in place of z."""
        attention = self.attention(layer)
        found = [self.architecture.projection(attention, "v", head) for head in range(self.heads)]
        module: Any = found[0][0]
        if module.bias is None:
            none: torch.Tensor = module.weight.new_zeros(self.heads, self.d_head)
            return none
        blocks: torch.Tensor = module.bias.unflatten(0, (-1, self.d_head))[[block for _, block in found]]
        return blocks


def survey(model: Any, architecture: Architecture, origin: Origin, device: torch.device) -> Loaded:
    """Read the dimensions off a model."""
    config, first = model.config, architecture.layers(model)[0]
    heads, mlp = int(config.num_attention_heads), architecture.mlp(first)
    # read off W_O: in some families d_head is not d_model / heads
    _, d_head, d_model = architecture.output_weights(architecture.attention(first), heads).shape
    return Loaded(
        model=model,
        architecture=architecture,
        origin=origin,
        device=device,
        layers=len(architecture.layers(model)),
        heads=heads,
        kv_heads=architecture.key_value_heads(config),
        d_head=d_head,
        d_model=d_model,
        d_mlp=None if mlp is None else _inputs(architecture.down_projection(mlp)),
        vocabulary=int(config.vocab_size),
        positions=int(config.max_position_embeddings),
    )


def _inputs(projection: Any) -> int:
    """The width of a projection's input: Linear stores (out, in), Conv1D (in, out)."""
    return int(projection.in_features if hasattr(projection, "in_features") else projection.weight.shape[0])
