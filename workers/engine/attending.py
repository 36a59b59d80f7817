"""What stands in for an attention module's forward while edits are made: recorded z, or its own with edits inside.

An edit of q, k or v changes its own head's z and no other. So the attention is run once more with the edit in its
projection, and that head's z is taken over from there. Where query heads share keys and values, this is done for one
query head of each group at a time, so that no head sees what was edited for its neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from workers.engine.architectures import Projected
from workers.engine.record import KeyValuePrefix, attached
from workers.engine.writing import Write, Writes

PROJECTED: tuple[Projected, ...] = ("q", "k", "v")


class Reached(Exception):
    """Leaves a layer as soon as it has computed what was wanted of it."""

    def __init__(self, *found: Tensor) -> None:
        super().__init__()
        self.found = found


def leave_with_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> NoReturn:
    raise Reached(inputs[0])


def leave_with_output(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> NoReturn:
    raise Reached(output)


@contextmanager
def forward_of(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """The module computes with `forward`, its hooks in place, until the block is left."""
    before = vars(module).get("forward")  # a family's MLP may be a layer that products.py has seen to
    module.forward = forward
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before


@dataclass(frozen=True)
class Attending:
    """One layer's attention under edits, at the carried `positions` (batch, n)."""

    writes: Writes
    layer: int
    positions: Tensor

    def recorded(self, z: Tensor) -> Callable[..., Any]:
        """A forward that gives recorded z (rows, n, heads * d_head), edited, to the output projection."""
        output = self.writes.loaded.output_projection(self.layer)

        def forward(*_: Any, **__: Any) -> tuple[Tensor, None]:
            with attached(self.writes.on_input(output, self.layer, "z", self.positions)):
                return output(z), None

        return forward

    def run(self, own: Callable[..., Any], cache: KeyValuePrefix) -> Callable[..., Any]:
        """The attention's own forward, with edits of q, k, v, then pattern, then z."""
        output = self.writes.loaded.output_projection(self.layer)

        def forward(*args: Any, **named: Any) -> Any:
            alone = [self._alone(slot, lambda: own(*args, **named)) for slot in self._slots()]

            def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
                z = inputs[0]
                for heads, other in alone:
                    taken = torch.where(heads, self._by_head(other), self._by_head(z))
                    z = taken.flatten(-2)
                if self.writes.at(self.layer, "pattern"):
                    z = self.writes.patterned(self.layer, z, cache.seen[1], self.positions)
                return self.writes.made(self.layer, "z", z, self.positions)

            with attached(output.register_forward_pre_hook(hook)):
                return own(*args, **named)

        return forward

    def _by_head(self, z: Tensor) -> Tensor:
        return torch.unflatten(z, -1, (self.writes.loaded.heads, -1))

    def _slots(self) -> list[int]:
        return sorted({self._slot(write) for write in self.writes.at(self.layer, *PROJECTED)})

    def _slot(self, write: Write) -> int:
        """Which of the query heads that share keys and values."""
        loaded = self.writes.loaded
        return write.where.unit % (loaded.heads // loaded.kv_heads)

    def _alone(self, slot: int, attend: Callable[[], Any]) -> tuple[Tensor, Tensor]:
        """Whose z to take, (rows, 1, heads, 1) bool, and z with the q, k and v edits of one slot made."""
        loaded = self.writes.loaded
        edited = [write for write in self.writes.at(self.layer, *PROJECTED) if self._slot(write) == slot]
        taken = torch.zeros(self.writes.riders, loaded.heads, dtype=torch.bool)
        for write in edited:
            taken[write.intervention, write.where.unit] = True
        rows = taken.repeat_interleave(self.positions.shape[0], dim=0).to(self.positions.device)
        with ExitStack() as stack:
            for module, writes in self._by_module(edited).items():
                stack.enter_context(attached(self.writes.on_projection(module, writes, self.positions)))
            output = loaded.output_projection(self.layer)
            stack.enter_context(attached(output.register_forward_pre_hook(leave_with_input)))
            try:
                attend()
            except Reached as reached:
                return rows[:, None, :, None], reached.found[0]
        raise RuntimeError(f"layer {self.layer}: the attention did not reach its output projection")

    def _by_module(self, writes: list[Write]) -> dict[nn.Module, list[tuple[Write, int]]]:
        """Each projection module with the writes into its output, and the d_head-wide block that each goes to."""
        loaded, found = self.writes.loaded, dict[nn.Module, list[tuple[Write, int]]]()
        for write in writes:
            part = write.where.site
            assert part in PROJECTED, part
            attention = loaded.attention(self.layer)
            module, block = loaded.architecture.projection(attention, part, write.where.unit)
            found.setdefault(module, []).append((write, block))
        return found
