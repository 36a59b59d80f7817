"""The projection: finding, claim, node and edge rows, written anew from an entry's current revision.

Verdicts, coverage and badge follow from stored runs as well; `wiki.evidence` writes those.
"""

from __future__ import annotations

import json
from typing import Any

from wiki import bundles
from wiki.models import Claim, Edge, Entry, Finding, Node, Revision, Run
from wiki.rendering import rendered
from wiki.stakes import Staked, stake
from workers.engine.documents import finding as documents
from workers.engine.documents.bundle import Bundle
from workers.engine.documents.canonical import canonical, sha256
from workers.engine.documents.components import component
from workers.engine.documents.kinds import EntryDocument
from workers.engine.sentence import sentence


def project(entry: Entry, html: str) -> Finding | None:
    """Rewrites what follows from the entry's current revision. Returns the finding, for an entry that is one."""
    assert entry.current is not None
    document = entry.current.document
    Entry.objects.filter(pk=entry.pk).update(title=document.title)
    if not isinstance(document, documents.Finding):
        return None
    finding = _finding(entry, document, html)
    _circuit(finding, document.circuit)
    _claims(finding, bundles.of_document(document))
    return finding


def html_of(document: EntryDocument) -> str:
    """A finding's prose as safe HTML. Slow: done before a transaction, not in it."""
    return rendered(document.body) if isinstance(document, documents.Finding) else ""


def circuit_hash(circuit: documents.Circuit) -> str:
    """Identifies what the circuit consists of, whatever its roles and groups are called."""
    nodes = sorted({node.component for node in circuit.nodes})
    return sha256(canonical({"nodes": nodes, "edges": sorted(set(circuit.edges))}))


def _finding(entry: Entry, document: documents.Finding, html: str) -> Finding:
    assert entry.current is not None
    finding, _ = Finding.objects.update_or_create(
        entry=entry,
        defaults={
            "slug": document.slug,
            "title": document.title,
            "summary": document.summary,
            "behavior": Entry.objects.get(kind="behavior", slug=document.behavior.slug),
            "model": Entry.objects.get(kind="model", slug=document.model.slug),
            "circuit_hash": circuit_hash(document.circuit),
            "html": html,
            "updated_at": entry.current.created_at,
        },
    )
    return finding


def _circuit(finding: Finding, circuit: documents.Circuit) -> None:
    finding.nodes.all().delete()
    finding.edges.all().delete()
    Node.objects.bulk_create(_node(finding, node) for node in circuit.nodes)
    Edge.objects.bulk_create(Edge(finding=finding, sender=sender, receiver=to) for sender, to in circuit.edges)


def _node(finding: Finding, node: documents.Node) -> Node:
    place = component(node.component)
    return Node(
        finding=finding,
        component=node.component,
        kind=place.kind,
        layer=place.layer,
        head=place.head,
        position=str(place.position or ""),
        role=node.role or "",
        note=node.note,
    )


def _claims(finding: Finding, bundle: Bundle) -> None:
    finding.claims.exclude(slug__in=[claim.id for claim in bundle.finding.claims]).delete()
    for order, (claim, staked) in enumerate(stake(bundle)):
        Claim.objects.update_or_create(
            finding=finding, slug=claim.id, defaults=_stated(finding, bundle, claim, staked) | {"order": order}
        )


def _stated(finding: Finding, bundle: Bundle, claim: documents.Claim, staked: Staked) -> dict[str, Any]:
    return {
        "technique": claim.technique or "",
        "sentence": sentence(claim, bundle.behavior.title, bundle.finding.circuit.groups),
        "statement": claim.statement,
        "reworded": _reworded(finding.entry, claim, staked),
        "essential": claim.essential,
        "kind": claim.kind,
        "expect": canonical(claim.expect.values()) if claim.expect is not None else "",
        "gate": staked.gate,
        "measurement": staked.measurement,
        "control": staked.control,
        "expectation": staked.expectation,
        "verdict": "",
        "outcome": "",
    }


def _reworded(entry: Entry, claim: documents.Claim, staked: Staked) -> bool:
    """Whether the author's words are others than those that stood when the claim was first measured."""
    if staked.expectation is None:
        return False
    draws = staked.expectation.draws
    first = (
        Run.objects.finished().filter(measurement=staked.measurement, draw__in=draws).order_by("finished_at").first()
    )
    if first is None:
        return False
    measured = entry.revisions.filter(created_at__lte=first.finished_at).first()
    return measured is not None and _words_of(measured, claim.id) not in (None, claim.statement)


def _words_of(revision: Revision, claim: str) -> str | None:
    """The claim's wording in that revision; None if it had no such claim. Read as plain JSON: it may be an old form."""
    stated = json.loads(revision.text).get("claims", [])
    return next((str(item["statement"]) for item in stated if item["id"] == claim), None)
