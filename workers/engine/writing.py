"""Edits of many interventions, written into the tensors of one batch through hooks.

Rows are intervention-major: row r * batch + b is prompt b under intervention r.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workers.engine.anatomy import Loaded
from workers.engine.edit import Edit, Place, Site, place


@dataclass(frozen=True)
class Write:
    """An edit among those of several interventions: whose it is, and where it goes."""

    intervention: int
    number: int  # the edit's place among the intervention's edits
    edit: Edit
    where: Place


@dataclass(frozen=True)
class Landing:
    """The entries that an edit writes where some positions of the prompts are carried: K of them."""

    prompts: Tensor  # (K,)
    columns: Tensor  # (K,) which of the carried positions
    values: Tensor  # (K, d)


def landing(edit: Edit, positions: Tensor) -> Landing:
    """Where an edit lands when `positions` (batch, n) are carried."""
    if edit.at is not None:
        prompts, columns = (positions == edit.at[:, None]).nonzero(as_tuple=True)
        return Landing(prompts, columns, edit.value[prompts])
    batch, carried = positions.shape
    prompts = torch.arange(batch, device=positions.device).repeat_interleave(carried)
    columns = torch.arange(carried, device=positions.device).repeat(batch)
    return Landing(prompts, columns, edit.value[prompts, positions.flatten()])


def lands(edit: Edit, positions: Tensor) -> bool:
    """True if the edit is written in every prompt when `positions` (batch, n) are carried."""
    return edit.at is None or bool((positions == edit.at[:, None]).any(dim=1).all())


def written(tensor: Tensor, writes: Sequence[tuple[Write, int]], positions: Tensor, width: int) -> Tensor:
    """A copy of tensor (rows, n, blocks * width) with each write's value in its block; positions are (batch, n)."""
    batch = positions.shape[0]
    landings = [(write, block, landing(write.edit, positions)) for write, block in writes]
    rows = torch.cat([found.prompts + write.intervention * batch for write, _, found in landings])
    columns = torch.cat([found.columns for _, _, found in landings])
    blocks = torch.cat([torch.full_like(found.columns, block) for _, block, found in landings])
    blocked = torch.unflatten(tensor, -1, (-1, width))
    values = torch.cat([_over(blocked, write, block, found, batch) for write, block, found in landings])
    return blocked.index_put((rows, columns, blocks), values).flatten(-2)


def _over(blocked: Tensor, write: Write, block: int, found: Landing, batch: int) -> Tensor:
    """The values that land, (K, d), with what the edit keeps of blocked (rows, n, blocks, d)."""
    if write.edit.keeps == "nothing":
        return found.values
    return write.edit.over(blocked[found.prompts + write.intervention * batch, found.columns, block], found.values)


class Writes:
    """What is to be written, by layer and site. `ledger` notes each (intervention, edit) when it has been written."""

    def __init__(self, loaded: Loaded, interventions: Sequence[Sequence[Edit]]) -> None:
        self.loaded, self.riders = loaded, len(interventions)
        self.ledger: set[tuple[int, int]] = set()
        self._planned: dict[tuple[int, Site], list[Write]] = {}
        for intervention, edits in enumerate(interventions):
            for number, edit in enumerate(edits):
                where = place(loaded, edit.component)
                write = Write(intervention, number, edit, where)
                self._planned.setdefault((where.layer, where.site), []).append(write)

    def at(self, layer: int, *sites: Site) -> list[Write]:
        return [write for site in sites for write in self._planned.get((layer, site), [])]

    def made(self, layer: int, site: Site, tensor: Tensor, positions: Tensor) -> Tensor:
        """tensor (rows, n, …) of a site at `positions` (batch, n), with this site's edits in it."""
        writes = self.at(layer, site)
        if not writes:
            return tensor
        width = {"z": self.loaded.d_head, "neuron": 1}.get(site, self.loaded.d_model)
        return self.into([(write, write.where.unit) for write in writes], tensor, positions, width)

    def into(self, writes: Sequence[tuple[Write, int]], tensor: Tensor, positions: Tensor, width: int) -> Tensor:
        by_position = tensor.reshape(-1, positions.shape[1], tensor.shape[-1])  # OPT's MLP joins prompts and positions
        new = written(by_position, writes, positions, width)
        self._note((write for write, _ in writes), positions)
        return new.view(tensor.shape)

    def patterned(self, layer: int, z: Tensor, values: Tensor, positions: Tensor) -> Tensor:
        """z (rows, n, heads * d_head) under edited patterns, which weigh the values (rows, kv_heads, pos, d_head)."""
        writes = self.at(layer, "pattern")
        if not writes:
            return z
        group = self.loaded.heads // values.shape[1]
        of_rider = torch.unflatten(values, 0, (self.riders, -1))
        weighed = [_weighed(write, of_rider[write.intervention, :, write.where.unit // group]) for write in writes]
        return self.into([(write, write.where.unit) for write in weighed], z, positions, self.loaded.d_head)

    def on_input(self, module: nn.Module, layer: int, site: Site, positions: Tensor) -> RemovableHandle:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (self.made(layer, site, inputs[0], positions), *inputs[1:])

        return module.register_forward_pre_hook(hook)

    def on_output(self, module: nn.Module, layer: int, site: Site, positions: Tensor) -> RemovableHandle:
        def hook(_: nn.Module, __: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (self.made(layer, site, output[0], positions), *output[1:])
            return self.made(layer, site, output, positions)

        return module.register_forward_hook(hook)

    def on_projection(self, module: nn.Module, writes: list[tuple[Write, int]], positions: Tensor) -> RemovableHandle:
        def hook(_: nn.Module, __: Any, projected: Tensor) -> Tensor:
            return self.into(writes, projected, positions, self.loaded.d_head)

        return module.register_forward_hook(hook)

    def _note(self, writes: Iterable[Write], positions: Tensor) -> None:
        self.ledger |= {(write.intervention, write.number) for write in writes if lands(write.edit, positions)}


def _weighed(write: Write, values: Tensor) -> Write:
    """The edit of z that an edit of the pattern amounts to; values (batch, pos, d_head)."""
    edit = write.edit
    z = edit.value @ values if edit.at is None else (edit.value[:, None] @ values)[:, 0]
    return replace(write, edit=replace(edit, value=z))
