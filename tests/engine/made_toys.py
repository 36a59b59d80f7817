"""Toy models made for tests: any config, random weights under TransformerLens's names, and a forward pass to compare.

The forward pass is written from the formulas, one head at a time, in TransformerLens's orientation.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from workers.engine.toy.config import config_from, shapes

SMALL = {
    "n_layers": 2,
    "n_heads": 3,
    "d_model": 10,
    "d_head": 4,
    "d_vocab": 7,
    "n_ctx": 8,
    "d_mlp": 12,
    "act_fn": "relu",
    "normalization_type": None,
}


def toy_weights(config: dict[str, Any], without: str = "") -> dict[str, Tensor]:
    """Random, large enough and uneven enough for every mistake to show. without: tensors whose names end so."""
    generator = torch.Generator().manual_seed(3)
    named = shapes(config_from(config)).items()
    drawn = {name: 0.4 * torch.randn(shape, generator=generator) for name, shape in named}
    return {
        name: 1 + tensor if name.endswith(".w") else tensor
        for name, tensor in drawn.items()
        if not without or not name.rpartition(".")[2].startswith(without)
    }


def write_toy(folder: Path, config: dict[str, Any], weights: dict[str, Tensor] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    stated = toy_weights(config) if weights is None else weights
    save_file({name: value.contiguous() for name, value in stated.items()}, folder / "model.safetensors")
    return folder


def forward(config: dict[str, Any], weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """tokens (batch, pos) -> logits (batch, pos, outputs)."""
    places = weights["pos_embed.W_pos"][: tokens.shape[1]]
    shortformer = config.get("positional_embedding_type") == "shortformer"
    resid = weights["embed.W_E"][tokens] + (0 if shortformer else places)
    for layer in range(config["n_layers"]):
        block = {
            name.removeprefix(f"blocks.{layer}."): value
            for name, value in weights.items()
            if name.startswith(f"blocks.{layer}.")
        }
        normed = norm(config, resid, block, "ln1")
        placed = normed + places if shortformer else normed
        heads = [head(config, block, number, placed, normed, tokens) for number in range(config["n_heads"])]
        resid = resid + torch.stack(heads).sum(0) + block.get("attn.b_O", 0)
        if not config.get("attn_only"):
            resid = resid + mlp(config, block, norm(config, resid, block, "ln2"))
    return norm(config, resid, weights, "ln_final") @ weights["unembed.W_U"] + weights.get("unembed.b_U", 0)


def head(
    config: dict[str, Any], block: dict[str, Tensor], number: int, placed: Tensor, normed: Tensor, tokens: Tensor
) -> Tensor:
    """What one head writes: (batch, pos, d_model)."""
    q, k, v = (
        read @ block[f"attn.W_{part}"][number] + (block[f"attn.b_{part}"][number] if f"attn.b_{part}" in block else 0)
        for part, read in (("Q", placed), ("K", placed), ("V", normed))
    )
    scores = q @ k.transpose(1, 2) / math.sqrt(config["d_head"])  # (batch, query, key)
    length = tokens.shape[1]
    if config.get("attention_dir", "causal") == "causal":
        scores = scores.masked_fill(torch.arange(length)[:, None] < torch.arange(length), -math.inf)
    if config.get("pad_token_id") is not None:
        scores = scores.masked_fill((tokens == config["pad_token_id"])[:, None], -math.inf)
    coefficient = config.get("attn_coeff", 1.0)
    pattern = scores.softmax(-1) * coefficient + 1 - coefficient
    return pattern @ v @ block["attn.W_O"][number]


def mlp(config: dict[str, Any], block: dict[str, Tensor], read: Tensor) -> Tensor:
    hidden = read @ block["mlp.W_in"] + block.get("mlp.b_in", 0)
    active = {
        "relu": lambda x: x.clamp(min=0),
        "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
        "gelu_new": lambda x: x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
        "silu": lambda x: x / (1 + torch.exp(-x)),
        "solu": lambda x: x * x.softmax(-1),
        "solu_ln": lambda x: F.layer_norm(
            x * x.softmax(-1), x.shape[-1:], block.get("mlp.ln.w"), block.get("mlp.ln.b"), 1e-5
        ),
    }[config["act_fn"]](hidden)
    return active @ block["mlp.W_out"] + block.get("mlp.b_out", 0)


def norm(config: dict[str, Any], resid: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    kind = config["normalization_type"]
    if kind is None:
        return resid
    centered = resid - resid.mean(-1, keepdim=True) if kind.startswith("LN") else resid
    scaled = centered / (centered.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * weights.get(f"{name}.w", 1) + weights.get(f"{name}.b", 0)
