"""The authors' own EAP and EAP-IG (hannamw/EAP-IG, of which EAP_IG= names a checkout), on TransformerLens 3.9.

Their code reads texts with a tokenizer, asks for `cuda` by name, and imports pygraphviz for drawing: tokens are handed
over as they are, the task's device stands in for the name, and an empty module for the drawing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from transformer_lens import HookedTransformer

from benchmarks.engine.arms import transformer_lens
from benchmarks.engine.inputs import Task

sys.modules.setdefault("pygraphviz", ModuleType("pygraphviz"))

from eap import attribute as scoring  # noqa: E402 - needs the stand-in above
from eap.graph import Graph  # noqa: E402 - needs the stand-in above

STEPS = 5


class OnDevice(TorchFunctionMode):
    """Makes on `device` what is asked for on cuda."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, function: Any, types: Any, args: Any = (), named: Any = None) -> Any:
        named = dict(named or {})
        if named.get("device") == "cuda":
            named["device"] = self.device
        return function(*args, **named)


def load(task: Task) -> HookedTransformer:
    model = transformer_lens.load(task)
    model.set_use_attn_result(True)
    model.set_use_split_qkv_input(True)
    model.set_use_hook_mlp_in(True)
    scoring.tokenize_plus = _tokens
    return model


def _tokens(_: HookedTransformer, tokens: Tensor, max_length: int | None = None) -> tuple[Tensor, Any, Tensor, int]:
    """In place of their function of the same name: tokens (batch, pos) of equal length, without a mask."""
    lengths = torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
    return tokens, None, lengths, tokens.shape[1]


def scored(model: HookedTransformer, task: Task, **asked: Any) -> Iterator[Tensor]:
    """(forward nodes, backward nodes): the mean over pairs, as the authors divide it."""
    yield torch.empty(0)
    graph = Graph.from_model(model)

    def metric(logits: Tensor, clean_logits: Tensor, lengths: Tensor, label: Any) -> Tensor:
        return task.logit_diff(logits).sum()

    batches = [(task.clean, task.corrupted, None)]
    with OnDevice(task.device):
        if "steps" in asked:
            yield scoring.get_scores_eap_ig(model, graph, batches, metric, quiet=True, **asked)
        else:
            yield scoring.get_scores_eap(model, graph, batches, metric, quiet=True)
    model.zero_grad()


def eap(model: HookedTransformer, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    return scored(model, task)


def eap_ig(model: HookedTransformer, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    return scored(model, task, steps=STEPS)


WORKS = {"EAP": eap, "EAP-IG": eap_ig}
