"""The layers of a toy model: attention, MLP, norms, and the whole, called as Hugging Face's are.

Attention may be wholly or partly constant (Zhong et al. 2023, arXiv 2306.17844): weights attn_coeff * softmax + 1 -
attn_coeff.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, assert_never

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from workers.engine.toy.config import Activation, ToyConfig, config_from
from workers.engine.toy.names import refuse_misfits, turned

Stated = frozenset[str]
"""Names of a layer's tensors: a bias that is not among them is none."""


class SoLU(nn.Module):
    """x * softmax(x): Elhage et al. 2022, Softmax Linear Units."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.softmax(-1)


ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "gelu_new": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "solu": SoLU,
    "solu_ln": SoLU,  # with a LayerNorm behind it
}


class Attention(nn.Module):
    def __init__(self, config: ToyConfig, layer: int, stated: Stated) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        inside = config.num_attention_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, inside, bias="attn.b_Q" in stated)
        self.k_proj = nn.Linear(config.hidden_size, inside, bias="attn.b_K" in stated)
        self.v_proj = nn.Linear(config.hidden_size, inside, bias="attn.b_V" in stated)
        self.o_proj = nn.Linear(inside, config.hidden_size, bias="attn.b_O" in stated)

    def forward(
        self,
        normed: Tensor,
        attention_mask: Tensor,
        position_embeddings: tuple[Tensor, ...] = (),
        past_key_values: Any = None,
    ) -> tuple[Tensor, Tensor]:
        """normed (rows, n, d_model), attention_mask (1 or rows, 1, n, keys) added to the scores.

        position_embeddings: of a shortformer, which adds them to what queries and keys read (1 or rows, n, d_model).
        """
        placed = normed + position_embeddings[0] if position_embeddings else normed
        q, k, v = (
            torch.unflatten(project(x), -1, (-1, self.config.head_dim)).transpose(1, 2)  # (rows, heads, n, d_head)
            for project, x in ((self.q_proj, placed), (self.k_proj, placed), (self.v_proj, normed))
        )
        if past_key_values is not None:
            k, v = past_key_values.update(k, v, self.layer)
        scores = q @ k.transpose(-1, -2) / self.config.attn_scale + attention_mask  # (rows, heads, n, keys)
        pattern = scores.softmax(-1)
        if self.config.attn_coeff != 1.0:
            pattern = pattern * self.config.attn_coeff + (1 - self.config.attn_coeff)
        z = (pattern @ v).transpose(1, 2).flatten(-2)  # (rows, n, heads * d_head)
        return self.o_proj(z), pattern


class MLP(nn.Module):
    def __init__(self, config: ToyConfig, stated: Stated) -> None:
        super().__init__()
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias="mlp.b_in" in stated)
        self.act = ACTIVATIONS[config.hidden_act]()
        self.ln = _inner_norm(config)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias="mlp.b_out" in stated)

    def forward(self, normed: Tensor) -> Tensor:
        mlp: Tensor = self.down_proj(self.ln(self.act(self.up_proj(normed))))
        return mlp


class Layer(nn.Module):
    def __init__(self, config: ToyConfig, layer: int, stated: Stated) -> None:
        super().__init__()
        self.ln1 = _norm(config)
        self.attn = Attention(config, layer, stated)
        self.ln2 = _norm(config) if config.intermediate_size else None
        self.mlp = MLP(config, stated) if config.intermediate_size else None

    def forward(
        self,
        resid: Tensor,
        attention_mask: Tensor,
        position_embeddings: tuple[Tensor, ...] = (),
        past_key_values: Any = None,
    ) -> tuple[Tensor, Tensor]:
        out, pattern = self.attn(self.ln1(resid), attention_mask, position_embeddings, past_key_values)
        resid = resid + out
        if self.mlp is not None and self.ln2 is not None:
            resid = resid + self.mlp(self.ln2(resid))
        return resid, pattern


class Decoder(nn.Module):
    """Everything before the unembedding."""

    def __init__(self, config: ToyConfig, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.pos_embed = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        layers = range(config.num_hidden_layers)
        self.blocks = nn.ModuleList(
            Layer(config, layer, frozenset(name.removeprefix(f"blocks.{layer}.") for name in weights))
            for layer in layers
        )
        self.ln_final = _norm(config)

    def forward(
        self, input_ids: Tensor, past_key_values: Any = None, use_cache: bool = False
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(batch, pos) -> (batch, pos, d_model) after the final norm, and each layer's pattern."""
        resid = self.embed(input_ids)
        places = self.pos_embed.weight[None, : input_ids.shape[1]]  # (1, pos, d_model)
        shortformer = self.config.positions == "shortformer"
        resid = resid if shortformer else resid + places
        mask, patterns = self._mask(input_ids, resid.dtype), []
        for block in self.blocks:
            resid, pattern = block(
                resid,
                attention_mask=mask,
                position_embeddings=(places,) if shortformer else (),
                past_key_values=past_key_values,
            )
            patterns.append(pattern)
        return self.ln_final(resid), tuple(patterns)

    def _mask(self, tokens: Tensor, dtype: torch.dtype) -> Tensor:
        """(batch, 1, query, key): 0 where a query may look, else as little as the dtype can say."""
        length = tokens.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool, device=tokens.device)
        seen = (seen.tril() if self.config.causal else seen).expand(len(tokens), 1, length, length)
        if self.config.pad_token_id is not None:
            seen = seen & (tokens != self.config.pad_token_id)[:, None, None, :]
            # a query that would see nothing, which only padding's own can be, sees itself: softmax of nothing is none
            alone = torch.eye(length, dtype=torch.bool, device=tokens.device) & ~seen.any(-1, keepdim=True)
            seen = seen | alone
        nothing = torch.zeros(seen.shape, dtype=dtype, device=tokens.device)
        return nothing.masked_fill(~seen, torch.finfo(dtype).min)


@dataclass(frozen=True)
class Output:
    logits: Tensor  # (batch, pos, outputs)
    attentions: tuple[Tensor, ...]  # by layer (batch, heads, query, key)


class ToyTransformer(nn.Module):
    def __init__(self, config: ToyConfig, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.base_model = Decoder(config, weights)
        self.unembed = nn.Linear(config.hidden_size, config.outputs, bias="unembed.b_U" in weights)

    @classmethod
    def from_pretrained(cls, folder: Path, *, dtype: torch.dtype, **_: Any) -> tuple[Self, dict[str, list[str]]]:
        """The model, and what its files lacked, as Hugging Face's readers say it. Raises ValueError for what is odd."""
        config = config_from(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        weights = load_file(folder / "model.safetensors")
        refuse_misfits(weights, config)
        with torch.device("meta"):
            model = cls(config, weights)
        found = model.load_state_dict(
            {name: value.to(dtype) for name, value in turned(weights).items()}, strict=False, assign=True
        )
        assert not found.unexpected_keys, found.unexpected_keys
        return model, {"missing_keys": found.missing_keys}

    @property
    def dtype(self) -> torch.dtype:
        return self.unembed.weight.dtype

    def forward(self, input_ids: Tensor, use_cache: bool = False, output_attentions: bool = False) -> Output:
        resid, patterns = self.base_model(input_ids)
        return Output(self.unembed(resid), patterns)


def _norm(config: ToyConfig) -> nn.Module:
    match config.norm:
        case "LN":
            return nn.LayerNorm(config.hidden_size, config.eps)
        case "LNPre":
            return nn.LayerNorm(config.hidden_size, config.eps, elementwise_affine=False)
        case "RMS":
            return nn.RMSNorm(config.hidden_size, config.eps)
        case "RMSPre":
            return nn.RMSNorm(config.hidden_size, config.eps, elementwise_affine=False)
        case "none":
            return nn.Identity()
        case _:
            assert_never(config.norm)


def _inner_norm(config: ToyConfig) -> nn.Module:
    """Of SoLU with a LayerNorm behind it; without weights unless the model's other norms are LayerNorms with some."""
    if config.hidden_act != "solu_ln":
        return nn.Identity()
    return nn.LayerNorm(config.intermediate_size, config.eps, elementwise_affine=config.norm == "LN")
