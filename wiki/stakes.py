"""What a finding stakes: for each claim its measurement, its control and its expectation, as rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from wiki.models import Expectation, Measurement, Population, Run
from wiki.models.run import BEGUN
from workers.engine.cost import cost_of
from workers.engine.documents import measurement as documents
from workers.engine.documents.bundle import Bundle, behavior_of, control_of, measurement_of
from workers.engine.documents.canonical import canonical
from workers.engine.documents.expect import expectation_hash
from workers.engine.documents.finding import Claim
from workers.engine.documents.measurement import variants_of
from workers.engine.documents.model import Hub
from workers.engine.prompts import GENERATORS


@dataclass(frozen=True)
class Staked:
    """A claim's rows; all None for a claim in words only. gate: what its behavior declares, as canonical JSON text."""

    gate: str = ""
    measurement: Measurement | None = None
    control: Measurement | None = None
    expectation: Expectation | None = None


def stake(bundle: Bundle) -> Iterator[tuple[Claim, Staked]]:
    """Each claim with its rows, made where they are missing. An expectation is dated by when it was first staked."""
    for claim in bundle.finding.claims:
        yield claim, _stake(bundle, claim) if claim.runnable else Staked()


def _stake(bundle: Bundle, claim: Claim) -> Staked:
    assert claim.expect is not None
    own = _measurement(measurement_of(bundle, claim), control_of=None)
    control = control_of(bundle, claim)
    gate = _gate(bundle, claim)
    if claim.kind == "effect":
        own.variants.set(_measurement(variant, control_of=None) for variant in variants_of(_document(own)))
    return Staked(
        gate=canonical(gate),
        measurement=own,
        control=None if control is None else _measurement(control, control_of=own),
        expectation=_expectation(own, expectation_hash(claim.expect, claim.kind, gate)),
    )


def _document(row: Measurement) -> documents.Measurement:
    return documents.Measurement.read(row.text)


def _gate(bundle: Bundle, claim: Claim) -> dict[str, Any]:
    """The behavior's metric, the level of chance, and the threshold above which it is shown."""
    assert claim.spec is not None
    behavior = behavior_of(bundle, claim.spec.prompts)
    return {"metric": behavior.metric, "chance": behavior.chance, "threshold": behavior.threshold}


def _measurement(document: documents.Measurement, control_of: Measurement | None) -> Measurement:
    """The row of the measurement, made if it is missing."""
    row = Measurement.objects.filter(pk=document.sha256).first()
    if row is None:
        row = unsaved(document)
        row.control_of = control_of
        row.save(force_insert=True)
    return row


def unsaved(document: documents.Measurement) -> Measurement:
    """The row of a claim's own measurement, with what it costs."""
    cost = cost_of(document)
    return Measurement(
        sha256=document.sha256,
        text=document.text,
        technique=document.technique,
        weights=weights_of(document),
        population=population_of(document),
        cost=cost.operations,
        memory=cost.memory,
    )


def weights_of(document: documents.Measurement) -> str:
    """What a worker must be able to load: `sha256:…` or `repository@commit`."""
    weights = document.model.weights
    return f"{weights.repository}@{weights.commit}" if isinstance(weights, Hub) else weights.weights_sha256


def population_of(document: documents.Measurement) -> str:
    source = document.prompts.source
    return GENERATORS[source.generator].draws(source)


def _expectation(measurement: Measurement, sha256: str) -> Expectation:
    begun = _begun(measurement)
    row, _ = Expectation.objects.get_or_create(
        measurement=measurement,
        sha256=sha256,
        defaults={
            "stated_after_measuring": bool(begun),
            "first_draw": _first_draw(measurement, begun),
            "earlier": Expectation.objects.filter(measurement=measurement).count(),
        },
    )
    return row


def _first_draw(measurement: Measurement, begun: list[Run]) -> int:
    """0, unless somebody may know a number already: then the first fresh draw that has not begun."""
    if measurement.population != Population.SEEDED or not begun:
        return 0
    return 1 + max((run.draw for run in begun if run.measurement_id == measurement.pk), default=0)


def _begun(measurement: Measurement) -> list[Run]:
    """A control measures the claim's own edit too, so its number counts as known with it.

    Until the transaction ends nobody claims a run of these, so that what is seen here stays true.
    """
    concerned = Run.objects.filter(Q(measurement=measurement) | Q(measurement__control_of=measurement))
    locked = concerned.select_for_update(of=("self",)).only("pk", "state", "draw", "measurement")
    return [run for run in locked if run.state in BEGUN]
