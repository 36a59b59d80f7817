"""What the pages of behaviors, models and roles share: an entry with its document, and the lists of entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString, mark_safe

from wiki.models import Entry
from wiki.rendering import rendered

KEPT_FOR = 7 * 24 * 3600  # seconds


def current(kind: str, slug: str) -> tuple[Entry, Any]:
    """The entry and its current document; Http404 if there is none."""
    entry = get_object_or_404(Entry.objects.of_kind(kind), slug=slug, current__isnull=False)
    assert entry.current is not None
    return entry, entry.current.document


def prose_of(entry: Entry, document: Any) -> SafeString:
    """The document's body as safe HTML. A revision never changes, so it is rendered once."""
    assert entry.current is not None
    key = f"prose-{entry.current.sha256}"
    html: str | None = cache.get(key)
    if html is None:
        html = rendered(document.body)
        cache.set(key, html, KEPT_FOR)
    return mark_safe(html)  # sanitised by the renderer


@dataclass(frozen=True)
class EntryRow:
    """An entry in a list. findings: how many name it."""

    entry: Entry
    findings: int


def listed(request: HttpRequest, rows: list[EntryRow], plural: str, lead: str) -> HttpResponse:
    return render(request, "wiki/entries.html", {"rows": rows, "plural": plural, "lead": lead})


def counted(kind: str, counted_by: str) -> list[EntryRow]:
    """Entries of a kind, by title, each with how many findings it has."""
    entries = Entry.objects.filter(kind=kind).annotate(findings=Count(counted_by)).order_by("title")
    return [EntryRow(entry, entry.findings) for entry in entries]
