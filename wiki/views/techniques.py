"""Techniques: the list, and a technique with what it tests, its pitfalls, and the claims that were made with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe

from wiki.models import Claim
from wiki.rendering import rendered
from workers.engine.techniques import TECHNIQUES, Technique

PAGES: Path = settings.BASE_DIR / "docs" / "techniques"
REGISTRY = Technique.__module__
MOST_CLAIMS = 50


@dataclass(frozen=True)
class Counted:
    """A technique in the list. lead: the first sentence of its page."""

    key: str
    technique: Technique
    lead: str
    claims: int
    holding: int


def techniques(request: HttpRequest) -> HttpResponse:
    counts = Claim.objects.exclude(technique="").values("technique")
    rows = counts.annotate(claims=Count("pk"), holding=Count("pk", filter=Q(outcome="holds"))).order_by("technique")
    counted = {row["technique"]: (row["claims"], row["holding"]) for row in rows}
    shown = [Counted(key, technique, lead_of(key), *counted.get(key, (0, 0))) for key, technique in TECHNIQUES.items()]
    intervening = [one for one in shown if one.technique.causal]
    reading = [one for one in shown if not one.technique.causal]
    return render(request, "wiki/techniques.html", {"intervening": intervening, "reading": reading})


def technique(request: HttpRequest, key: str) -> HttpResponse:
    """In an address a technique's key is written with hyphens."""
    name = key.replace("-", "_")
    if "_" in key or name not in TECHNIQUES:
        raise Http404(f"no technique {key}; known: {', '.join(TECHNIQUES)}")
    claims = Claim.objects.filter(technique=name).select_related("finding").order_by("finding__title", "slug")
    context = {
        "key": name,
        "technique": TECHNIQUES[name],
        "page": page_of(name),
        "claims": claims[:MOST_CLAIMS],
        "count": claims.count(),
    }
    return render(request, "wiki/technique.html", context)


@cache
def page_of(key: str) -> SafeString:
    """The technique's page without its title, as safe HTML; it changes only with the code."""
    _, _, body = (PAGES / f"{key}.md").read_text(encoding="utf-8").partition("\n")
    return mark_safe(rendered(body))  # sanitised by the renderer


@cache
def lead_of(key: str) -> str:
    """The first sentence, or question, of the technique's docstring, which begins with its name."""
    text = " ".join((import_module(f"{REGISTRY}.{key}").__doc__ or "").split())
    _, _, said = text.partition(": ")
    first = re.split(r"(?<=[.?]) ", said)[0].replace("`", "")
    return f"{first[:1].upper()}{first[1:]}"
