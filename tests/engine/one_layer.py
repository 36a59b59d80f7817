"""Models of one layer whose every number can be worked out by hand: axes in, axes out, and one head that speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.engine.made_toys import write_toy
from workers.engine.anatomy import Loaded
from workers.engine.loading import load_folder

CONFIG = {"n_layers": 1, "n_heads": 2, "d_model": 4, "d_head": 4, "d_vocab": 4, "n_ctx": 3}
CONFIG |= {"attn_only": True, "normalization_type": None, "act_fn": None}
AXES, NOTHING = torch.eye(4), torch.zeros(4, 4)


def averaging(folder: Path) -> Loaded:
    """Attention is uniform whatever is asked, so that the whole model is linear."""
    return _written(folder, NOTHING, NOTHING)


def decided(folder: Path) -> Loaded:
    """Token 2 asks for token 0 and token 3 for token 1, at scores of 50 to 0: the softmax has made up its mind."""
    queries = NOTHING.clone()
    queries[2, 0] = queries[3, 1] = 100.0  # over sqrt(d_head) = 2
    return _written(folder, queries, AXES)


def stated(clean: list[int], corrupted: list[int], right: int, wrong: int) -> dict[str, Any]:
    prompt = {"tokens": clean, "corrupted": {"other": corrupted}, "positions": {"MIDDLE": 1}}
    return {"generator": "pairs", "prompts": [{**prompt, "right": [right], "wrong": [wrong]}]}


NAMES = stated([0, 1, 2], [0, 3, 2], right=1, wrong=3)
"""On `averaging`: logit_diff at END is 1/3 clean and -1/3 corrupted, a third of what stands in the middle."""
ASKED = stated([0, 1, 2], [0, 1, 3], right=0, wrong=1)
"""On `decided`: logit_diff at END is 1 clean and -1 corrupted, the token asked for."""


def _written(folder: Path, queries: Tensor, keys: Tensor) -> Loaded:
    """Embeddings, values, outputs and unembeddings are the identity; the second head says nothing."""
    weights = {
        "embed.W_E": AXES,
        "pos_embed.W_pos": torch.zeros(3, 4),
        "blocks.0.attn.W_Q": torch.stack([queries, NOTHING]),
        "blocks.0.attn.W_K": torch.stack([keys, NOTHING]),
        "blocks.0.attn.W_V": torch.stack([AXES, AXES]),
        "blocks.0.attn.W_O": torch.stack([AXES, NOTHING]),
        "unembed.W_U": AXES.clone(),
    }
    return load_folder(write_toy(folder, CONFIG, weights))
