"""pyvene: `head_attention_value_output` of one head, everywhere; it runs the source anew for each intervention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from pyvene import IntervenableConfig, IntervenableModel, RepresentationConfig, VanillaIntervention
from torch import Tensor

from benchmarks.engine.inputs import Task, model_of


def load(task: Task) -> Any:
    return model_of(task)


@torch.no_grad()
def head_sweep(model: Any, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    pairs, length = task.clean.shape
    yield torch.empty(0)
    for layer, head in sampled:
        where = RepresentationConfig(layer, "head_attention_value_output", "h.pos", 1)
        patching = IntervenableModel(IntervenableConfig([where], VanillaIntervention), model)
        patching.set_device(task.device)
        units = [[[[head]] * pairs, [list(range(length))] * pairs]]  # heads, and positions, of each prompt
        _, patched = patching(
            {"input_ids": task.corrupted}, [{"input_ids": task.clean}], {"sources->base": (units, units)}
        )
        yield task.logit_diff(patched.logits)[None]


WORKS = {"head sweep": head_sweep}
