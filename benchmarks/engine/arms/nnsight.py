"""nnsight: one trace for each intervention, with an assignment out of place (the quicker of its two ways here)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import nnsight
import torch
from torch import Tensor

from benchmarks.engine.inputs import Task, model_of


def load(task: Task) -> Any:
    return nnsight.NNsight(model_of(task))


@torch.no_grad()
def head_sweep(model: Any, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    width = model.config.n_embd // task.heads
    with model.trace(task.clean):
        clean = nnsight.save([])
        for layer in range(task.layers):
            clean.append(model.transformer.h[layer].attn.c_proj.input)
    yield torch.empty(0)
    for layer, head in sampled:
        block = slice(head * width, (head + 1) * width)
        with model.trace(task.corrupted):
            z = model.transformer.h[layer].attn.c_proj.input.clone()
            z[:, :, block] = clean[layer][:, :, block]
            model.transformer.h[layer].attn.c_proj.input = z
            logits = model.lm_head.output[:, -1:].save()
        yield task.logit_diff(logits)[None]


WORKS = {"head sweep": head_sweep}
