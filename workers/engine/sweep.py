"""A sweep: a measured run without a claim, to find out. No verdict, no badge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workers.engine.discoveries import q_values
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.bundle import Bundle, measurement_of
from workers.engine.documents.expect import AtLeast
from workers.engine.documents.finding import Claim, Finding, Pin
from workers.engine.documents.measurement import Measurement
from workers.engine.documents.model import Model
from workers.engine.documents.spec import Spec
from workers.engine.matching import load
from workers.engine.measuring import Progress, job, measure
from workers.engine.null import null_value
from workers.engine.numbers import Numbers
from workers.engine.prepare import prepare, vocabulary_of
from workers.engine.printing import measured
from workers.engine.report import Share, reported
from workers.engine.statistics import Sample, estimate, interval
from workers.engine.techniques import TECHNIQUES
from workers.engine.vacuity import smallest_effect
from workers.engine.verdict import Stake

ALPHA = 0.05


@dataclass(frozen=True)
class Row:
    """What one intervention came to. interval: at 95 %, not corrected for the number of rows.

    q: corrected for it; null for techniques that edit nothing.
    """

    components: tuple[str, ...]
    measured: float
    interval: tuple[float, float] | None
    q: float | None


@dataclass(frozen=True)
class Sweep:
    numbers: Numbers
    rows: tuple[Row, ...]

    def lines(self) -> Iterator[str]:
        """For people; the strongest last, where a terminal ends."""
        nameless = "untouched" if self.numbers.soundness.largest_change is None else "edited"
        width = max(len(", ".join(row.components) or nameless) for row in self.rows)
        for row in sorted(self.rows, key=lambda row: abs(row.measured)):
            name = ", ".join(row.components) or nameless
            yield f"{name:<{width}}  {measured(row.measured, row.interval)}{_q(row.q)}"
        yield f"{len(self.rows)} rows on {len(self.numbers.prompts)} prompts; intervals at 95 % each, not corrected"
        rough = self.numbers.soundness.precision_difference
        if rough is not None:
            yield f"{self.numbers.environment.dtype}: {rough:.2g} from float32 at most, on a sample of the prompts"
        if any(row.q is not None for row in self.rows):
            yield "q: false discovery rate over all rows, for effects larger than 1 % of the gap"

    def values(self) -> dict[str, Any]:
        rows = [
            {"components": list(row.components), "measured": row.measured, "interval": row.interval, "q": row.q}
            for row in self.rows
        ]
        return {"rows": rows, "numbers": self.numbers.values()}


def sweep(
    behavior: Behavior,
    model: Model,
    technique: str,
    spec: Any,
    seed: str | None,
    prompts: int,
    folders: Sequence[Path],
    device: str,
    progress: Progress,
    dtype: str | None = None,
) -> Sweep:
    """seed: null for the public draw 0. dtype: of the weights; null for the model's own.

    Raises Invalid, Refused, CannotLoad or Mismatch.
    """
    bundle = _bundle(behavior, model, technique, spec)
    asked = measurement_of(bundle, bundle.finding.claims[0])
    measurement = Measurement.from_json({**asked.values(), "dtype": dtype or asked.dtype})
    loaded = load(measurement.model, folders, device, measurement.dtype)
    prepare(measurement, vocabulary_of(loaded.tokenizer, measurement.model, loaded.outputs))
    run = job(measurement, 0, loaded, "python -m workers.engine measure …")
    numbers = measure(run, seed, (), progress, prompts)
    found = reported(measurement.spec, Share(numbers, len(numbers.prompts)), numbers.edited, behavior.chance)
    low, high = interval(found, ALPHA)
    ends = [(float(a), float(b)) if np.isfinite([a, b]).all() else None for a, b in zip(low, high, strict=True)]
    values = [float(value) for value in estimate(found)]
    arms = [arm.components for arm in numbers.edited]
    corrected = _corrected(measurement.technique, measurement.spec, numbers, found, behavior.chance)
    return Sweep(numbers, tuple(Row(*row) for row in zip(arms, values, ends, corrected, strict=True)))


def _corrected(technique: str, spec: Spec, numbers: Numbers, found: Sample, chance: float) -> list[float | None]:
    if not TECHNIQUES[technique].edits:
        return [None] * len(numbers.edited)
    stake = Stake(technique, spec, AtLeast(at_least=0), "effect")
    smallest = smallest_effect(stake, Share(numbers, len(numbers.prompts)))
    return [float(q) for q in q_values(found, null_value(spec, chance), smallest)]


def _q(q: float | None) -> str:
    return "" if q is None else f"  q = {q:.2g}"


def _bundle(behavior: Behavior, model: Model, technique: str, spec: Any) -> Bundle:
    """A finding that claims as little as a claim can, so that what is checked of a claim is checked of a sweep."""
    claim = Claim.from_json(
        {"id": "sweep", "technique": technique, "spec": spec, "expect": AtLeast(at_least=0).values()}
    )
    finding = Finding(
        slug="sweep",
        title="A sweep",
        behavior=Pin(slug=behavior.slug, revision=behavior.sha256),
        model=Pin(slug=model.slug, revision=model.sha256),
        claims=(claim,),
    )
    return Bundle(finding=finding, behaviors={behavior.slug: behavior}, model=model).checked()
