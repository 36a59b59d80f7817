"""A finding's circuit: the diagram, and each component with its role and what covers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.safestring import SafeString

from wiki.exhibits.words import COVERAGE, ROLE_TESTED
from wiki.models import Edge, Finding, Node
from wiki.pictures.circuit import EdgeDrawn, NodeDrawn, circuit_diagram
from wiki.pictures.roles import NO_ROLE, hues, spoken

LARGEST_DRAWN = 120
MLP_KINDS = ("mlp", "neuron")


@dataclass(frozen=True)
class NodeShown:
    """claims: ids of the claims that cover it. tested: what its role's own test says of it; empty without a role."""

    row: Node
    words: str
    tested: str
    tested_words: str
    hue: str
    link: str
    claims: tuple[str, ...]


def nodes_shown(finding: Finding, nodes: Sequence[Node], covering: Mapping[str, tuple[str, ...]]) -> list[NodeShown]:
    """covering: the ids of the claims that cover each component."""
    hue = hues(node.role for node in _in_order(nodes))
    return [
        NodeShown(
            row=node,
            words=COVERAGE[node.coverage],
            tested=node.role_tested,
            tested_words=ROLE_TESTED[node.role_tested],
            hue=hue.get(node.role, NO_ROLE),
            link=head_link(finding.model.slug, node),
            claims=covering.get(node.component, ()),
        )
        for node in _in_order(nodes)
    ]


def diagram(finding: Finding, nodes: Sequence[Node], edges: Sequence[Edge]) -> SafeString | None:
    """None for a circuit without components, or with more than a picture can show."""
    if not 0 < len(nodes) <= LARGEST_DRAWN:
        return None
    drawn = [_drawn(finding, node) for node in _in_order(nodes)]
    arrows = [EdgeDrawn(_named(edge.sender), _named(edge.receiver), edge.coverage == "covered") for edge in edges]
    return circuit_diagram(drawn, _with_ends(arrows, drawn))


def head_link(model: str, node: Node) -> str:
    """The page of the head, for components that are one."""
    return "" if node.layer is None or node.head is None else reverse("head", args=[model, node.layer, node.head])


def _drawn(finding: Finding, node: Node) -> NodeDrawn:
    role = f", {spoken(node.role)} ({ROLE_TESTED[node.role_tested]})" if node.role else ""
    return NodeDrawn(
        name=node.component,
        column=_column(node),
        heading=_heading(node),
        role=node.role,
        coverage=node.coverage or "not_covered",
        told=f"{node.component}{role}; covered by: {COVERAGE[node.coverage]}",
        link=head_link(finding.model.slug, node),
    )


def _heading(node: Node) -> str:
    if node.layer is None:
        return ""
    return f"layer {node.layer}, MLP" if node.kind in MLP_KINDS else f"layer {node.layer}"


def _column(node: Node) -> float:
    """Within a layer attention comes first, then the MLP; the embedding before all, the logits after."""
    if node.layer is None:
        return -1.0 if node.kind == "embed" else 1e9
    return node.layer + (0.5 if node.kind in MLP_KINDS else 0.0)


def _in_order(nodes: Sequence[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: (_column(node), node.head or 0, node.component))


def _named(component: str) -> str:
    """An edge's end as the node it belongs to: the query of 9.9 belongs to 9.9."""
    head, *part = component.split("@")[0].rsplit(".", 1)
    return head if part and part[0] in ("q", "k", "v") else component


def _with_ends(arrows: Sequence[EdgeDrawn], nodes: Sequence[NodeDrawn]) -> list[EdgeDrawn]:
    """Edges between components that are drawn, whatever position they are stated at."""
    names = {node.name.split("@")[0]: node.name for node in nodes} | {node.name: node.name for node in nodes}
    known = [arrow for arrow in arrows if arrow.sender in names and arrow.receiver in names]
    return [EdgeDrawn(names[arrow.sender], names[arrow.receiver], arrow.covered) for arrow in known]
