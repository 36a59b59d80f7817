"""Runs: the newest ones, and one run with its progress."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from wiki.acceptance import THE_SITE, Acceptance
from wiki.exhibits.run import exhibit
from wiki.models import Claim, Run, RunState, Worker
from wiki.templatetags.interpedia import spaced
from wiki.views.claim import heading_of

NEWEST = 60
MARKS = {
    RunState.QUEUED: "waiting",
    RunState.RUNNING: "waiting",
    RunState.FINISHED: "holds",
    RunState.REFUSED: "undecided",
    RunState.ERRORED: "errored",
}


def runs(request: HttpRequest) -> HttpResponse:
    newest = Run.objects.select_related("measurement").defer("numbers", "measurement__text")
    context = {
        "runs": newest[:NEWEST],
        "waiting": Run.objects.waiting().count(),
        "running": Run.objects.filter(state=RunState.RUNNING).count(),
        "workers": Worker.objects.alive().count(),
    }
    return render(request, "wiki/runs.html", context)


def run(request: HttpRequest, number: int) -> HttpResponse:
    found = _run(number)
    context = _context(found) | {
        "heading": f"{heading_of(found)} of {spaced(found.measurement.technique)}",
        "exhibit": exhibit(found),
        "claims": Claim.objects.concerned_by(found.measurement).select_related("finding"),
    }
    return render(request, "wiki/run.html", context)


def live(request: HttpRequest, number: int) -> HttpResponse:
    """The run's state. A page that still shows it as open is loaded anew once it has ended."""
    found = _run(number)
    response = render(request, "wiki/_run.html", _context(found))
    response["Cache-Control"] = "no-store"
    if not found.is_open:
        response["HX-Refresh"] = "true"
    return response


def _run(number: int) -> Run:
    return get_object_or_404(Run.objects.select_related("measurement", "worker").defer("numbers"), pk=number)


def _context(found: Run) -> dict[str, object]:
    return {
        "run": found,
        "state": MARKS[RunState(found.state)],
        "held_up": Acceptance(THE_SITE).no_worker_for(found.measurement),
    }
