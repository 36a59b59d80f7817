"""TransformerLens 4's TransformerBridge, raw (its default), with its own `patching`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformer_lens import patching
from transformer_lens.model_bridge import TransformerBridge

from benchmarks.engine.inputs import Task, model_of


def load(task: Task) -> Any:
    source = model_of(task)
    source.config.architectures = ["GPT2LMHeadModel"]
    source.set_attn_implementation("eager")
    bridge = TransformerBridge.boot_transformers(str(task.model), hf_model=source, tokenizer=None, device=task.device)
    return bridge.eval()


@torch.no_grad()
def head_sweep(model: Any, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    _, cache = model.run_with_cache(task.clean)
    yield torch.empty(0)
    setter = patching.layer_head_vector_patch_setter
    for layer, head in sampled:
        row = pd.DataFrame([[layer, head]], columns=["layer", "head"])
        found = patching.generic_activation_patch(
            model, task.corrupted, cache, task.logit_diff, setter, "z", index_df=row, reduce="none"
        )
        yield found.values.reshape(1, -1)


WORKS = {"head sweep": head_sweep}
