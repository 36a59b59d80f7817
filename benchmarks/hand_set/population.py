"""The behavior of the hand-set model, its claims as documents, and what is true of the whole population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.hand_set.weights import ASK, ASK_TOKEN, NO, WORDS, YES, component
from workers.engine.anatomy import Loaded
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.bundle import Bundle
from workers.engine.documents.components import component as parsed
from workers.engine.documents.finding import Finding
from workers.engine.documents.model import Model
from workers.engine.edit import Edit
from workers.engine.oracle import oracle

ROWS_AT_ONCE = 8_000
THRESHOLD = 1.0
BEHAVIOR = Behavior.from_json(
    {
        "slug": "loudness",
        "title": "Loudness",
        "prompts": {
            "default": {
                "generator": "token_table",
                "columns": [{"first": n * WORDS, "last": (n + 1) * WORDS - 1} for n in range(3)],
                "sequence": ["$0", "$1", "$2", ASK_TOKEN],
                "answers": [{"position": "END", "right": [YES], "wrong": [NO]}],
            }
        },
        "metric": "logit_diff",
        "chance": 0.0,
        "threshold": THRESHOLD,
    }
)


def bundle_of(loaded: Loaded, claim: Mapping[str, Any], nodes: Sequence[str]) -> Bundle:
    """A finding of one claim about the model. nodes: the circuit's, which no random set may contain."""
    model = Model.from_json(
        {
            "slug": "hand-set",
            "title": "A model whose weights are set by hand",
            "weights": {"weights_sha256": loaded.weights_sha256},
            "family": loaded.family,
            "tokenizer_sha256": None,
            "bos": None,
            "chat_template": None,
            "dimensions": {
                "layers": loaded.layers,
                "heads": loaded.heads,
                "key_value_heads": loaded.kv_heads,
                "d_model": loaded.d_model,
                "d_head": loaded.d_head,
                "d_mlp": loaded.d_mlp or 0,
                "vocabulary": loaded.vocabulary,
                "positions": loaded.positions,
            },
        }
    )
    finding = Finding.from_json(
        {
            "slug": "finding",
            "title": "A finding",
            "behavior": {"slug": BEHAVIOR.slug, "revision": BEHAVIOR.sha256},
            "model": {"slug": model.slug, "revision": model.sha256},
            "circuit": {"nodes": [{"component": component(name)} for name in nodes]},
            "claims": [dict(claim)],
        }
    )
    return Bundle(finding=finding, behaviors={BEHAVIOR.slug: BEHAVIOR}, model=model).checked()


@dataclass(frozen=True)
class Truth:
    """Of every prompt there is: the answer's logit difference untouched, and with heads zero-ablated together."""

    clean: Tensor  # (row,)
    without: dict[tuple[str, ...], Tensor]  # names of heads -> (row,)

    def change(self, *names: str) -> float:
        return float((self.without[names] - self.clean).mean())

    def relative_change(self, *names: str) -> float:
        return self.change(*names) / abs(float(self.clean.mean()))

    def accuracy(self, *names: str) -> float:
        return float((self.without[names] > 0).double().mean())


def truth_of(loaded: Loaded, ablated: Sequence[tuple[str, ...]]) -> Truth:
    """By whole forward passes with plain hooks, over the whole population."""
    places = torch.arange(WORDS)
    rows = torch.cartesian_prod(*(places + n * WORDS for n in range(3)))
    tokens = torch.cat([rows, torch.full((len(rows), 1), ASK_TOKEN)], dim=1)
    parts = [_differences(loaded, some, ablated) for some in tokens.split(ROWS_AT_ONCE)]
    clean, *without = torch.cat(parts, dim=1)
    return Truth(clean, dict(zip(ablated, without, strict=True)))


def _differences(loaded: Loaded, tokens: Tensor, ablated: Sequence[tuple[str, ...]]) -> Tensor:
    """(1 + ablated, row): untouched, then each ablation."""
    nothing = torch.zeros(*tokens.shape, loaded.d_head)
    edits = [[Edit(parsed(component(name)), None, nothing) for name in names] for names in ablated]
    found = oracle(loaded, tokens, [[], *edits], torch.full((len(tokens), 1), ASK)).logits[:, :, 0]
    return (found[..., YES] - found[..., NO]).double()
