"""The slow truth: plain hooks on the model's own whole forward pass, one intervention at a time.

It shares no code with the replay, only what an Edit says and where a family keeps its modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workers.engine.anatomy import Loaded
from workers.engine.edit import CannotEdit, Edit, Place, Site, place

# hooks on one module run in the order of attaching: what is computed from the values first, a given z after it
ORDER: tuple[Site, ...] = ("pattern", "q", "k", "v", "z", "attn", "neuron", "mlp", "resid")


@dataclass(frozen=True)
class Truth:
    resid: Tensor  # (intervention, batch, n_reads, d_model) entering the final norm
    logits: Tensor  # (intervention, batch, n_reads, vocabulary)


@torch.no_grad()
def oracle(loaded: Loaded, tokens: Tensor, interventions: Sequence[Sequence[Edit]], reads: Tensor) -> Truth:
    """What `replay` must agree with: the same edits on tokens (batch, pos), read at reads (batch, n_reads)."""
    tokens, reads = tokens.to(loaded.device), reads.to(loaded.device)
    prompt = torch.arange(len(tokens), device=loaded.device)[:, None]
    resid, logits = [], []
    for edits in interventions:
        seen: list[Tensor] = []
        with ExitStack() as hooks:
            for edit in sorted(edits, key=lambda edit: ORDER.index(place(loaded, edit.component).site)):
                _attach(loaded, edit, hooks)
            spy = loaded.final_norm().register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
            hooks.callback(spy.remove)
            output = loaded.model(input_ids=tokens, use_cache=False)
        resid.append(seen[0][prompt, reads])
        logits.append(output.logits[prompt, reads])
    return Truth(torch.stack(resid), torch.stack(logits))


def _attach(loaded: Loaded, edit: Edit, hooks: ExitStack) -> None:
    where = place(loaded, edit.component)
    match where.site:
        case "resid":
            final = where.layer == loaded.layers
            module = loaded.final_norm() if final else loaded.layer(where.layer)
            hook = _input_hook(module, lambda resid: _edited(resid, edit))
        case "attn":
            hook = _output_hook(loaded.attention(where.layer), lambda out: _edited(out, edit))
        case "mlp":
            hook = _output_hook(_mlp(loaded, where), lambda out: _edited(out, edit))
        case "neuron":
            down = loaded.architecture.down_projection(_mlp(loaded, where))
            hook = _input_hook(down, lambda hidden: _block_edited(hidden, edit, where.unit, 1))
        case "z":
            output = loaded.output_projection(where.layer)
            hook = _input_hook(output, lambda z: _block_edited(z, edit, where.unit, loaded.d_head))
        case "q" | "k" | "v":
            return _attach_projection(loaded, edit, where, hooks)
        case "pattern":
            return _attach_pattern(loaded, edit, where, hooks)
    hooks.callback(hook.remove)


def _attach_projection(loaded: Loaded, edit: Edit, where: Place, hooks: ExitStack) -> None:
    attention, part = loaded.attention(where.layer), where.site
    assert part in ("q", "k", "v"), part
    module, block = loaded.architecture.projection(attention, part, where.unit)
    if part != "q" and loaded.kv_heads < loaded.heads:
        hooks.enter_context(_ungrouped(loaded, where.layer))
        block = where.unit
    hook = _output_hook(module, lambda projected: _block_edited(projected, edit, block, loaded.d_head))
    hooks.callback(hook.remove)


@contextmanager
def _ungrouped(loaded: Loaded, layer: int) -> Iterator[None]:
    """Keys and values repeated for every query head as soon as they are projected, so that one head's can be edited."""
    attention: Any = loaded.attention(layer)
    group = loaded.heads // loaded.kv_heads
    if getattr(attention, "num_key_value_groups", None) == 1:  # another edit of this layer has done it already
        yield
        return

    def repeated(projected: Tensor) -> Tensor:
        return torch.unflatten(projected, -1, (-1, loaded.d_head)).repeat_interleave(group, dim=-2).flatten(-2)

    modules = {loaded.architecture.projection(attention, part, 0)[0] for part in ("k", "v")}
    if len(modules) != 2 or getattr(attention, "num_key_value_groups", None) != group:
        raise CannotEdit(f"the oracle cannot take apart the grouped keys and values of a {loaded.family}")
    with ExitStack() as hooks:
        for module in modules:
            hooks.callback(_output_hook(module, repeated).remove)
        attention.num_key_value_groups = 1
        try:
            yield
        finally:
            attention.num_key_value_groups = group


def _attach_pattern(loaded: Loaded, edit: Edit, where: Place, hooks: ExitStack) -> None:
    """The head's z becomes the given weights times its values, taken as the projection gives them."""
    attention, seen = loaded.attention(where.layer), list[Tensor]()
    module, block = loaded.architecture.projection(attention, "v", where.unit)
    spy = module.register_forward_hook(lambda _, __, projected: seen.append(projected))
    hooks.callback(spy.remove)

    def with_pattern(z: Tensor) -> Tensor:
        values = torch.unflatten(seen[-1], -1, (-1, loaded.d_head))[:, :, block]  # (batch, pos, d_head)
        rows = edit.value if edit.at is None else edit.value[:, None]  # (batch, query, key)
        weighed = rows.to(values) @ values
        as_z = Edit(edit.component, edit.at, weighed if edit.at is None else weighed[:, 0])
        return _block_edited(z, as_z, where.unit, loaded.d_head)

    hooks.callback(_input_hook(loaded.output_projection(where.layer), with_pattern).remove)


def _mlp(loaded: Loaded, where: Place) -> nn.Module:
    mlp = loaded.mlp(where.layer)
    assert mlp is not None, "place() refuses MLP edits where there is no MLP"
    return mlp


def _input_hook(module: nn.Module, change: Callable[[Tensor], Tensor]) -> RemovableHandle:
    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(inputs[0]), *inputs[1:])

    return module.register_forward_pre_hook(hook)


def _output_hook(module: nn.Module, change: Callable[[Tensor], Tensor]) -> RemovableHandle:
    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    return module.register_forward_hook(hook)


def _block_edited(tensor: Tensor, edit: Edit, block: int, width: int) -> Tensor:
    """tensor (batch, pos, blocks * width) with one block edited."""
    start, end = block * width, (block + 1) * width
    return torch.cat([tensor[..., :start], _edited(tensor[..., start:end], edit), tensor[..., end:]], dim=-1)


def _edited(old: Tensor, edit: Edit) -> Tensor:
    """old (batch, pos, d) with the edit's value at its positions."""
    value = edit.value.to(old)
    if edit.at is None:
        return value
    here = torch.arange(old.shape[1], device=old.device) == edit.at.to(old.device)[:, None]  # (batch, pos)
    return torch.where(here[..., None], value[:, None], old)
