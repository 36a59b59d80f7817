"""Models: the list, the map of a model's heads, and all that is known of one head."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from wiki.exhibits.words import COVERAGE, ROLE_TESTED
from wiki.models import Entry, Finding, Node, Worker
from wiki.pictures.heads import Cell, heads_map
from wiki.pictures.roles import hues
from wiki.views.entries import counted, current, listed, prose_of
from workers.engine.documents.model import Hub, Local

LEAD = "A model is exact weights: a repository at one commit, or a checkpoint by the hash of its weights."

DECIDED = ("holds", "fails")


def models(request: HttpRequest) -> HttpResponse:
    return listed(request, counted("model", "findings_of_model"), "models", LEAD)


def model(request: HttpRequest, slug: str) -> HttpResponse:
    entry, document = current("model", slug)
    nodes = list(Node.objects.filter(finding__model=entry).select_related("finding"))
    cells = _cells(entry, nodes)
    hue = hues(role for cell in cells.values() for role in cell.roles)
    weights = _weights(document.weights)
    context = {
        "entry": entry,
        "document": document,
        "prose": prose_of(entry, document),
        "map": heads_map(document.dimensions.layers, document.dimensions.heads, cells),
        "legend": [{"slug": role, "hue": hue[role]} for role in hue],
        "others": [node for node in nodes if node.head is None],
        "weights": weights,
        "loadable": sum(worker.can_load(weights) for worker in Worker.objects.alive()),
        "findings": Finding.objects.filter(model=entry).select_related("behavior", "model"),
    }
    return render(request, "wiki/model.html", context)


def head(request: HttpRequest, slug: str, layer: int, head: int) -> HttpResponse:
    entry, document = current("model", slug)
    if layer >= document.dimensions.layers or head >= document.dimensions.heads:
        raise Http404("the model has no such head")
    found = Node.objects.filter(finding__model=entry, layer=layer, head=head)
    nodes = list(found.select_related("finding__behavior", "finding__model"))
    return render(request, "wiki/head.html", {"entry": entry, "name": f"{layer}.{head}", "nodes": with_words(nodes)})


def with_words(nodes: Iterable[Node]) -> list[dict[str, object]]:
    """Nodes as the tables of heads show them."""
    return [
        {
            "component": node.component,
            "role": node.role,
            "finding": node.finding,
            "coverage_words": COVERAGE[node.coverage],
            "tested": node.role_tested,
            "tested_words": ROLE_TESTED[node.role_tested],
        }
        for node in nodes
    ]


def _cells(entry: Entry, nodes: Iterable[Node]) -> dict[tuple[int, int], Cell]:
    of_head: dict[tuple[int, int], list[Node]] = defaultdict(list)
    for node in nodes:
        if node.layer is not None and node.head is not None:
            of_head[node.layer, node.head].append(node)
    return {place: _cell(entry, *place, found) for place, found in sorted(of_head.items())}


def _cell(entry: Entry, layer: int, head: int, nodes: list[Node]) -> Cell:
    roles = Counter(node.role for node in nodes if node.role)
    return Cell(
        roles=tuple(role for role, _ in roles.most_common()),
        covered=any(node.coverage == "covered" for node in nodes),
        findings=len({node.finding_id for node in nodes}),
        tested=tuple(dict.fromkeys((node.role, node.role_tested) for node in nodes if node.role_tested in DECIDED)),
        link=reverse("head", args=[entry.slug, layer, head]),
    )


def _weights(weights: Hub | Local) -> str:
    return f"{weights.repository}@{weights.commit}" if isinstance(weights, Hub) else weights.weights_sha256
