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
from workers.engine.riding import Riders, at_positions
from workers.engine.writing import Writes, lands


@dataclass(frozen=True)
class Cone:
    """What an intervention can change: from layer `layer` on, the positions from `start` to before `end`.

    attends: whether the first layer's attention must be run: its input changes, or something inside it.
    given: layers whose attention need not be, since all that it gives is written over, at every position.
    """

    layer: int
    start: int
    end: int
    attends: bool
    given: frozenset[int] = frozenset()


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
    """Interventions that share a cone, run together on a record's prompts; in the order in which they begin.

    Those that begin in a layer behind the cone's first ride along from there.
    """

    def __init__(self, base: Record, cone: Cone, reads: Tensor, interventions: Sequence[Sequence[Edit]]) -> None:
        self.base, self.loaded, self.cone, self.reads = base, base.loaded, cone, reads
        self.writes = Writes(base.loaded, interventions)
        self.riders = Riders(base.loaded, interventions)
        self.window = torch.arange(cone.start, cone.end, device=reads.device).repeat(len(reads), 1)  # (batch, n)

    def run(self) -> Tensor:
        """The residual entering the final norm at the read positions: (rows, n_reads, d_model)."""
        resid, positions = self.base.resid[0][:0, self.cone.start : self.cone.end], self.window
        end, narrow = self.loaded.layers, self._reads_suffice_from()
        for layer in range(self.riders.enters[0], end):
            resid, cache = self._with_beginners(layer, resid), self._prefix(layer)
            resid = self.writes.made(layer, "resid", resid, positions)
            if layer == narrow:
                cache = cache if self._stood_in(layer) else self._key_values(layer, resid)
                resid, positions = self._at_reads(resid, layer), self.reads
            resid = self._layer(layer, resid, positions, cache)
        resid = self.writes.made(end, "resid", self._with_beginners(end, resid), positions)
        return resid if positions is self.reads else self._at_reads(resid, end)

    def _with_beginners(self, layer: int, resid: Tensor) -> Tensor:
        """resid (rows, window, d_model), and behind it a row for each prompt of the interventions that begin here."""
        return self.riders.joined(layer, resid, self.base.resid[layer][:, self.cone.start : self.cone.end])

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
            rows = positions[:1] if positions is self.window else self.riders.rows(positions)
            return self.base.calls[layer].run(resid, rows, self.cone.end, cache)

    def _stood_in(self, layer: int) -> bool:
        """Whether recorded z take the place of a layer's attention: they are right, or all written over."""
        return layer in self.cone.given or (layer == self.cone.layer and not self.cone.attends)

    def _recorded_z(self, layer: int, positions: Tensor) -> Tensor:
        """(rows, n, heads * d_head)."""
        return self.riders.rows(at_positions(self.base.z[layer].flatten(-2), positions))

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

    def _reads_suffice_from(self) -> int:
        """The layer from which on the reads alone need be computed, since no later attention looks elsewhere.

        No layer where the reads are all there is, or where an edit would be left out.
        """
        last = self.loaded.layers - 1
        narrow = max(filter(lambda layer: not self._stood_in(layer), range(self.cone.layer, last + 1)), default=None)
        if narrow is None:
            narrow = self.cone.layer
        elif self.writes.at(narrow, *PROJECTED, "pattern") or not self._may_query_reads():
            narrow += 1
        behind = [self.writes.at(layer, "resid") for layer in range(narrow + 1, last + 2)]
        inside = [self.writes.at(layer, "z", "attn", "neuron", "mlp") for layer in range(narrow, last + 1)]
        fewer = self.reads.shape[1] < self.window.shape[1]
        left = fewer and all(lands(write.edit, self.reads) for writes in (*behind, *inside) for write in writes)
        return narrow if left else last + 1

    def _may_query_reads(self) -> bool:
        """Whether the attention takes queries at any positions; in some families they must be the last ones."""
        return not self.loaded.queries_last or torch.equal(self.reads, self.window[:, -self.reads.shape[1] :])

    def _at_reads(self, resid: Tensor, layer: int) -> Tensor:
        """resid (rows, window, d_model) entering `layer`, at the reads; before the cone it is the record's."""
        reads = self.riders.rows(self.reads)
        changed = at_positions(resid, (reads - self.cone.start).clamp(min=0))
        unchanged = self.riders.rows(at_positions(self.base.resid[layer], self.reads))
        return torch.where((reads >= self.cone.start)[..., None], changed, unchanged)
