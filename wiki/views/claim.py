"""A claim's page: everything behind one verdict. And the button that asks for its runs again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from wiki import actions
from wiki.acceptance import Asker
from wiki.exhibits.finding import claims_shown, document_of, runs_of
from wiki.exhibits.run import RunExhibit, exhibit
from wiki.models import Claim, Finding, Run


@dataclass(frozen=True)
class RunShown:
    row: Run
    heading: str
    exhibit: RunExhibit


def claim(request: HttpRequest, slug: str, claim: str) -> HttpResponse:
    finding = get_object_or_404(Finding.objects.with_everything(), slug=slug)
    row = get_object_or_404(finding.claims.with_evidence(), slug=claim)
    runs = runs_of([row])
    (shown,) = claims_shown(document_of(finding), [row], runs)
    others = Claim.objects.runnable().filter(measurement=row.measurement_id).exclude(pk=row.pk)
    context = {
        "finding": finding,
        "shown": shown,
        "runs": [RunShown(run, heading_of(run), exhibit(run)) for run in in_order(runs.values())],
        "measurement": _indented(row.measurement.text) if row.measurement else "",
        "others": others.select_related("finding"),
    }
    return render(request, "wiki/claim.html", context)


def in_order(runs: Iterable[Run]) -> list[Run]:
    """Draws first, then the control."""
    return sorted(runs, key=lambda run: (run.measurement.is_control, run.draw))


def heading_of(run: Run) -> str:
    if run.measurement.is_control:
        return "Control"
    return "Draw 0 (public)" if run.draw == 0 else f"Draw {run.draw} (fresh)"


@login_required
@require_POST
def again(request: HttpRequest, slug: str, claim: str) -> HttpResponse:
    """Queues anew what was refused or errored."""
    row = get_object_or_404(Claim.objects.runnable().with_evidence(), finding__slug=slug, slug=claim)
    assert request.user.is_authenticated
    queued = actions.try_again(row, Asker(request.user))
    messages.info(request, f"Runs queued: {queued}." if queued else "There is nothing to repeat.")
    return redirect(row.finding)


def _indented(text: str) -> str:
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
