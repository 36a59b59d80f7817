"""The list of findings: search and filters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from wiki import search
from wiki.models import Entry, Finding
from wiki.models.finding import BadgeState

PAGE = 30
HEAD = re.compile(r"\s*(\d{1,4})\.(\d{1,4})\s*")


@dataclass(frozen=True)
class Asked:
    """What the address asks for; empty fields ask for nothing."""

    q: str
    behavior: str
    model: str
    role: str
    head: str
    badge: str

    @property
    def any(self) -> bool:
        return any(vars(self).values())


def findings(request: HttpRequest) -> HttpResponse:
    asked = _asked(request.GET)
    paginator = Paginator(_found(asked).select_related("behavior", "model").order_by("-updated_at", "slug"), PAGE)
    query = urlencode({name: value for name, value in vars(asked).items() if value})
    return render(
        request,
        "wiki/findings.html",
        {
            "asked": asked,
            "page": paginator.get_page(request.GET.get("page")),
            "query": f"{query}&" if query else "",
            "badges": BadgeState.choices,
            **{f"{kind}s": Entry.objects.filter(kind=kind).order_by("title") for kind in ("behavior", "model", "role")},
        },
    )


def _asked(query: QueryDict) -> Asked:
    return Asked(**{name: query.get(name, "").strip()[:200] for name in Asked.__dataclass_fields__})


def _found(asked: Asked) -> QuerySet[Finding]:
    found = search.findings(asked.q)
    if asked.behavior:
        found = found.filter(behavior__slug=asked.behavior)
    if asked.model:
        found = found.filter(model__slug=asked.model)
    if asked.badge:
        found = found.filter(badge=asked.badge)
    if asked.role:
        found = found.filter(nodes__role=asked.role).distinct()
    if asked.head:
        found = _with_head(found, asked.head)
    return found


def _with_head(found: QuerySet[Finding], head: str) -> QuerySet[Finding]:
    named = HEAD.fullmatch(head)
    if named is None:
        return found.none()
    return found.filter(nodes__layer=int(named[1]), nodes__head=int(named[2])).distinct()
