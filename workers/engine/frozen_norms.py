"""A norm with its scale held at what it is in a run, and so linear: what each part of a sum comes to after the norm.

A norm is taken as a black box, whichever class a family uses: y = gain * (x - mean(x)) / s(x) + bias (LayerNorm),
gain * x / s(x) + bias (RMSNorm), or gain * x + bias (no norm, or a mere multiplier). What is found is compared with
the norm itself, on the very values that it is held at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.engine.prompts import Refused

LARGE = 1e3  # so that a norm's epsilon is nothing beside it
AGREE = 1e-4  # of the largest value


@dataclass(frozen=True)
class FrozenNorm:
    """y = gain * P x * scale + bias; P takes the mean off where the norm centers. Of double precision."""

    gain: Tensor  # (d,)
    bias: Tensor  # (d,)
    centers: bool
    scale: Tensor  # (..., 1): 1 / s(x) at the values that it is held at

    def part(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., d): what a part of the norm's input comes to in its output. The bias is no part's."""
        return self._projected(x) * self.gain * self.scale

    def back(self, weights: Tensor) -> Tensor:
        """(..., d) -> (..., d): u such that u · x is weights · part(x)."""
        return self._projected(weights * self.gain) * self.scale

    def _projected(self, x: Tensor) -> Tensor:
        return x - x.mean(-1, keepdim=True) if self.centers else x


@torch.no_grad()
def frozen(norm: Callable[[Tensor], Tensor], at: Tensor) -> FrozenNorm:
    """norm: (..., d) -> (..., d), held at `at` (..., d); raises Refused where it is of neither kind."""
    bias = norm(torch.zeros_like(at[..., :1, :]).flatten(0, -2)[0])  # (d,)
    signs = 1.0 - 2.0 * (torch.arange(at.shape[-1], device=at.device) % 2)
    probe = LARGE * signs.to(at)
    centers = _is_small(norm(torch.full_like(probe, LARGE)) - bias, norm(probe) - bias)
    linear = _is_small(norm(2 * probe) - 2 * norm(probe) + bias, norm(probe))
    seen = probe - probe.mean() if centers else probe
    size = torch.ones((), device=at.device) if linear else seen.double().square().mean().sqrt()
    gain = (norm(probe) - bias).double() / seen.double() * size
    held = FrozenNorm(gain, bias.double(), centers, torch.ones_like(at[..., :1]).double())
    unscaled, given = held.part(at.double()), norm(at).double() - held.bias
    if not linear:
        scale = (given * unscaled).sum(-1, keepdim=True) / unscaled.square().sum(-1, keepdim=True).clamp_min(1e-300)
        held = FrozenNorm(gain, held.bias, centers, scale)
    if not _is_small(held.part(at.double()) - given, given + held.bias):
        raise Refused("a norm of this model is neither a LayerNorm nor an RMSNorm: its scale cannot be held")
    return held


def _is_small(difference: Tensor, beside: Tensor) -> bool:
    return float(difference.abs().max()) <= AGREE * float(beside.abs().max())
