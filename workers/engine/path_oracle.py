"""The slow truth of path patching: plain hooks on whole forward passes, for one set of senders after the other.

Every head's z (and every MLP's output, where they are frozen) is written to what it was in the base run, the senders'
to what they are sent with; spies see what reaches a stop. It shares no code with the frozen runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import Component
from workers.engine.edit import Edit, place
from workers.engine.frozen import Mlps
from workers.engine.oracle import oracle
from workers.engine.paths import Path, Stops
from workers.engine.record import Record, attached
from workers.engine.setting import Effects, Setting


def patched_by_hooks(setting: Setting, base: Record, senders: Sequence[Sequence[Edit]], path: Path) -> Effects:
    """What `patched_along` must agree with."""
    return setting.effects(base, [_written(base, edits, path) for edits in senders])


def _written(base: Record, sent: Sequence[Edit], path: Path) -> list[Edit]:
    """The edits of the last whole pass."""
    for stops in path.through:
        sent = _answered(base, _seen(base, sent, stops, path.mlps))
    if not path.receivers:
        return _frozen(base, sent, path.mlps)
    return _seen(base, sent, path.receivers, path.mlps)


def _frozen(base: Record, sent: Sequence[Edit], mlps: Mlps) -> list[Edit]:
    """Everything that a frozen pass writes: the base run's own values, and the senders'."""
    layers = range(base.loaded.layers)
    stand = [
        Edit(Component("head", layer, head), None, base.z[layer][:, :, head])
        for layer in layers
        for head in range(base.loaded.heads)
    ]
    outputs = enumerate(base.mlp_out if mlps == "frozen" else ())
    stand += [Edit(Component("mlp", layer), None, out) for layer, out in outputs if out is not None]
    standing = {edit.component.name for edit in stand}
    free = [edit for edit in sent if edit.component.name not in standing]
    return [_with(edit, [one for one in sent if one.component.name == edit.component.name]) for edit in stand] + free


def _with(stand: Edit, sent: Sequence[Edit]) -> Edit:
    value = stand.value.clone()
    for edit in sent:
        if edit.at is None:
            value = edit.value
        else:
            value[torch.arange(len(value)), edit.at] = edit.value
    return replace(stand, value=value)


def _seen(base: Record, sent: Sequence[Edit], stops: Stops, mlps: Mlps) -> list[Edit]:
    """What reaches the stops in a frozen pass, as edits that write it."""
    seen = _spied(base, [stop for stop, _ in stops], _frozen(base, sent, mlps))
    prompts = torch.arange(len(base.tokens))
    return [Edit(stop, at, seen[stop] if at is None else seen[stop][prompts, at]) for stop, at in stops]


def _answered(base: Record, seen: Sequence[Edit]) -> list[Edit]:
    """A head's z when its q, k and v alone are edited in the base run; an MLP gives what it was written."""
    heads = dict.fromkeys(replace(edit.component, part=None) for edit in seen if edit.component.part)
    answers = [edit for edit in seen if edit.component.part is None]
    for head in heads:
        z = _spied(base, [head], [edit for edit in seen if replace(edit.component, part=None) == head])[head]
        answers.append(Edit(head, None, z))
    return answers


def _spied(base: Record, stops: Sequence[Component], edits: Sequence[Edit]) -> dict[Component, Tensor]:
    """What stands at the stops, (batch, pos, d), in a whole pass with edits; an input before it is edited itself."""
    seen: dict[Component, Tensor] = {}
    reads = torch.zeros(len(base.tokens), 1, dtype=torch.long)
    with attached(*(_spy(base.loaded, stop, seen, len(base.tokens)) for stop in stops)):
        oracle(base.loaded, base.tokens, [edits], reads)
    return seen


def _spy(loaded: Loaded, stop: Component, seen: dict[Component, Tensor], batch: int) -> RemovableHandle:
    where = place(loaded, stop)

    def one_of(tensor: Tensor, block: int) -> None:
        seen[stop] = torch.unflatten(tensor, -1, (-1, loaded.d_head))[:, :, block]

    match where.site:
        case "resid":
            module = loaded.final_norm() if where.layer == loaded.layers else loaded.layer(where.layer)
            return module.register_forward_pre_hook(lambda _, inputs: seen.update({stop: inputs[0]}))
        case "mlp":
            mlp = loaded.mlp(where.layer)
            assert mlp is not None, "place() refuses an MLP where there is none"
            width = loaded.d_model
            # a copy: Falcon goes on adding to it in place, and OPT joins prompts and positions
            return mlp.register_forward_hook(
                lambda _, __, output: seen.update({stop: output.reshape(batch, -1, width).clone()})
            )
        case "z":
            output = loaded.output_projection(where.layer)
            # behind the hooks that edit its input; of several attentions in one pass the last one counts
            return output.register_forward_hook(lambda _, inputs, __: one_of(inputs[0], where.unit))
        case "q" | "k" | "v":
            module, block = loaded.architecture.projection(loaded.attention(where.layer), where.site, where.unit)
            return module.register_forward_hook(lambda _, __, output: one_of(output, block))
        case _:
            raise AssertionError(f"nothing is received at {stop}")
