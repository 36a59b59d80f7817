"""A circuit, layers from left to right. The hue says the role, the outline says what a holding claim covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString

from wiki.pictures.roles import NO_ROLE, hues, spoken
from wiki.pictures.svg import element, picture, words

NODE = (104, 40)
GAP = (44, 14)
MARGIN = 14
HEADER = 26
TALLEST = 9  # nodes above one another before a layer takes a second column
LONGEST_WORD = 16

COVERED = "covered"


@dataclass(frozen=True)
class NodeDrawn:
    """column: where it stands from left to right (layer, with the embedding first and the logits last).

    coverage: as the badge says it: covered, in_covered_group_not_shown or not_covered. told: all of it in words.
    """

    name: str
    column: float
    heading: str
    role: str
    coverage: str
    told: str
    link: str = ""


@dataclass(frozen=True)
class EdgeDrawn:
    sender: str
    receiver: str
    covered: bool


Places = dict[str, tuple[float, float]]


def circuit_diagram(nodes: Sequence[NodeDrawn], edges: Sequence[EdgeDrawn]) -> SafeString:
    columns = _columns(nodes)
    places = _places(columns)
    hue = hues(node.role for node in nodes)
    width = MARGIN * 2 + len(columns) * NODE[0] + (len(columns) - 1) * GAP[0]
    height = HEADER + MARGIN + max(len(column) for column in columns) * (NODE[1] + GAP[1])
    drawn = [
        *_headings(columns),
        *[_edge(edge, places) for edge in edges if edge.sender in places and edge.receiver in places],
        *[_node(node, places[node.name], hue.get(node.role, NO_ROLE)) for node in _first_of_each(nodes)],
    ]
    description = "; ".join(node.told for node in nodes)
    return picture(
        f"Circuit of {len(places)} components", description, (width, height), drawn, class_="circuit", role="group"
    )


def _first_of_each(nodes: Sequence[NodeDrawn]) -> list[NodeDrawn]:
    """A component with two roles is drawn once."""
    return list({node.name: node for node in reversed(nodes)}.values())[::-1]


def _columns(nodes: Sequence[NodeDrawn]) -> list[list[NodeDrawn]]:
    by_column: dict[float, list[NodeDrawn]] = {}
    for node in sorted(_first_of_each(nodes), key=lambda node: node.column):
        by_column.setdefault(node.column, []).append(node)
    return [
        column[start : start + TALLEST] for column in by_column.values() for start in range(0, len(column), TALLEST)
    ]


def _places(columns: list[list[NodeDrawn]]) -> Places:
    """Upper left corners; every column centered on the tallest."""
    tallest = max(len(column) for column in columns)
    places: Places = {}
    for x_index, column in enumerate(columns):
        offset = (tallest - len(column)) * (NODE[1] + GAP[1]) / 2
        for y_index, node in enumerate(column):
            x = MARGIN + x_index * (NODE[0] + GAP[0])
            places[node.name] = (x, HEADER + 6 + offset + y_index * (NODE[1] + GAP[1]))
    return places


def _headings(columns: list[list[NodeDrawn]]) -> list[str]:
    return [
        words(column[0].heading, MARGIN + index * (NODE[0] + GAP[0]) + NODE[0] / 2, 16, "layer-label", "middle")
        for index, column in enumerate(columns)
    ]


def _edge(edge: EdgeDrawn, places: Places) -> str:
    (left, upper), (right, lower) = places[edge.sender], places[edge.receiver]
    x1, y1, x2, y2 = left + NODE[0], upper + NODE[1] / 2, right - 3, lower + NODE[1] / 2
    bend = max(24.0, (x2 - x1) / 2)
    line = f"M{x1:.1f} {y1:.1f} C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    tip = f"M{x2 - 6:.1f} {y2 - 4:.1f} L{x2 + 1:.1f} {y2:.1f} L{x2 - 6:.1f} {y2 + 4:.1f}"
    told = f"{edge.sender} to {edge.receiver}: {'covered' if edge.covered else 'not checked'}"
    return element(
        "g",
        element("title", escape(told)),
        element("path", d=line),
        element("path", d=tip, class_="tip"),
        class_="edge covered" if edge.covered else "edge unchecked",
    )


def _node(node: NodeDrawn, place: tuple[float, float], hue: str) -> str:
    x, y = place
    width, height = NODE
    box = element("rect", x=x, y=y, width=width, height=height, rx=7, class_="box")
    double = element("rect", x=x + 3, y=y + 3, width=width - 6, height=height - 6, rx=5, class_="inner")
    role = spoken(node.role)
    short = role if len(role) <= LONGEST_WORD else role[: LONGEST_WORD - 1] + "…"
    drawn = [
        element("title", escape(node.told)),
        box,
        *([double] if node.coverage == COVERED else []),
        words(node.name, x + width / 2, y + (18 if role else 25), "node-name", "middle"),
        *([words(short, x + width / 2, y + 31, "node-role", "middle")] if role else []),
    ]
    class_ = f"node {hue} {node.coverage.replace('_', '-')}"
    return element("a", *drawn, href=node.link, class_=class_) if node.link else element("g", *drawn, class_=class_)
