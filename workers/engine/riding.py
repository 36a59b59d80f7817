"""Interventions that ride in one batch through the layers: the later ones join where they begin.

Rows are intervention-major: row r * batch + b is prompt b under intervention r.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.edit import Edit, place


def first_layer(loaded: Loaded, edits: Sequence[Edit]) -> int:
    """The first layer that an intervention edits; one past the last if none."""
    return min((place(loaded, edit.component).layer for edit in edits), default=loaded.layers)


class Riders:
    """In the order in which they begin. begun: how many of them have, by now."""

    def __init__(self, loaded: Loaded, interventions: Sequence[Sequence[Edit]]) -> None:
        self.enters = [first_layer(loaded, edits) for edits in interventions]
        assert self.enters == sorted(self.enters), "rows are in the order in which interventions begin"
        self.begun = 0

    def joined(self, layer: int, resid: Tensor, recorded: Tensor) -> Tensor:
        """resid (rows, n, d_model), and behind it `recorded` (batch, n, d_model) for each that begins in this layer."""
        beginning = self.enters.count(layer)
        if beginning == 0:
            return resid
        self.begun += beginning
        return torch.cat([resid, recorded.repeat(beginning, 1, 1)])

    def rows(self, of_prompts: Tensor) -> Tensor:
        """(batch, …) -> (rows, …)."""
        return of_prompts.repeat(self.begun, *[1] * (of_prompts.ndim - 1))


def at_positions(tensor: Tensor, positions: Tensor) -> Tensor:
    """tensor (rows, pos, d) at positions (rows, n)."""
    return tensor[torch.arange(len(tensor), device=tensor.device)[:, None], positions]
