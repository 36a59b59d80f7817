"""Behaviors: the list, and a behavior with its prompts and findings."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from wiki.models import Finding
from wiki.views.entries import counted, current, listed, prose_of
from workers.engine.metrics import METRICS
from workers.engine.prompts import GENERATORS, Source

LEAD = "A behavior is a task with its prompts, the metric that scores it, and the level above which a model shows it."
DRAWN = {
    "seeded": "fresh prompts for every draw, from a seed",
    "stated": "a fixed list",
    "enumerated": "all there are, once",
}


@dataclass(frozen=True)
class PromptsShown:
    name: str
    generator: str
    positions: list[str]
    corruptions: list[str]
    drawn: str
    source: str


def behaviors(request: HttpRequest) -> HttpResponse:
    return listed(request, counted("behavior", "findings_of_behavior"), "behaviors", LEAD)


def behavior(request: HttpRequest, slug: str) -> HttpResponse:
    entry, document = current("behavior", slug)
    context = {
        "entry": entry,
        "document": document,
        "prose": prose_of(entry, document),
        "unit": METRICS[document.metric].unit,
        "prompt_sets": [_prompts(name, source) for name, source in document.prompts.items()],
        "findings": Finding.objects.filter(behavior=entry).select_related("behavior", "model"),
    }
    return render(request, "wiki/behavior.html", context)


def _prompts(name: str, source: Source) -> PromptsShown:
    generator = GENERATORS[source.generator]
    names = generator.names(source)
    return PromptsShown(
        name=name,
        generator=source.generator,
        positions=sorted(names.positions),
        corruptions=sorted(names.corruptions),
        drawn=DRAWN[generator.draws(source)],
        source=json.dumps(source.values(), indent=2, ensure_ascii=False),
    )
