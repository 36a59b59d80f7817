"""Path patching: what senders change is let through along one path, and along no other.

1. a *frozen run* begins with the recorded residual entering the first layer that a sender is written in;
2. every later layer is called again, its attention stood in for by what it gave in the base run, its MLP computed or
   stood in for as well, until each stop (a receiver, or the next place on the way) has seen its input;
3. what a stop on the way made of that input, by itself in the base run, is written in the next frozen run;
4. what the receivers saw is written into the base run, whose other parts answer to it; before the logits there is
   nothing left to answer, so there the frozen run's own residual is the result.

Where attention is stood in for, positions do not mix: only those where a sender is written, or where all stops are,
need be carried. Post-norms and parallel blocks come along, since Hugging Face's layers do the computing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from workers.engine.ablating import Place
from workers.engine.attending import PROJECTED, Attending, Reached, forward_of
from workers.engine.documents.components import Component
from workers.engine.edit import Edit, fitted, place, read
from workers.engine.frozen import FrozenRun, Mlps
from workers.engine.record import KeyValuePrefix, Record, attached
from workers.engine.replay import first_changed, portions, replay
from workers.engine.riding import first_layer
from workers.engine.setting import Effects, Setting, changed_by, edit
from workers.engine.suffix import Cone
from workers.engine.writing import Writes

Stops = tuple[Place, ...]
"""Places that see a path's input together: one q, k or v of a head, an MLP, or the residual entering a layer."""


@dataclass(frozen=True)
class Path:
    """through: the stops on the way, in order. receivers: where it ends; () for the logits."""

    through: tuple[Stops, ...]
    receivers: Stops
    mlps: Mlps


@torch.no_grad()
def patched_along(setting: Setting, base: Record, senders: Sequence[Sequence[Edit]], path: Path) -> Effects:
    """Each set of senders written together in `base`, and felt along the path alone.

    largest_change is of what reached the receivers: 0 where no path leads to them.
    """
    sent = [fitted(base, edits) for edits in senders]
    wrote = [True] * len(sent)
    for stops in path.through:
        seen = _passed_on(setting, base, sent, stops, path.mlps)
        sent, wrote = _answered(base, [one.edits for one in seen]), _both(wrote, seen)
    if not path.receivers:
        return _to_logits(setting, base, sent, path.mlps, wrote)
    seen = _passed_on(setting, base, sent, path.receivers, path.mlps)
    done = replay(base, [one.edits for one in seen], setting.answers.reads)
    wrote = [all(found) for found in zip(_both(wrote, seen), done.wrote.tolist(), strict=True)]
    return tuple(
        setting.ending(resid, one.change, written) for resid, one, written in zip(done.resid, seen, wrote, strict=True)
    )


@dataclass(frozen=True)
class Seen:
    """What one set of senders made the stops see, as edits that write it; a stop it cannot reach has none."""

    edits: tuple[Edit, ...] = ()
    change: float = 0.0
    wrote: bool = True


def _both(wrote: Sequence[bool], seen: Sequence[Seen]) -> list[bool]:
    return [before and one.wrote for before, one in zip(wrote, seen, strict=True)]


def _passed_on(setting: Setting, base: Record, sent: Sequence[Sequence[Edit]], stops: Stops, mlps: Mlps) -> list[Seen]:
    """A frozen run of each set of senders to the stops."""

    def edited(stop: Place, carried: Tensor, seen: Tensor) -> tuple[Edit, float]:
        old: Tensor = setting.once(("as it was", id(base), stop[0]), lambda: read(base, stop[0], None))
        prompts = torch.arange(len(carried), device=carried.device)[:, None]
        new = edit(*stop, old.index_put((prompts, carried), seen))  # old (batch, pos, d), seen (batch, carried, d)
        return new, changed_by(new.value, edit(*stop, old).value)

    found = [Seen()] * len(sent)
    for group in _groups(base, sent, _columns([at for _, at in stops])):
        reached = [stop for stop in stops if place(base.loaded, stop[0]).layer >= group.first]
        if not reached:
            continue
        values, wrote = group.run(base, sent, list(dict.fromkeys(stop for stop, _ in reached)), mlps)
        for i, number in enumerate(group.members):
            made = [edited(stop, group.carried, values[stop[0]][i]) for stop in reached]
            found[number] = Seen(tuple(new for new, _ in made), max(change for _, change in made), wrote[i])
    return found


def _to_logits(
    setting: Setting, base: Record, sent: Sequence[Sequence[Edit]], mlps: Mlps, wrote: Sequence[bool]
) -> Effects:
    """The frozen runs' own residuals at the reads; what has no way there leaves them as they are."""
    reads, final = setting.answers.reads, Component("resid", base.loaded.layers)
    prompts = torch.arange(len(reads), device=reads.device)[:, None]
    old = base.resid[-1][prompts, reads]  # (batch, n_reads, d_model)
    found = {number: setting.ending(old, 0.0) for number, edits in enumerate(sent) if not edits}
    for group in _groups(base, sent, reads, together=True):
        values, ok = group.run(base, sent, [final], mlps)
        for i, number in enumerate(group.members):
            resid = values[final][i]
            found[number] = setting.ending(resid, changed_by(resid, old), ok[i] and wrote[number])
    return tuple(found[number] for number in range(len(sent)))


@dataclass(frozen=True)
class Group:
    """Sets of senders whose frozen runs carry the same positions and share a batch, in the order of beginning."""

    first: int
    carried: Tensor  # (batch, n)
    members: tuple[int, ...]

    def run(
        self, base: Record, sent: Sequence[Sequence[Edit]], stops: Sequence[Component], mlps: Mlps
    ) -> tuple[dict[Component, Tensor], list[bool]]:
        """What each stop saw, (member, batch, n, d), and whether each member was written."""
        values: dict[Component, list[Tensor]] = {stop: [] for stop in stops}
        wrote: list[bool] = []
        cone = Cone(self.first, 0, self.carried.shape[1], attends=False)
        for riders, prompts in portions(base, cone, len(self.members), None):
            edits = [sent[number] for number in self.members[riders]]
            runs = [self._on(base, some, edits, stops, mlps) for some in prompts]
            seen = [run.run() for run in runs]
            for stop in stops:
                parts = [torch.unflatten(one[stop], 0, (len(edits), -1)) for one in seen]
                values[stop].append(torch.cat(parts, dim=1))
            wrote += [all(run.wrote(i) for run in runs) for i in range(len(edits))]
        return {stop: torch.cat(parts) for stop, parts in values.items()}, wrote

    def _on(
        self, base: Record, some: slice, sent: Sequence[Sequence[Edit]], stops: Sequence[Component], mlps: Mlps
    ) -> FrozenRun:
        cut = [[edit.prompts(some) for edit in edits] for edits in sent]
        return FrozenRun(base.prompts(some), self.carried[some], cut, stops, mlps)


def _groups(base: Record, sent: Sequence[Sequence[Edit]], carry: Tensor | None, together: bool = False) -> list[Group]:
    """carry (batch, n): the positions that matter; None for those where something is written.

    together: sets that begin at different layers are one group, as may be where no stop lies between.
    """
    enters = [first_layer(base.loaded, edits) for edits in sent]
    members: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    carried: dict[tuple[int, tuple[int, ...]], Tensor] = {}
    for number in sorted(range(len(sent)), key=enters.__getitem__):
        if edits := sent[number]:
            positions = _where_written(base, edits) if carry is None else carry
            key = 0 if together else enters[number], tuple(positions.flatten().tolist())
            members.setdefault(key, []).append(number)
            carried[key] = positions
    return [Group(enters[numbers[0]], carried[key], tuple(numbers)) for key, numbers in members.items()]


def _where_written(base: Record, edits: Sequence[Edit]) -> Tensor:
    """(batch, n): the edits' own token indices, or all from the first that differs."""
    named = _columns([edit.at for edit in edits])
    if named is not None:
        return named
    batch, length = base.tokens.shape
    starts = [start for edit in edits if (start := first_changed(base, edit)) is not None]
    return torch.arange(min(starts, default=length - 1), length, device=base.tokens.device).repeat(batch, 1)


def _columns(positions: Iterable[Tensor | None]) -> Tensor | None:
    """(batch, n): token indices (batch,), side by side without repeats; None if one means every position."""
    different: dict[tuple[int, ...], Tensor] = {}
    for at in positions:
        if at is None:
            return None
        different[tuple(at.tolist())] = at
    return torch.stack(list(different.values()), dim=1)


def _answered(base: Record, seen: Sequence[Sequence[Edit]]) -> list[tuple[Edit, ...]]:
    """What stops on the way made of what they saw: a head's q, k and v become its z, each layer by itself in `base`."""
    answers = [[edit for edit in edits if not _is_projected(edit)] for edits in seen]
    asked: dict[int, dict[int, list[Edit]]] = {}
    for number, edits in enumerate(seen):
        for one in filter(_is_projected, edits):
            layer = place(base.loaded, one.component).layer
            asked.setdefault(layer, {}).setdefault(number, []).append(one)
    for layer, by_number in asked.items():
        for number, found in _heads_answered(base, layer, by_number):
            answers[number].append(found)
    return [tuple(edits) for edits in answers]


def _is_projected(edit: Edit) -> bool:
    return edit.component.part in PROJECTED


def _heads_answered(base: Record, layer: int, asked: dict[int, list[Edit]]) -> Iterable[tuple[int, Edit]]:
    """Each number's edited heads of one layer, with their z."""
    numbers, length = list(asked), base.tokens.shape[1]
    for riders, prompts in portions(base, Cone(layer, 0, length, attends=True), len(numbers), None):
        some = numbers[riders]
        parts = [
            _z(base.prompts(cut), layer, [[edit.prompts(cut) for edit in asked[number]] for number in some])
            for cut in prompts
        ]
        z = torch.cat(parts, dim=1)  # (rider, batch, pos, heads, d_head)
        for i, number in enumerate(some):
            for head in dict.fromkeys(replace(one.component, part=None) for one in asked[number]):
                yield number, Edit(head, None, z[i, :, :, place(base.loaded, head).unit])


def _z(base: Record, layer: int, interventions: Sequence[Sequence[Edit]]) -> Tensor:
    """(rider, batch, pos, heads, d_head): one layer of the base run, with edits of q, k and v in it."""
    loaded, (batch, length), riders = base.loaded, base.tokens.shape, len(interventions)
    attention, output = loaded.attention(layer), loaded.output_projection(layer)
    window = torch.arange(length, device=base.tokens.device).repeat(batch, 1)
    nothing = KeyValuePrefix(base.k[layer][:, :, :0], base.v[layer][:, :, :0])
    attending = Attending(Writes(loaded, interventions), layer, window)
    try:
        with (
            forward_of(attention, attending.run(attention.forward, nothing)),
            attached(output.register_forward_hook(_leave_behind)),
        ):
            base.calls[layer].run(base.resid[layer].repeat(riders, 1, 1), window[:1], length, nothing)
    except Reached as reached:
        return reached.found[0].reshape(riders, batch, length, loaded.heads, loaded.d_head)
    raise RuntimeError(f"layer {layer}: the attention did not reach its output projection")


def _leave_behind(_: nn.Module, inputs: tuple[Tensor, ...], __: Any) -> None:
    """Behind all hooks on the input, which make the edits."""
    raise Reached(inputs[0])
