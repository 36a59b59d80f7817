"""Editing an entry of any kind as JSON. A refused edit keeps the editor's text; a conflict keeps both."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from wiki import actions
from wiki.acceptance import Asker
from wiki.diffs import differences, readable
from wiki.estimates import Estimate, estimate
from wiki.models import Entry, Kind
from wiki.skeletons import SKELETONS
from workers.engine.documents import finding as documents
from workers.engine.documents.document import Invalid, Problem


@login_required
def edit(request: HttpRequest, kind: str, slug: str) -> HttpResponse:
    entry = get_object_or_404(Entry.objects.of_kind(kind), slug=slug, current__isnull=False)
    _refuse_unless_allowed(request, kind)
    assert entry.current is not None
    if request.method == "POST":
        return _save(request, kind, entry)
    return _form(request, kind, entry, readable(kind, entry.current.text), entry.current.sha256)


@login_required
def new(request: HttpRequest, kind: str) -> HttpResponse:
    _refuse_unless_allowed(request, kind)
    if request.method == "POST":
        return _save(request, kind, None)
    return _form(request, kind, None, SKELETONS[kind], "")


def _save(request: HttpRequest, kind: str, entry: Entry | None) -> HttpResponse:
    text, expected = request.POST.get("document", ""), request.POST.get("expected", "")
    try:
        if "estimate" in request.POST and kind == Kind.FINDING:
            return _form(request, kind, entry, text, expected, estimate=_estimated(request, text))
        address, summary = entry.slug if entry else actions.NEW, request.POST.get("summary", "")
        revision = actions.publish(kind, text, request.user, summary, expected or None, address=address)
    except Invalid as error:
        return _form(request, kind, entry, text, expected, error.problems)
    except actions.Conflict as conflict:
        return _conflict(request, entry, conflict, text)
    return redirect(revision.entry)


def _refuse_unless_allowed(request: HttpRequest, kind: str) -> None:
    """Before somebody writes for an hour; `actions.publish` decides."""
    if kind == Kind.MODEL and not request.user.is_staff:
        raise PermissionDenied("Models are registered by stewards, since workers load their weights.")


def _form(
    request: HttpRequest,
    kind: str,
    entry: Entry | None,
    text: str,
    expected: str,
    problems: list[Problem] | None = None,
    estimate: Estimate | None = None,
) -> HttpResponse:
    context = {
        "kind": kind,
        "entry": entry,
        "heading": f"Edit {entry.title}" if entry else f"Write a {kind}",
        "text": text,
        "expected": expected,
        "summary": request.POST.get("summary", ""),
        "problems": problems,
        "estimate": estimate,
        "pins": _pins() if kind == Kind.FINDING else [],
    }
    return render(request, "wiki/edit.html", context, status=400 if problems else 200)


def _estimated(request: HttpRequest, text: str) -> Estimate:
    assert isinstance(request.user, User)
    return estimate(documents.Finding.read(text), Asker(request.user))


def _conflict(request: HttpRequest, entry: Entry | None, conflict: actions.Conflict, text: str) -> HttpResponse:
    assert entry is not None and conflict.current is not None
    context = {
        "entry": entry,
        "current": conflict.current,
        "text": text,
        "theirs": readable(entry.kind, conflict.current.text),
        "summary": request.POST.get("summary", ""),
        "rows": differences(entry.kind, conflict.current.text, text),
        "caption": f"From revision {conflict.current.number} to your text",
    }
    return render(request, "wiki/conflict.html", context, status=409)


def _pins() -> list[Entry]:
    """What a finding may pin, with the newest revision's hash."""
    pinned = Entry.objects.filter(kind__in=[Kind.BEHAVIOR, Kind.MODEL, Kind.ROLE]).select_related("current")
    return list(pinned.defer("current__text").order_by("kind", "slug"))
