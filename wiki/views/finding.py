"""A finding's page, the part of it that keeps itself up to date, and the finding as JSON."""

from __future__ import annotations

import shlex
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.safestring import mark_safe

from wiki.diffs import readable
from wiki.exhibits.finding import FindingShown, finding_shown
from wiki.models import Finding


def finding(request: HttpRequest, slug: str) -> HttpResponse:
    shown = finding_shown(_finding(slug))
    document, found = shown.document, shown.row
    context = _context(shown) | {
        "withdrawals": found.entry.withdrawals.all(),
        "prose": mark_safe(found.html),  # sanitised when it was saved
        "references": document.references,
        "revision": found.entry.current,
        "environment": shown.environment,
        "repeat": repeat_command(request, found),
        "embed": embed_code(request, found),
    }
    return render(request, "wiki/finding.html", context)


def live(request: HttpRequest, slug: str) -> HttpResponse:
    """The verdict; with it the evidence, if more claims have a verdict than the page knows of (`judged=`)."""
    shown = finding_shown(_finding(slug))
    response = render(request, "wiki/_verdict.html", _context(shown))
    if request.GET.get("judged") != str(shown.judged) or not shown.checking:
        evidence = render(request, "wiki/_evidence.html", _context(shown) | {"swapped": True})
        response.write(evidence.content)
    response["Cache-Control"] = "no-store"
    return response


def download(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Finding.objects.select_related("entry__current__entry"), slug=slug)
    assert found.entry.current is not None
    text = readable(found.entry.kind, found.entry.current.text) + "\n"
    headers = {"Content-Disposition": f'attachment; filename="{found.slug}.json"'}
    return HttpResponse(text, content_type="application/json", headers=headers)


def repeat_command(request: HttpRequest, found: Finding) -> str:
    bundle = request.build_absolute_uri(reverse("api-finding-bundle", args=[found.slug]))
    return f"curl -s {shlex.quote(bundle)} > f.json && python -m workers.engine verify f.json --models fixtures"


def embed_code(request: HttpRequest, found: Finding) -> str:
    badge = request.build_absolute_uri(reverse("badge", args=[found.slug]))
    page = request.build_absolute_uri(found.get_absolute_url())
    return f"[![Interpedia]({badge})]({page})"


def _finding(slug: str) -> Finding:
    return get_object_or_404(Finding.objects.with_everything(), slug=slug)


def _context(shown: FindingShown) -> dict[str, Any]:
    return {
        "finding": shown.row,
        "checking": shown.checking,
        "judged": shown.judged,
        "runnable": shown.runnable,
        "running": shown.running,
        "notes": shown.notes,
        "nodes": shown.nodes,
        "any_note": any(node.row.note for node in shown.nodes),
        "diagram": shown.diagram,
        "claims": shown.claims,
    }
