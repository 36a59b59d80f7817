"""Roles: the list, and a role with its operational test and the heads that findings give it to."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from wiki.exhibits.role import parts_of
from wiki.models import Entry, Node
from wiki.views.entries import EntryRow, current, listed, prose_of
from wiki.views.models import with_words

LEAD = (
    "A role belongs to a head for a behavior in a model, never to a head alone. Each role has a test that decides it."
)


def roles(request: HttpRequest) -> HttpResponse:
    named = Node.objects.exclude(role="").values("role").annotate(count=Count("finding", distinct=True))
    counts = {row["role"]: row["count"] for row in named.order_by("role")}
    entries = Entry.objects.filter(kind="role").order_by("title")
    return listed(request, [EntryRow(entry, counts.get(entry.slug, 0)) for entry in entries], "roles", LEAD)


def role(request: HttpRequest, slug: str) -> HttpResponse:
    entry, document = current("role", slug)
    found = Node.objects.filter(role=slug).select_related("finding__behavior", "finding__model")
    context = {
        "entry": entry,
        "document": document,
        "prose": prose_of(entry, document),
        "parts": list(parts_of(document)),
        "nodes": with_words(found.order_by("finding__model__title", "layer", "head")),
    }
    return render(request, "wiki/role.html", context)
