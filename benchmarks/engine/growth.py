"""How the head sweep's time grows when the task does: the engine alone, each pair of sizes measured in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.engine.inputs import Shape, write
from benchmarks.engine.rounds import arm
from benchmarks.engine.works import WORKS

SWEEP = WORKS[0]
ROUNDS = 3
SMALLER = Shape(layers=6, heads=6, pairs=16)
"""Half of GPT-2 small in both directions, so that doubling stays quick."""


@dataclass(frozen=True)
class Growth:
    """ratio: seconds of the larger by those of the smaller, the median over rounds."""

    work: str
    what: str
    ratio: float
    low: float
    high: float

    def cells(self) -> tuple[str, ...]:
        return (self.work, self.what, f"{self.ratio:.2f}", f"{self.low:.2f}", f"{self.high:.2f}")


def growth(folder: Path, shape: Shape, device: str, threads: int) -> Iterator[Growth]:
    yield _measured(folder, "first change at token 0 against 9", shape, replace(shape, first=0), device, threads)
    for what, larger in doubled(SMALLER).items():
        yield _measured(folder, f"{what} doubled", SMALLER, larger, device, threads)


def doubled(shape: Shape) -> dict[str, Shape]:
    """Each size by itself; a longer prompt changes from the same share of it on."""
    return {
        "layers": replace(shape, layers=2 * shape.layers),
        "heads": replace(shape, heads=2 * shape.heads),
        "prompts": replace(shape, pairs=2 * shape.pairs),
        "length": replace(shape, length=2 * shape.length, first=2 * shape.first),
    }


def _measured(folder: Path, what: str, small: Shape, large: Shape, device: str, threads: int) -> Growth:
    ratios: list[float] = []
    with ExitStack() as stack:
        arms = []
        for shape in (small, large):
            own = write(folder / f"{'-'.join(map(str, vars(shape).values()))}", shape, device)
            arms.append((shape, own, stack.enter_context(arm("ours", own, threads))))
        for number in range(ROUNDS):
            took: dict[Shape, float] = {}
            for shape, own, one in arms if number % 2 == 0 else reversed(arms):
                took[shape] = one.ask(SWEEP, shape, own / "ours.safetensors").seconds
            ratios.append(took[large] / took[small])
    return Growth(f"{SWEEP.key} {SWEEP.name}", what, median(ratios), min(ratios), max(ratios))
