"""The slow truth: plain hooks on the model's own whole forward pass, one intervention at a time.

It shares no code with the replay, only what an Edit says and where a family keeps its modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, assert_never

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workers.engine.anatomy import Loaded
from workers.engine.edit import Across, Edit, Keeps, Place, Site, place

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
            attach(loaded, edits, hooks)
            spy = loaded.final_norm().register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
            hooks.callback(spy.remove)
            output = loaded.model(input_ids=tokens, use_cache=False)
        resid.append(seen[0][prompt, reads])
        logits.append(output.logits[prompt, reads])
    return Truth(torch.stack(resid), torch.stack(logits))


def attach(loaded: Loaded, edits: Sequence[Edit], hooks: ExitStack) -> None:
    """Hooks that make the edits, on whichever whole run comes next; gradients pass to their values."""
    for edit in sorted(edits, key=lambda edit: ORDER.index(place(loaded, edit.component).site)):
        if not _shared(loaded, edit):
            _attach(loaded, edit, hooks)
    for layer in range(loaded.layers):
        shared = [edit for edit in edits if _shared(loaded, edit) and place(loaded, edit.component).layer == layer]
        if shared:
            hooks.enter_context(_each_head_alone(loaded, layer, shared))


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
            hook = _output_hook(_mlp(loaded, where), lambda out: _by_prompt(out, edit, 0, loaded.d_model))
        case "neuron":
            down = loaded.architecture.down_projection(_mlp(loaded, where))
            hook = _input_hook(down, lambda hidden: _by_prompt(hidden, edit, where.unit, 1))
        case "z":
            output = loaded.output_projection(where.layer)
            hook = _input_hook(output, lambda z: _block_edited(z, edit, where.unit, loaded.d_head))
        case "q" | "k" | "v":
            return _attach_projection(loaded, edit, where, hooks)
        case "pattern":
            return _attach_pattern(loaded, edit, where, hooks)
    hooks.callback(hook.remove)


def _attach_projection(loaded: Loaded, edit: Edit, where: Place, hooks: ExitStack) -> None:
    part = where.site
    assert part in ("q", "k", "v"), part
    module, block = loaded.architecture.projection(loaded.attention(where.layer), part, where.unit)
    hook = _output_hook(module, lambda projected: _block_edited(projected, edit, block, loaded.d_head))
    hooks.callback(hook.remove)


def _shared(loaded: Loaded, edit: Edit) -> bool:
    """Whether the edit is of a key or value that several query heads share."""
    return place(loaded, edit.component).site in ("k", "v") and loaded.kv_heads < loaded.heads


@contextmanager
def _each_head_alone(loaded: Loaded, layer: int, edits: Sequence[Edit]) -> Iterator[None]:
    """Shared keys and values edited for one query head after another, in an attention of its own for each.

    The head's z is taken from there; in the attention that counts, nothing shared is edited.
    """
    attention: Any = loaded.attention(layer)
    output, own = loaded.output_projection(layer), attention.forward
    by_head: dict[int, list[Edit]] = {}
    for edit in edits:
        by_head.setdefault(place(loaded, edit.component).unit, []).append(edit)

    def alone(head: int, attend: Callable[[], Any]) -> Tensor:
        seen: list[Tensor] = []
        with ExitStack() as hooks:
            for edit in by_head[head]:
                _attach_projection(loaded, edit, place(loaded, edit.component), hooks)
            hooks.callback(output.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])).remove)
            attend()
        return seen[0].split(loaded.d_head, dim=-1)[head]

    def forward(*args: Any, **named: Any) -> Any:
        taken = {head: alone(head, lambda: own(*args, **named)) for head in by_head}

        def with_taken(z: Tensor) -> Tensor:
            blocks = z.split(loaded.d_head, dim=-1)
            return torch.cat([taken.get(head, block) for head, block in enumerate(blocks)], dim=-1)

        with ExitStack() as hooks:
            hooks.callback(_input_hook(output, with_taken).remove)
            return own(*args, **named)

    attention.forward = forward
    try:
        yield
    finally:
        del attention.forward


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


def _by_prompt(tensor: Tensor, edit: Edit, block: int, width: int) -> Tensor:
    """`_block_edited` where prompts and positions may be joined, as they are in OPT's MLP."""
    by_prompt = tensor.reshape(len(edit.value), -1, tensor.shape[-1])
    return _block_edited(by_prompt, edit, block, width).reshape(tensor.shape)


def _block_edited(tensor: Tensor, edit: Edit, block: int, width: int) -> Tensor:
    """tensor (batch, pos, blocks * width) with one block edited."""
    start, end = block * width, (block + 1) * width
    return torch.cat([tensor[..., :start], _edited(tensor[..., start:end], edit), tensor[..., end:]], dim=-1)


def _edited(old: Tensor, edit: Edit) -> Tensor:
    """old (batch, pos, d) with the edit made at its positions."""
    value = edit.value.to(old)
    new = _left(old, edit.keeps) + (value if edit.at is None else value[:, None])
    if edit.at is None:
        return new
    here = torch.arange(old.shape[1], device=old.device) == edit.at.to(old.device)[:, None]  # (batch, pos)
    return torch.where(here[..., None], new, old)


def _left(old: Tensor, keeps: Keeps) -> Tensor:
    """What an edit leaves of old (batch, pos, d): that times zero, one, or one minus the direction's own projection."""
    match keeps:
        case "nothing":
            return torch.zeros_like(old)
        case "all":
            return old
        case Across(direction):
            along = direction.to(old)
            return old @ (torch.eye(len(along)).to(old) - torch.outer(along, along))
        case _:
            assert_never(keeps)
