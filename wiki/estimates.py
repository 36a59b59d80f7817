"""What a finding's runs would cost, before it is published: of each claim, and whether they would be accepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf

from wiki import bundles
from wiki.acceptance import Acceptance, Asker, left
from wiki.models import Measurement, Population, Run
from wiki.stakes import unsaved
from workers.engine import cost as costs
from workers.engine.documents.bundle import Bundle, control_of, measurement_of
from workers.engine.documents.finding import Claim, Finding
from workers.engine.documents.measurement import Measurement as Document
from workers.engine.documents.measurement import variants_of


@dataclass(frozen=True)
class ClaimEstimate:
    """runs: that it lacks. operations: in floating point, of all those at most. words: of one draw.

    obstacle: what would keep them from being queued, in words; empty if nothing would.
    """

    claim: str
    runs: int
    operations: float
    words: str
    obstacle: str


@dataclass(frozen=True)
class Estimate:
    """left: floating-point operations that the asker may still ask for within a day; None for no limit."""

    claims: tuple[ClaimEstimate, ...]
    left: float | None

    @property
    def runs(self) -> int:
        return sum(claim.runs for claim in self.claims)

    @property
    def operations(self) -> float:
        return sum(claim.operations for claim in self.claims)


def estimate(finding: Finding, asker: Asker) -> Estimate:
    """Raises Invalid if the finding could not be published."""
    bundle = bundles.of_document(finding)
    bundle.checked()
    acceptance = Acceptance(asker)
    runnable = [claim for claim in finding.claims if claim.runnable]
    may = left(asker)
    return Estimate(tuple(_of(bundle, claim, acceptance) for claim in runnable), None if isinf(may) else may)


def _of(bundle: Bundle, claim: Claim, acceptance: Acceptance) -> ClaimEstimate:
    lacking = [Run(measurement=row) for row in _rows(bundle, claim)]
    accepted = [acceptance.accept(run) for run in lacking]
    refused = next((run for run, fits in zip(lacking, accepted, strict=True) if not fits), None)
    return ClaimEstimate(
        claim=claim.id,
        runs=len(lacking),
        operations=sum(run.measurement.cost for run in lacking),
        words=costs.sentence(costs.cost_of(measurement_of(bundle, claim))),
        obstacle="" if refused is None else acceptance.obstacle(refused.measurement),
    )


def _rows(bundle: Bundle, claim: Claim) -> Iterator[Measurement]:
    """A measurement for every run that the claim would ask for and that was never asked for."""
    for document, draws in _wanted(bundle, claim):
        asked = Run.objects.filter(measurement=document.sha256).values("draw").distinct().count()
        row = unsaved(document)
        yield from (row for _ in range(draws - asked))


def _wanted(bundle: Bundle, claim: Claim) -> Iterator[tuple[Document, int]]:
    own = measurement_of(bundle, claim)
    yield own, 2 if unsaved(own).population == Population.SEEDED else 1
    if (control := control_of(bundle, claim)) is not None:
        yield control, 1
    if claim.kind == "effect":
        yield from ((variant, 1) for variant in variants_of(own))
