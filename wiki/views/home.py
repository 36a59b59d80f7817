"""The home page: search, newest verdicts, and the grid of behaviors by models in small."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from wiki.models import Entry, Finding

NEWEST = 6
LARGEST_GRID = (12, 8)

STATES = (
    ("verified", "every claim that can be run holds, and every component is covered"),
    ("partly_verified", "something causal holds, but not all of it; the badge says what"),
    ("refuted", "an essential claim fails, or nothing causal holds"),
    ("undecided", "the runs do not settle it; the badge says why"),
    ("checking", "a worker has still to give a first verdict"),
    ("proposed", "nothing has been run"),
)


@dataclass(frozen=True)
class GridRow:
    """cells: for each model of the grid, the findings of this behavior in it."""

    behavior: Entry
    cells: list[list[Finding]]


@dataclass(frozen=True)
class Grid:
    models: list[Entry]
    rows: list[GridRow]


def home(request: HttpRequest) -> HttpResponse:
    findings = Finding.objects.select_related("behavior", "model")
    newest = findings.exclude(badge="proposed")[:NEWEST] or findings[:NEWEST]
    return render(
        request,
        "wiki/home.html",
        {"newest": newest, "total": findings.count(), "grid": _grid(), "states": STATES},
    )


def _grid() -> Grid:
    """The cells with findings, for the behaviors and models that have most of them."""
    found: dict[Entry, dict[Entry, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    counts: dict[Entry, int] = defaultdict(int)
    for finding in Finding.objects.select_related("behavior", "model").defer("html", "badge_detail"):
        found[finding.behavior][finding.model].append(finding)
        counts[finding.behavior] += 1
        counts[finding.model] += 1
    tall, wide = LARGEST_GRID
    models = sorted({model for row in found.values() for model in row}, key=lambda one: (-counts[one], one.slug))[:wide]
    behaviors = sorted(found, key=lambda one: (-counts[one], one.slug))[:tall]
    return Grid(models, [GridRow(one, [found[one].get(model, []) for model in models]) for one in behaviors])
