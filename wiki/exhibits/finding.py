"""A whole finding as its page shows it, in a fixed number of queries."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.db.models import Q
from django.utils.safestring import SafeString

from wiki.exhibits.circuit import NodeShown, diagram, nodes_shown
from wiki.exhibits.claim import ClaimShown, Runs, claim_shown
from wiki.exhibits.run import Facts, exhibit
from wiki.models import Claim, Finding, Run, RunState
from workers.engine.badge import claims_covering
from workers.engine.claim_state import ClaimState
from workers.engine.documents import finding as documents
from workers.engine.verdict import Verdict


@dataclass(frozen=True)
class FindingShown:
    """judged: how many runnable claims have a verdict. running: a run that is being measured for it now."""

    row: Finding
    document: documents.Finding
    claims: tuple[ClaimShown, ...]
    nodes: list[NodeShown]
    diagram: SafeString | None
    notes: list[str]
    judged: int
    runnable: int
    checking: bool
    running: Run | None
    environment: Facts


def finding_shown(row: Finding) -> FindingShown:
    """The row must come from `with_everything`."""
    document = document_of(row)
    rows = list(row.claims.all())
    runs = runs_of(rows)
    runnable = [claim for claim in rows if claim.runnable]
    nodes = list(row.nodes.all())
    return FindingShown(
        row=row,
        document=document,
        claims=claims_shown(document, rows, runs),
        nodes=nodes_shown(row, nodes, _covering(document, rows)),
        diagram=diagram(row, nodes, list(row.edges.all())),
        notes=list(json.loads(row.badge_detail).get("notes", [])),
        judged=sum(bool(claim.outcome) for claim in runnable),
        runnable=len(runnable),
        checking=any(run.is_open for run in runs.values()),
        running=next((run for run in runs.values() if run.state == RunState.RUNNING), None),
        environment=_newest_environment(runs),
    )


def document_of(row: Finding) -> documents.Finding:
    """The finding's current revision."""
    assert row.entry.current is not None
    document = row.entry.current.document
    assert isinstance(document, documents.Finding)
    return document


def claims_shown(document: documents.Finding, rows: list[Claim], runs: Runs) -> tuple[ClaimShown, ...]:
    stated = {claim.id: claim for claim in document.claims}
    references = {reference.key: reference for reference in document.references}
    return tuple(claim_shown(row, stated[row.slug], references, runs) for row in rows)


def runs_of(claims: list[Claim]) -> dict[tuple[str, int], Run]:
    """The newest run of each measurement and draw, without its numbers."""
    wanted = {claim.measurement_id for claim in claims} | {claim.control_id for claim in claims}
    found = Run.objects.filter(Q(measurement__in=wanted - {None})).select_related("measurement").defer("numbers")
    return {(run.measurement_id, run.draw): run for run in found.order_by("id")}


def _covering(document: documents.Finding, rows: list[Claim]) -> dict[str, tuple[str, ...]]:
    states = {row.slug: ClaimState(verdict=Verdict.read(row.verdict)) for row in rows if row.verdict}
    components = {node.component for node in document.circuit.nodes}
    return {name: tuple(claim.id for claim in claims_covering(document, states, name)) for name in components}


def _newest_environment(runs: Runs) -> Facts:
    finished = [run for run in runs.values() if run.state == RunState.FINISHED]
    return exhibit(max(finished, key=lambda run: run.pk)).environment if finished else ()
