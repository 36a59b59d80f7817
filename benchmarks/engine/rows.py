"""What was compared, as rows: one JSON object a line, or a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from torch import Tensor

from benchmarks.engine.inputs import Shape
from benchmarks.engine.rounds import Compared, Took
from benchmarks.engine.works import Work

MEBIBYTE = 2**20
OF_THE_MODEL, BESIDE = 1.5, 256 + 160
"""What the engine may hold: so many times the model's size; MiB of records, and of interventions in flight."""
COLUMNS = (
    "work",
    "peer",
    "ratio",
    "low",
    "high",
    "reach",
    "largest difference",
    "of effects from … to",
    "MiB",
    "peer's MiB",
    "sampled",
)


@dataclass(frozen=True)
class Row:
    """ratio: the peer's time by ours, the median over rounds; low and high: of the rounds. cpu_ratio: processor time.

    reach: what the ratio is to be at least; null where nothing is promised. effects: of ours, the least and the
    largest. peak_memory: ours, in MiB, the model included. memory_limit: what that is to stay within; null on a card,
    whose free memory is there to be used. sampled: how many interventions the peer ran of how many.
    """

    work: str
    peer: str
    ratio: float
    low: float
    high: float
    cpu_ratio: float
    reach: float | None
    largest_difference: float
    effects: tuple[float, float]
    seconds: float
    peer_seconds: float
    peak_memory: int
    memory_limit: int | None
    peer_memory: int
    sampled: str | None

    def cells(self) -> tuple[str, ...]:
        return (
            self.work,
            self.peer,
            f"{self.ratio:.1f}",
            f"{self.low:.1f}",
            f"{self.high:.1f}",
            "" if self.reach is None else f"{self.reach:g}",
            f"{self.largest_difference:.1e}",
            f"{self.effects[0]:.1e} … {self.effects[1]:.1e}",
            f"{self.peak_memory:,}",
            f"{self.peer_memory:,}",
            self.sampled or "",
        )


@dataclass(frozen=True)
class Skipped:
    work: str
    peer: str
    skipped: str

    def cells(self) -> tuple[str, ...]:
        return (self.work, self.peer, f"skipped: {self.skipped}", *[""] * (len(COLUMNS) - 3))


def limit_of(model: Path) -> int:
    """MiB, for a checkpoint's folder."""
    size = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    return int(OF_THE_MODEL * size / MEBIBYTE) + BESIDE


def rows(work: Work, compared: Compared, shape: Shape, memory_limit: int | None) -> Iterator[Row | Skipped]:
    """One for each peer, in the work's order."""
    label = f"{work.key} {work.name}"
    for peer in work.peers:
        if reason := compared.absent.get("ours") or compared.absent.get(peer):
            yield Skipped(label, peer, reason)
        else:
            yield _row(label, work, peer, compared, shape, memory_limit)


def _row(label: str, work: Work, peer: str, compared: Compared, shape: Shape, memory_limit: int | None) -> Row:
    ours, theirs = compared.took["ours"], compared.took[peer]
    ratios = [other.seconds / own.seconds for own, other in zip(ours, theirs, strict=True)]
    cpu = [other.cpu / own.cpu for own, other in zip(ours, theirs, strict=True)]
    found, sampled = compared.found["ours"]["found"], work.rows(shape) if work.sampled(shape) else None
    effects = found - compared.found["ours"]["prepared"]
    return Row(
        work=label,
        peer=peer,
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
        cpu_ratio=median(cpu),
        reach=work.reach.get(peer, work.reach.get("*")),
        largest_difference=difference(found if sampled is None else found[sampled], compared.found[peer]["found"]),
        effects=(float(effects.min()), float(effects.max())),
        seconds=_median(ours),
        peer_seconds=_median(theirs),
        peak_memory=max(one.peak for one in ours) // MEBIBYTE,
        memory_limit=memory_limit,
        peer_memory=max(one.peak for one in theirs) // MEBIBYTE,
        sampled=None if sampled is None else f"{len(sampled)} of {work.interventions(shape)}",
    )


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest; NaN where the shapes differ."""
    if ours.shape != theirs.shape:
        return float("nan")
    return float((ours.double() - theirs.double()).abs().max())


def _median(took: Sequence[Took]) -> float:
    return median(one.seconds for one in took)


def heading() -> str:
    return f"| {' | '.join(COLUMNS)} |\n|{'-|' * len(COLUMNS)}"


def line(row: Any, as_json: bool) -> str:
    """One row; as Markdown, the cells it has."""
    if as_json:
        return json.dumps(asdict(row))
    return f"| {' | '.join(row.cells())} |"
