"""TransformerLens 3.9 as fast as it gets by hand: what is cached is chosen, each run starts at the patched layer and
ends before the unembedding, which sees the last position only."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer

from benchmarks.engine.arms.transformer_lens import NOTHING, Sampled, load
from benchmarks.engine.inputs import Task

__all__ = ["WORKS", "load"]


@torch.no_grad()
def head_sweep(model: HookedTransformer, task: Task, sampled: Sampled) -> Iterator[Tensor]:
    _, clean = model.run_with_cache(
        task.clean, names_filter=lambda name: name.endswith("hook_z"), stop_at_layer=task.layers
    )
    _, corrupted = model.run_with_cache(
        task.corrupted, names_filter=lambda name: name.endswith("hook_resid_pre"), stop_at_layer=task.layers
    )
    yield NOTHING

    def patch(z: Tensor, hook: Any, head: int) -> Tensor:
        z[:, :, head] = clean[hook.name][:, :, head]
        return z

    for layer, head in sampled:
        resid = model.run_with_hooks(
            corrupted["resid_pre", layer],
            start_at_layer=layer,
            stop_at_layer=task.layers,
            fwd_hooks=[(f"blocks.{layer}.attn.hook_z", partial(patch, head=head))],
        )
        yield task.logit_diff(model.unembed(model.ln_final(resid[:, -1:])))[None]


WORKS = {"head sweep": head_sweep}
