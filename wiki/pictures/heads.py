"""Layers by heads: every role that anyone found in a model, one cell for each head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString

from wiki.pictures.roles import NO_ROLE, hues, initials, spoken
from wiki.pictures.svg import element, picture, words

CELL = 34
SMALL_CELL = 22
LEFT = 62
TOP = 34
MANY_HEADS = 16


@dataclass(frozen=True)
class Cell:
    """What is known of one head: its roles, most often found first, and whether a holding claim covers any.

    tested: roles whose own test was decided, and how: ("induction", "holds").
    """

    roles: tuple[str, ...]
    covered: bool
    findings: int
    link: str
    tested: tuple[tuple[str, str], ...] = ()


Known = Mapping[tuple[int, int], Cell]


def heads_map(layers: int, heads: int, known: Known) -> SafeString:
    """Layer 0 at the top. A cell without findings is empty: nobody has looked, which is not "no role"."""
    size = SMALL_CELL if heads > MANY_HEADS else CELL
    hue = hues(role for cell in known.values() for role in cell.roles)
    drawn = [*_labels(layers, heads, size)]
    for layer in range(layers):
        for head in range(heads):
            corner = (LEFT + head * size, TOP + layer * size)
            cell = known.get((layer, head))
            drawn.append(_found(f"{layer}.{head}", cell, corner, size, hue) if cell else _empty(corner, size))
    title = f"{layers} layers of {heads} heads; something was found about {len(known)} of {layers * heads}"
    told = "; ".join(_told(f"{layer}.{head}", cell) for (layer, head), cell in sorted(known.items()))
    return picture(title, told, (LEFT + heads * size + 8, TOP + layers * size + 8), drawn, class_="heads", role="group")


def _labels(layers: int, heads: int, size: int) -> list[str]:
    columns = [words(str(head), LEFT + head * size + size / 2, TOP - 8, "tick", "middle") for head in range(heads)]
    rows = [words(str(layer), LEFT - 8, TOP + layer * size + size / 2 + 4, "tick", "end") for layer in range(layers)]
    return [words("head", LEFT, 12, "unit"), words("layer", 6, TOP + size / 2 + 4, "unit"), *columns, *rows]


def _empty(corner: tuple[float, float], size: int) -> str:
    return element(
        "rect", x=corner[0] + 1.5, y=corner[1] + 1.5, width=size - 3, height=size - 3, rx=3, class_="cell none"
    )


def _found(name: str, cell: Cell, corner: tuple[float, float], size: int, hue: Mapping[str, str]) -> str:
    x, y = corner
    role = cell.roles[0] if cell.roles else ""
    class_ = f"cell {hue.get(role, NO_ROLE)} {'covered' if cell.covered else 'stated'}"
    letters = initials(role) if role else "·"
    several = [element("circle", cx=x + size - 6, cy=y + 6, r=2.2, class_="several")] if len(cell.roles) > 1 else []
    return element(
        "a",
        element("title", escape(_told(name, cell))),
        element("rect", x=x + 1.5, y=y + 1.5, width=size - 3, height=size - 3, rx=3),
        words(letters, x + size / 2, y + size / 2 + 4, "initials", "middle"),
        *several,
        href=cell.link,
        class_=class_,
        aria_label=_told(name, cell),
    )


def _told(name: str, cell: Cell) -> str:
    roles = ", ".join(spoken(role) for role in cell.roles) or "no role stated"
    covered = "covered by a claim that holds" if cell.covered else "stated, not covered"
    tested = "".join(f"; tested as {spoken(role)}: {outcome}" for role, outcome in cell.tested)
    return f"{name}: {roles}; {cell.findings} finding{'s' if cell.findings != 1 else ''}; {covered}{tested}"
