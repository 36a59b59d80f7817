"""The slow truth of what a component adds to the logits: its write is taken off a plain run's residual stream.

Nothing of `reading_out` is used: writes are seen by hooks and made by the model's own modules, and the number is the
metric of the logits with and without them. A norm's scale is held by giving the norm each part at the run's own size.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.architectures import Adding
from workers.engine.documents.components import Component
from workers.engine.metrics import METRICS
from workers.engine.setting import Setting

Seen = dict[tuple[str, int], Tensor]


@torch.no_grad()
def contribution_by_hand(setting: Setting, component: Component, metric: str) -> Tensor:
    """(batch,), as `reading_out.contribution` must give."""
    loaded, answers = setting.loaded, setting.answers
    seen: Seen = setting.once("seen by plain hooks", lambda: _seen(loaded, setting.clean.tokens))
    prompt = torch.arange(len(answers.reads), device=loaded.device)[:, None]
    final = seen["final", 0][prompt, answers.reads]  # (batch, n_reads, d_model)
    held = _held(loaded.final_norm(), final)
    bias = loaded.final_norm()(torch.zeros_like(final))

    def number(resid: Tensor) -> Tensor:
        weight, b_U = loaded.architecture.unembedding(loaded.model)
        found = nn.functional.linear(held(resid) + bias, weight, b_U)
        return METRICS[metric].value(found, answers)

    if component.kind == "logits":
        return number(torch.zeros_like(final))
    written = _write(setting, seen, component)[prompt, answers.reads]
    at = setting.at(component)
    if at is None:
        return number(final) - number(final - written)
    here = (answers.reads == at[:, None]) & answers.real
    share = answers.real.sum(-1) / here.sum(-1)
    return (number(final) - number(final - written * here[..., None])) * share


@torch.no_grad()
def read_by_hooks(loaded: Loaded, tokens: Tensor, component: Component) -> Tensor:
    """(batch, pos, d): what a component computes in a plain run, as `edit.read` must give it."""
    seen, layer = _seen(loaded, tokens), component.layer or 0
    match component.kind:
        case "embed" | "resid":
            return seen["final", 0] if layer == loaded.layers else seen["resid", layer]
        case "attn" | "mlp":
            return seen[component.kind, layer]
        case "head":
            return torch.unflatten(seen["z", layer], -1, (loaded.heads, -1))[:, :, component.head or 0]
        case "neuron":
            return seen["neurons", layer][:, :, component.neuron or 0, None]
        case "entry" | "logits":
            raise ValueError(f"{component.name} is not computed in the residual stream")


def _seen(loaded: Loaded, tokens: Tensor) -> Seen:
    """What plain hooks see in a plain run."""
    seen = Seen()

    def note(name: str, layer: int) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: object = None) -> None:
            value: Any = inputs[0] if output is None else output
            found: Tensor = value[0] if isinstance(value, tuple) else value
            # some families add to a module's output in place, others give their MLP all prompts in one row
            seen[name, layer] = found.clone().reshape(*tokens.shape, -1)

        return hook

    with ExitStack() as hooks:
        for number in range(loaded.layers):
            mlp = loaded.mlp(number)
            hooks.callback(loaded.layer(number).register_forward_pre_hook(note("resid", number)).remove)
            hooks.callback(loaded.attention(number).register_forward_hook(note("attn", number)).remove)
            hooks.callback(loaded.output_projection(number).register_forward_pre_hook(note("z", number)).remove)
            if mlp is not None:
                down = loaded.architecture.down_projection(mlp)
                hooks.callback(mlp.register_forward_hook(note("mlp", number)).remove)
                hooks.callback(down.register_forward_pre_hook(note("neurons", number)).remove)
        hooks.callback(loaded.final_norm().register_forward_pre_hook(note("final", 0)).remove)
        loaded.model(input_ids=tokens, use_cache=False)
    return seen


def _write(setting: Setting, seen: Seen, component: Component) -> Tensor:
    """(batch, pos, d_model): what a component adds to the residual stream."""
    loaded, layer = setting.loaded, component.layer or 0
    match component.kind:
        case "embed" | "resid":
            return seen["final", 0] if layer == loaded.layers else seen["resid", layer]
        case "attn" | "mlp":
            return _added(setting, layer, component.kind)(seen[component.kind, layer])
        case "head":
            start = (component.head or 0) * loaded.d_head
            alone = _only(seen["z", layer], slice(start, start + loaded.d_head))
            project = loaded.output_projection(layer)
            return _into_stream(setting, seen, layer, "attn")(project(alone) - project(torch.zeros_like(alone)))
        case "neuron":
            down, unit = loaded.down_projection(layer), component.neuron or 0
            assert down is not None
            alone = _only(seen["neurons", layer], slice(unit, unit + 1))
            return _into_stream(setting, seen, layer, "mlp")(down(alone) - down(torch.zeros_like(alone)))
        case "entry" | "logits":
            raise ValueError(f"{component.name} writes nothing to the residual stream")


def _only(values: Tensor, some: slice) -> Tensor:
    alone = torch.zeros_like(values)
    alone[..., some] = values[..., some]
    return alone


def _into_stream(setting: Setting, seen: Seen, layer: int, part: Adding) -> Callable[[Tensor], Tensor]:
    return _held(_added(setting, layer, part), seen[part, layer])


def _added(setting: Setting, layer: int, part: Adding) -> Callable[[Tensor], Tensor]:
    module = setting.loaded.layer(layer)

    def added(given: Tensor) -> Tensor:
        found = setting.loaded.architecture.added(module, part, given)
        assert found is not None, "refused before"
        return found

    return added


def _held(norm: Callable[[Tensor], Tensor], at: Tensor) -> Callable[[Tensor], Tensor]:
    """The norm without its bias, its scale held at `at` (..., d): a part is normed at the size of the whole.

    Of like size, whole and part are scaled alike, whatever epsilon; then the part's own size is given back.
    """
    shifted, whole = norm(at + at.square().mean().sqrt()), norm(at)  # by as much as the stream is large
    centers = bool(torch.allclose(shifted, whole, rtol=1e-3, atol=1e-3 * float(whole.abs().max())))

    def size(x: Tensor) -> Tensor:
        return (x.var(-1, keepdim=True, correction=0) if centers else x.square().mean(-1, keepdim=True)).sqrt()

    def part(x: Tensor) -> Tensor:
        ratio = size(x) / size(at)
        scaled = torch.where(ratio > 0, x / ratio.clamp_min(1e-30), torch.zeros_like(x))
        return (norm(scaled) - norm(torch.zeros_like(x))) * ratio

    return part
