"""How much of the machine's fastest matrix product the head sweep reaches, counting the least that it must multiply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import nn

from benchmarks.engine.inputs import SMALL, Shape
from benchmarks.engine.rounds import arm
from benchmarks.engine.works import WORKS
from workers.engine.products import with_fast_products

SWEEP = WORKS[0]
ROWS, REPEATS = 1152, 12
MLP = 4


@dataclass(frozen=True)
class Share:
    """share: of the peak that was measured just before and after, the median over rounds. peak: of all, in GFLOP/s."""

    work: str
    share: float
    low: float
    high: float
    peak: float
    tera: float
    seconds: float

    def cells(self) -> tuple[str, ...]:
        return (self.work, "multiplying alone", f"{self.share:.2f}", f"{self.low:.2f}", f"{self.high:.2f}")


def share_of_peak(folder: Path, shape: Shape, rounds: int, device: str, threads: int) -> Iterator[Share]:
    torch.set_num_threads(threads)
    operations, shares, peaks, seconds = least_operations(shape), list[float](), [peak(device)], list[float]()
    with ExitStack() as stack:
        ours = stack.enter_context(arm("ours", folder, threads))
        for _ in range(rounds):
            seconds.append(ours.ask(SWEEP, shape, folder / "ours.safetensors").seconds)
            peaks.append(peak(device))
            shares.append(operations / seconds[-1] / max(peaks[-2:]))
    yield Share(
        work=f"{SWEEP.key} {SWEEP.name}, share of the machine's peak",
        share=median(shares),
        low=min(shares),
        high=max(shares),
        peak=max(peaks) / 1e9,
        tera=operations / 1e12,
        seconds=median(seconds),
    )


def least_operations(shape: Shape) -> float:
    """Of the sweep's matrix products on the minimal cone, and of the two recorded runs; attention scores left out.

    An intervention's first layer needs its output projection and MLP at the changed positions; those behind it, all;
    the last, keys and values at the changed positions and everything else at the end.
    """
    d_model = shape.heads * SMALL["n_embd"] // SMALL["n_head"]
    projection = 2 * d_model**2  # q, k, v or the output, at one position
    mlp, whole = 2 * MLP * projection, (4 + 2 * MLP) * projection
    changed, last = shape.length - shape.first, shape.layers - 1
    at_end = 2 * projection + mlp  # q, the output, and the MLP
    least = 0.0
    for layer in range(shape.layers):
        if layer == last:
            least += projection + mlp
        else:
            least += changed * (projection + mlp + (last - 1 - layer) * whole + 2 * projection) + at_end
    recorded = 2 * shape.layers * shape.length * whole
    return shape.pairs * (shape.heads * least + recorded)


@torch.no_grad()
def peak(device: str) -> float:
    """Floating-point operations a second of one large product of matrices, the best of several by either library."""
    d_model = SMALL["n_embd"]
    rows = torch.randn(ROWS, d_model, device=device)
    plain, fast = (nn.Linear(d_model, MLP * d_model, device=device) for _ in range(2))
    with_fast_products(fast)
    best = 0.0
    for layer in (plain, fast) * REPEATS:
        begun = _now(device)
        layer(rows)
        best = max(best, 2 * rows.numel() * MLP * d_model / (_now(device) - begun))
    return best


def _now(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()
