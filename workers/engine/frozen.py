"""A frozen run: the base run gone through again with senders written in it, its attention standing as it was.

Every layer is Hugging Face's own, but for its attention, which gives what it gave in the base run, and, where they are
frozen, its MLP. The run is left as soon as every stop has seen its input; nothing that a stop makes of it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import torch
from torch import Tensor

from workers.engine.attending import PROJECTED, Attending, Reached, forward_of, leave_with_output
from workers.engine.documents.components import Component
from workers.engine.edit import Edit, place
from workers.engine.record import Record, attached
from workers.engine.riding import Riders, at_positions
from workers.engine.writing import Writes, lands

Mlps = Literal["frozen", "recomputed"]


class FrozenRun:
    """Sets of senders that share a group, run on a record's prompts. Rows are intervention-major.

    The sets come in the order in which they begin; those that begin behind the first ride along from there.
    """

    def __init__(
        self,
        base: Record,
        positions: Tensor,
        senders: Sequence[Sequence[Edit]],
        stops: Sequence[Component],
        mlps: Mlps,
    ) -> None:
        self.base, self.loaded, self.positions, self.mlps = base, base.loaded, positions, mlps
        self.senders, self.riders = senders, Riders(base.loaded, senders)
        self.writes = Writes(base.loaded, senders)
        self.stops = {stop: place(base.loaded, stop) for stop in stops}
        self.seen: dict[Component, Tensor] = {}

    def run(self) -> dict[Component, Tensor]:
        """What each stop saw: (rows, n, d)."""
        resid = self._at(self.base.resid[0])[:0]
        try:
            for layer in range(self.riders.enters[0], self.loaded.layers):
                resid = self._entering(layer, resid)
                resid = self._layer(layer, resid)
            self._entering(self.loaded.layers, resid)
        except Reached:
            return self.seen
        raise RuntimeError(f"a frozen run of this {self.loaded.family} did not pass {', '.join(map(str, self.stops))}")

    def wrote(self, rider: int) -> bool:
        """Each sender was written, but those behind the last stop and those at positions that are not carried."""
        last = max(where.layer for where in self.stops.values())
        return all(
            (rider, number) in self.writes.ledger or not lands(edit, self.positions)
            for number, edit in enumerate(self.senders[rider])
            if place(self.loaded, edit.component).layer < last
        )

    def _entering(self, layer: int, resid: Tensor) -> Tensor:
        resid = self.riders.joined(layer, resid, self._at(self.base.resid[layer]))
        resid = self.writes.made(layer, "resid", resid, self.positions)
        for stop in self._stops(layer, "resid"):
            self._see(stop, resid)
        return resid

    def _layer(self, layer: int, resid: Tensor) -> Tensor:
        """One layer of resid (rows, n, d_model), its attention stood in for."""
        attention, mlp, call = self.loaded.attention(layer), self.loaded.mlp(layer), self.base.calls[layer]
        with ExitStack() as stack:
            stack.enter_context(forward_of(attention, self._attention(layer, attention.forward)))
            stack.enter_context(attached(self.writes.on_output(attention, layer, "attn", self.positions)))
            if mlp is not None:
                stack.enter_context(forward_of(mlp, self._mlp(layer, mlp.forward)))
                stack.enter_context(attached(self.writes.on_output(mlp, layer, "mlp", self.positions)))
            # masks and rotations only reach the attention, which is not computed: the first prompt's do for all
            return call.run(resid, self.positions[:1], self.base.tokens.shape[1], None)

    def _attention(self, layer: int, own: Callable[..., Any]) -> Callable[..., Any]:
        """A forward that shows its input to the stops and gives what was given in the base run, but for the senders."""

        def forward(*args: Any, **named: Any) -> Any:
            for stop in self._stops(layer, *PROJECTED):
                self._see(stop, self._projected(stop, lambda: own(*args, **named)))
            if not self.writes.at(layer, "z"):
                return self.riders.rows(self._at(self.base.attn_out[layer])), None
            z = self.riders.rows(self._at(self.base.z[layer].flatten(-2)))
            return Attending(self.writes, layer, self.positions).recorded(z)()

        return forward

    def _projected(self, stop: Component, attend: Callable[[], Any]) -> Tensor:
        """q, k or v of a head, (rows, n, d_head): the attention is left as soon as it has them."""
        where = self.stops[stop]
        assert where.site in PROJECTED, where
        attention = self.loaded.attention(where.layer)
        module, block = self.loaded.architecture.projection(attention, where.site, where.unit)
        with attached(module.register_forward_hook(leave_with_output)):
            try:
                attend()
            except Reached as reached:
                return torch.unflatten(reached.found[0], -1, (-1, self.loaded.d_head))[:, :, block]
        raise RuntimeError(f"layer {where.layer}: the attention did not reach its projections")

    def _mlp(self, layer: int, own: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A forward that shows its output to the stops, and hands it on only where MLPs are recomputed."""
        stops = self._stops(layer, "mlp")

        def forward(*args: Any, **named: Any) -> Tensor:
            live = own(*args, **named) if stops or self.mlps == "recomputed" else None
            for stop in stops:
                assert live is not None
                # a copy, since Falcon goes on adding to it in place
                self._see(stop, live.view(len(self.positions) * self.riders.begun, -1, live.shape[-1]).clone())
            if live is not None and self.mlps == "recomputed":
                return live
            recorded = self.base.mlp_out[layer]
            assert recorded is not None, "a layer with an MLP has recorded what it gave"
            # OPT's MLP is given prompts and positions joined, and gives them back so
            return self.riders.rows(self._at(recorded)).view(*args[0].shape[:-1], -1)

        return forward

    def _stops(self, layer: int, *sites: str) -> list[Component]:
        return [stop for stop, where in self.stops.items() if where.layer == layer and where.site in sites]

    def _see(self, stop: Component, value: Tensor) -> None:
        """Leaves the run when every stop has been seen."""
        self.seen[stop] = value
        if len(self.seen) == len(self.stops):
            raise Reached

    def _at(self, tensor: Tensor) -> Tensor:
        """(batch, pos, d) at the carried positions."""
        return at_positions(tensor, self.positions)
