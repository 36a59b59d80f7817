"""The stewards' page: queues, workers, what nobody can take, what failed and why; and the buttons that try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh

from wiki import actions, queues
from wiki.acceptance import Acceptance, Asker
from wiki.models import Claim, Run

MOST = 30  # rows of a table
MOST_REASONS = 10
MOST_CLAIMS = 3  # of one run
AT_ONCE = 100  # runs tried again by one button

NEEDED = "This page is for stewards. Ask one to make your account a steward's, if you need it."

View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Failure:
    run: Run
    claims: list[Claim]
    more: int


def for_stewards(view: View) -> View:
    """Who is not signed in is asked to; who is no steward reads what would be needed."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied(NEEDED)
        return view(request, *args, **named)

    return never_cache(guarded)


@for_stewards
def stewards(request: HttpRequest) -> HttpResponse:
    return render(request, "wiki/stewards.html", _tables())


def live(request: HttpRequest) -> HttpResponse:
    """The tables alone. A page whose reader was signed out meanwhile is loaded anew."""
    return _live(request) if request.user.is_authenticated else HttpResponseClientRefresh()


@for_stewards
def _live(request: HttpRequest) -> HttpResponse:
    return render(request, "wiki/_stewards.html", _tables())


@for_stewards
@require_POST
def retry(request: HttpRequest, number: int) -> HttpResponse:
    run = get_object_or_404(Run.objects.select_related("measurement"), pk=number)
    _report(request, [run], 1)
    return redirect("stewards")


@for_stewards
@require_POST
def retry_alike(request: HttpRequest, number: int) -> HttpResponse:
    """Every run that failed for the same reason, so many at once."""
    alike = queues.failures_like(get_object_or_404(Run, pk=number))
    _report(request, list(alike.select_related("measurement").defer("numbers")[:AT_ONCE]), alike.count())
    return redirect("stewards")


def _report(request: HttpRequest, runs: list[Run], of: int) -> None:
    """Tries them again and says how many are queued; of one that is not, what keeps it from being queued."""
    assert isinstance(request.user, User)
    asker = Asker(request.user)
    kept_back = [run for run in runs if not actions.retry(run, asker)]
    queued = len(runs) - len(kept_back)
    words = [f"Queued again: {queued} of {of}."]
    if kept_back:
        obstacle = Acceptance(asker).obstacle(kept_back[0].measurement)
        words.append(f"Run {kept_back[0].pk} was not: {obstacle or 'it has numbers, or was tried again already'}.")
    if of > len(runs):
        words.append(f"{of - len(runs)} are left; press the button again for more.")
    messages.info(request, " ".join(words))


def _tables() -> dict[str, Any]:
    runs = list(_failed()[:MOST])
    claims = queues.claims_on(run.measurement_id for run in runs)
    resting = [claims.get(run.measurement_id, []) for run in runs]
    return {
        "queues": queues.queues(),
        "workers": queues.workers(MOST),
        "stuck": queues.stuck(MOST),
        "reasons": queues.reasons(MOST_REASONS),
        "failures": [
            Failure(run, its[:MOST_CLAIMS], len(its[MOST_CLAIMS:])) for run, its in zip(runs, resting, strict=True)
        ],
        "failed": queues.failures().count(),
        "most": MOST,
    }


def _failed() -> Any:
    related = queues.failures().select_related("measurement", "worker")
    return related.defer("numbers", "measurement__text").annotate(now=Now())
