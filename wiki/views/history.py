"""History of an entry of any kind: its revisions, one of them, what it changed, and going back to it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from wiki import actions
from wiki.diffs import differences, readable
from wiki.models import Entry, Revision
from workers.engine.documents.document import Invalid, Problem


def history(request: HttpRequest, kind: str, slug: str) -> HttpResponse:
    entry = get_object_or_404(Entry, kind=kind, slug=slug)
    revisions = entry.revisions.select_related("author").defer("text")
    return render(request, "wiki/history.html", {"entry": entry, "revisions": revisions})


def revision(request: HttpRequest, kind: str, slug: str, number: int) -> HttpResponse:
    found = _revision(kind, slug, number)
    context = {"entry": found.entry, "revision": found, "text": readable(kind, found.text)}
    return render(request, "wiki/revision.html", context)


def diff(request: HttpRequest, kind: str, slug: str, number: int) -> HttpResponse:
    """What the revision changed in the one before it."""
    newer = _revision(kind, slug, number)
    if newer.parent is None:
        raise Http404("the first revision changed nothing")
    context = {
        "entry": newer.entry,
        "newer": newer,
        "rows": differences(kind, newer.parent.text, newer.text),
        "caption": f"From revision {newer.parent.number} to revision {newer.number}",
    }
    return render(request, "wiki/diff.html", context)


@login_required
def revert(request: HttpRequest, kind: str, slug: str, number: int) -> HttpResponse:
    """Shows what going back would change; a POST goes back."""
    found = _revision(kind, slug, number)
    problems: list[Problem] = []
    if request.method == "POST":
        try:
            actions.revert(found, request.user)
            return redirect(found.entry)
        except Invalid as error:
            problems = error.problems
    current = found.entry.current
    assert current is not None
    context = {
        "entry": found.entry,
        "revision": found,
        "problems": problems,
        "rows": differences(kind, current.text, found.text),
        "caption": f"From revision {current.number} (now) back to revision {found.number}",
    }
    return render(request, "wiki/revert.html", context, status=400 if problems else 200)


def _revision(kind: str, slug: str, number: int) -> Revision:
    revisions = Revision.objects.select_related("entry__current", "parent", "author")
    return get_object_or_404(revisions, entry__kind=kind, entry__slug=slug, number=number)
