"""The rest of a run, from one layer and one position on, with edits made on the way: what a replay computes.

Rows are intervention-major: row r * batch + b is prompt b under intervention r.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workers.engine.attending import PROJECTED, Attending, Reached, forward_of
from workers.engine.edit import Edit
from workers.engine.record import KeyValuePrefix, Record, attached
from workers.engine.writing import Writes, lands


@dataclass(frozen=True)
class Cone:
    """What an intervention can change: from layer `layer` on, the positions from `start` to before `end`."""

    layer: int
    start: int
    end: int
    attends: bool  # whether the first layer's attention must be run: its input changes, or something inside it


class CollectKeyValues(KeyValuePrefix):
    """Leaves the layer with the keys and values of all positions, before any attention is computed."""

    def update(self, keys: Tensor, values: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        raise Reached(*super().update(keys, values))


class GivenKeyValues(KeyValuePrefix):
    """Supplies the keys and values of all positions, whatever the layer computes for those it is called with."""

    def update(self, *_: Any) -> tuple[Tensor, Tensor]:
        self.seen = self.keys, self.values
        return self.seen


class Suffix:
    """Interventions that share a cone, run together on a record's prompts."""

    def __init__(self, base: Record, cone: Cone, reads: Tensor, interventions: Sequence[Sequence[Edit]]) -> None:
        self.base, self.loaded, self.cone, self.reads = base, base.loaded, cone, reads
        self.writes = Writes(base.loaded, interventions)
        self.riders, self.batch = len(interventions), base.tokens.shape[0]
        self.window = torch.arange(cone.start, cone.end, device=reads.device).repeat(self.batch, 1)  # (batch, n)

    def run(self) -> Tensor:
        """The residual entering the final norm at the read positions: (rows, n_reads, d_model)."""
        resid = self._rows(self.base.resid[self.cone.layer][:, self.cone.start : self.cone.end])
        end = self.loaded.layers
        for layer in range(self.cone.layer, end):
            resid = self.writes.made(layer, "resid", resid, self.window)
            if layer == end - 1 and self._reads_suffice():
                return self.writes.made(end, "resid", self._last_layer(resid), self.reads)
            resid = self._layer(layer, resid, self.window, self._prefix(layer))
        return self._at_reads(self.writes.made(end, "resid", resid, self.window), end)

    def _last_layer(self, resid: Tensor) -> Tensor:
        """The last layer of resid (rows, window, d_model), computed at the reads alone."""
        layer = self.loaded.layers - 1
        cache = self._prefix(layer) if self._stood_in(layer) else self._key_values(layer, resid)
        return self._layer(layer, self._at_reads(resid, layer), self.reads, cache)

    def _layer(self, layer: int, resid: Tensor, positions: Tensor, cache: KeyValuePrefix) -> Tensor:
        """One layer of resid (rows, n, d_model) at `positions` (batch, n), with its edits."""
        attention, mlp = self.loaded.attention(layer), self.loaded.mlp(layer)
        attending = Attending(self.writes, layer, positions)
        if self._stood_in(layer):
            forward = attending.recorded(self._recorded_z(layer, positions))
        else:
            forward = attending.run(attention.forward, cache)
        with ExitStack() as stack:
            stack.enter_context(forward_of(attention, forward))
            stack.enter_context(attached(self.writes.on_output(attention, layer, "attn", positions)))
            if mlp is not None:
                down = self.loaded.architecture.down_projection(mlp)
                stack.enter_context(attached(self.writes.on_input(down, layer, "neuron", positions)))
                stack.enter_context(attached(self.writes.on_output(mlp, layer, "mlp", positions)))
            # the window is the same for all prompts, the reads need not be
            rows = positions[:1] if positions is self.window else self._rows(positions)
            return self.base.calls[layer].run(resid, rows, self.cone.end, cache)

    def _stood_in(self, layer: int) -> bool:
        return layer == self.cone.layer and not self.cone.attends

    def _recorded_z(self, layer: int, positions: Tensor) -> Tensor:
        """(rows, n, heads * d_head)."""
        return self._rows(_at(self.base.z[layer].flatten(-2), positions))

    def _prefix(self, layer: int) -> KeyValuePrefix:
        return KeyValuePrefix(*self._before(layer))

    def _before(self, layer: int) -> tuple[Tensor, Tensor]:
        start = self.cone.start
        return self.base.k[layer][:, :, :start], self.base.v[layer][:, :, :start]

    def _key_values(self, layer: int, resid: Tensor) -> GivenKeyValues:
        """The keys and values of a layer at all positions, its own ones computed from resid (rows, window, d_model)."""
        try:
            self.base.calls[layer].run(resid, self.window[:1], self.cone.end, CollectKeyValues(*self._before(layer)))
        except Reached as reached:
            return GivenKeyValues(*reached.found)
        raise RuntimeError(f"layer {layer} of this {self.loaded.family} asked for no keys and values")

    def _reads_suffice(self) -> bool:
        """Whether the last layer need be computed at the reads alone: they are fewer, and no edit is left out."""
        last = self.loaded.layers - 1
        if self.reads.shape[1] >= self.window.shape[1] or self.writes.at(last, *PROJECTED, "pattern"):
            return False
        after = self.writes.at(last, "z", "attn", "neuron", "mlp") + self.writes.at(last + 1, "resid")
        return all(lands(write.edit, self.reads) for write in after)

    def _at_reads(self, resid: Tensor, layer: int) -> Tensor:
        """resid (rows, window, d_model) entering `layer`, at the reads; before the cone it is the record's."""
        reads = self._rows(self.reads)
        changed = _at(resid, (reads - self.cone.start).clamp(min=0))
        unchanged = self._rows(_at(self.base.resid[layer], self.reads))
        return torch.where((reads >= self.cone.start)[..., None], changed, unchanged)

    def _rows(self, of_prompts: Tensor) -> Tensor:
        """(batch, …) -> (rows, …)."""
        return of_prompts.repeat(self.riders, *[1] * (of_prompts.ndim - 1))


def _at(tensor: Tensor, positions: Tensor) -> Tensor:
    """tensor (rows, pos, d) at positions (rows, n)."""
    return tensor[torch.arange(len(tensor), device=tensor.device)[:, None], positions]
