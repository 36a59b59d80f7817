"""TransformerLens 3.9's HookedTransformer, used as its documentation shows: `patching`, `run_with_cache`, hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig, patching
from transformer_lens.pretrained.weight_conversions.gpt2 import convert_gpt2_weights

from benchmarks.engine.inputs import Task, model_of

Sampled = Sequence[Sequence[int]]
NOTHING = torch.empty(0)


def load(task: Task) -> HookedTransformer:
    """As `from_pretrained`, which needs a network, makes it by default: norms and value biases folded, centered."""
    source = model_of(task)
    made = source.config
    config = HookedTransformerConfig(
        n_layers=made.n_layer,
        d_model=made.n_embd,
        n_ctx=made.n_positions,
        d_head=made.n_embd // made.n_head,
        n_heads=made.n_head,
        d_mlp=4 * made.n_embd,
        d_vocab=made.vocab_size,
        act_fn="gelu_new",
        eps=made.layer_norm_epsilon,
        normalization_type="LN",
        original_architecture="GPT2LMHeadModel",
        device=task.device,
    )
    model = HookedTransformer(config)
    model.load_and_process_state_dict(convert_gpt2_weights(source, config))
    return model.eval()


@torch.no_grad()
def head_sweep(model: HookedTransformer, task: Task, sampled: Sampled) -> Iterator[Tensor]:
    _, cache = model.run_with_cache(task.clean)
    yield NOTHING
    for layer, head in sampled:
        row = pd.DataFrame([[layer, head]], columns=["layer", "head"])
        yield _patched(model, task, cache, patching.layer_head_vector_patch_setter, "z", row)


@torch.no_grad()
def residual_sweep(model: HookedTransformer, task: Task, sampled: Sampled) -> Iterator[Tensor]:
    _, cache = model.run_with_cache(task.clean)
    yield NOTHING
    for layer, at in sampled:
        row = pd.DataFrame([[layer, at]], columns=["layer", "pos"])
        yield _patched(model, task, cache, patching.layer_pos_patch_setter, "resid_pre", row)


def _patched(
    model: HookedTransformer, task: Task, cache: Any, setter: Callable[..., Tensor], name: str, row: pd.DataFrame
) -> Tensor:
    """(1, pairs). `patching` keeps one number of each patch; the metric notes the prompts' own."""
    seen: list[Tensor] = []

    def metric(logits: Tensor) -> Tensor:
        seen.append(task.logit_diff(logits))
        return seen[-1].mean()

    patching.generic_activation_patch(model, task.corrupted, cache, metric, setter, name, index_df=row)
    return torch.stack(seen)


@torch.no_grad()
def faithfulness(model: HookedTransformer, task: Task, sampled: Sampled) -> Iterator[Tensor]:
    """(clean | circuit | floor, pairs)."""
    yield NOTHING
    _, cache = model.run_with_cache(task.corrupted)
    means = [cache["z", layer].mean(dim=0) for layer in range(task.layers)]  # (pos, heads, d_head)

    def without(ablated: Sequence[tuple[int, int]]) -> Tensor:
        def hook(z: Tensor, hook: Any, layer: int) -> Tensor:
            for head in (head for other, head in ablated if other == layer):
                z[:, :, head] = means[layer][:, head]
            return z

        hooks = [(f"blocks.{layer}.attn.hook_z", partial(hook, layer=layer)) for layer in range(task.layers)]
        return task.logit_diff(model.run_with_hooks(task.clean, fwd_hooks=hooks))

    every = [(layer, head) for layer in range(task.layers) for head in range(task.heads)]
    yield torch.stack([task.logit_diff(model(task.clean)), without(task.others()), without(every)])


@torch.no_grad()
def path_patching(model: HookedTransformer, task: Task, sampled: Sampled) -> Iterator[Tensor]:
    """One sender's clean z in the corrupted run, all other heads kept, MLPs recomputed; (1, pairs) each."""
    _, clean = model.run_with_cache(task.clean)
    _, corrupted = model.run_with_cache(task.corrupted)
    yield NOTHING

    def kept(z: Tensor, hook: Any, layer: int, sender: Sequence[int]) -> Tensor:
        z[:] = corrupted["z", layer]
        if layer == sender[0]:
            z[:, :, sender[1]] = clean["z", layer][:, :, sender[1]]
        return z

    for sender in sampled:
        hooks = [
            (f"blocks.{layer}.attn.hook_z", partial(kept, layer=layer, sender=sender)) for layer in range(task.layers)
        ]
        yield task.logit_diff(model.run_with_hooks(task.corrupted, fwd_hooks=hooks))[None]


def attribution(model: HookedTransformer, task: Task, sampled: Sampled) -> Iterator[Tensor]:
    """(layers * heads, pairs): the corrupted run's logit difference, and what a gradient adds to it for each head."""
    yield NOTHING
    is_z = lambda name: name.endswith("hook_z")  # noqa: E731 - the form in which TransformerLens takes filters
    with torch.no_grad():
        _, clean = model.run_with_cache(task.clean, names_filter=is_z)
    gradients: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}

    def see(z: Tensor, hook: Any) -> None:
        values[hook.name] = z.detach()

    def back(gradient: Tensor, hook: Any) -> None:
        gradients[hook.name] = gradient

    with model.hooks(fwd_hooks=[(is_z, see)], bwd_hooks=[(is_z, back)]):
        found = task.logit_diff(model(task.corrupted))
        found.sum().backward()
    model.zero_grad()
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(task.layers)]
    slopes = [((clean[name] - values[name]) * gradients[name]).sum((1, 3)).T for name in names]  # (heads, pairs)
    yield found.detach() + torch.cat(slopes)


WORKS = {
    "head sweep": head_sweep,
    "residual sweep": residual_sweep,
    "faithfulness": faithfulness,
    "path patching": path_patching,
    "attribution": attribution,
}
