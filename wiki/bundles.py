"""Bundles: a finding with the very revisions it pins, as stored here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wiki.models import Entry, Finding, Kind, Revision, Run
from workers.engine.documents import finding as documents
from workers.engine.documents.bundle import Bundle
from workers.engine.documents.document import Document, Invalid, Problem
from workers.engine.documents.spec import OtherPrompts


@dataclass(frozen=True)
class Pinned:
    """What a finding names, and the path it names it at."""

    kind: str
    slug: str
    revision: str
    path: str


def of_finding(finding: Finding) -> Bundle:
    """The finding's current revision, its neighbors, and the seeds of its finished fresh draws."""
    assert finding.entry.current is not None
    document = finding.entry.current.document
    assert isinstance(document, documents.Finding)
    return of_document(document).model_copy(update={"seeds": _seeds(finding)})


def of_document(finding: documents.Finding) -> Bundle:
    """Raises Invalid with every pin that is not stored here."""
    found: dict[str, dict[str, Document]] = defaultdict(dict)
    problems: list[Problem] = []
    for pin in pins_of(finding):
        revision = Revision.objects.pinned(pin.kind, pin.slug, pin.revision)
        if revision is None:
            problems.append(Problem(pin.path, _missing(pin)))
        else:
            found[pin.kind][pin.slug] = revision.document
    if problems:
        raise Invalid(problems)
    return _bundle(finding, found)


def pins_of(finding: documents.Finding) -> Iterator[Pinned]:
    yield Pinned(Kind.BEHAVIOR, finding.behavior.slug, finding.behavior.revision, "behavior")
    yield Pinned(Kind.MODEL, finding.model.slug, finding.model.revision, "model")
    for slug, revision in finding.roles.items():
        yield Pinned(Kind.ROLE, slug, revision, f"roles.{slug}")
    for index, claim in enumerate(finding.claims):
        named = {} if claim.spec is None else {"prompts": claim.spec.prompts, **claim.spec.other_prompts}
        for field, prompts in named.items():
            if isinstance(prompts, OtherPrompts):
                yield Pinned(Kind.BEHAVIOR, prompts.behavior, prompts.revision, f"claims.{index}.spec.{field}")


def _bundle(finding: documents.Finding, found: dict[str, dict[str, Any]]) -> Bundle:
    model = found[Kind.MODEL][finding.model.slug]
    return Bundle(finding=finding, behaviors=found[Kind.BEHAVIOR], model=model, roles=found[Kind.ROLE])


def _missing(pin: Pinned) -> str:
    entry = Entry.objects.of_kind(pin.kind).filter(slug=pin.slug).first()
    if entry is None or entry.current is None:
        return f"there is no {pin.kind} {pin.slug!r} here; publish it first, or correct the name"
    return f"the {pin.kind} {pin.slug!r} has no revision {pin.revision}; its newest is {entry.current.sha256}"


def _seeds(finding: Finding) -> dict[str, dict[str, str]]:
    seeds: dict[str, dict[str, str]] = defaultdict(dict)
    for claim in finding.claims.runnable().with_evidence():
        for run in Run.objects.of_claim(claim).finished().exclude(seed=""):
            seeds[run.measurement_id][str(run.draw)] = run.seed
    return dict(seeds)
