"""What goes from component to component: senders on the left, what they reach on the right, as thick as the effect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString

from wiki.pictures.svg import element, figure, picture, words

WIDTH = 420
BOX = (96, 24)
GAP = 8
TOP = 10
MOST = 14
THICKEST = 9.0


@dataclass(frozen=True)
class Arrow:
    sender: str
    receiver: str
    value: float
    claimed: bool = False


def arrows(found: Sequence[Arrow], null: float, unit: str) -> SafeString:
    """The strongest of them, those a claim names first."""
    ordered = sorted(found, key=lambda one: (not one.claimed, -abs(one.value - null)))
    shown = sorted(ordered[:MOST], key=lambda one: -abs(one.value - null))
    senders, receivers = _column(one.sender for one in shown), _column(one.receiver for one in shown)
    tallest = max(len(senders), len(receivers), 1)
    height = TOP + tallest * (BOX[1] + GAP) + 24
    most = max((abs(one.value - null) for one in shown), default=0.0) or 1.0
    left = {name: _middle(index, len(senders), tallest) for name, index in senders.items()}
    right = {name: _middle(index, len(receivers), tallest) for name, index in receivers.items()}
    drawn = [_arrow(one, left[one.sender], right[one.receiver], abs(one.value - null) / most, null) for one in shown]
    drawn += [_box(name, 4, y) for name, y in left.items()]
    drawn += [_box(name, WIDTH - 4 - BOX[0], y) for name, y in right.items()]
    left_out = f"; {len(found) - len(shown)} weaker ones left out" if len(found) > len(shown) else ""
    drawn.append(words(f"{unit}{left_out}", 4, height - 6, "tick"))
    told = ", ".join(f"{one.sender} to {one.receiver} {figure(one.value)}" for one in shown)
    title = f"{len(found)} paths, as thick as their effect"
    return picture(title, f"{told}. No effect would be {figure(null)}.", (WIDTH, height), drawn, class_="arrows")


def _column(names: Iterable[str]) -> dict[str, int]:
    """Each name's place from above."""
    return {name: index for index, name in enumerate(dict.fromkeys(names))}


def _middle(index: int, count: int, tallest: int) -> float:
    """A column's boxes are centered on the tallest column."""
    each = BOX[1] + GAP
    return TOP + (tallest - count) * each / 2 + index * each + BOX[1] / 2


def _box(name: str, x: float, y: float) -> str:
    box = element("rect", x=x, y=y - BOX[1] / 2, width=BOX[0], height=BOX[1], rx=5, class_="box")
    return element("g", box, words(name, x + BOX[0] / 2, y + 4, "node-name", "middle"), class_="node role-none")


def _arrow(one: Arrow, y1: float, y2: float, share: float, null: float) -> str:
    x1, x2 = 4 + BOX[0], WIDTH - 4 - BOX[0]
    kind = "up" if one.value >= null else "down"
    line = f"M{x1} {y1:.1f} C{x1 + 70} {y1:.1f} {x2 - 70} {y2:.1f} {x2} {y2:.1f}"
    label = words(figure(one.value), x1 + 6, y1 - 4, "tick")
    told = element("title", escape(f"{one.sender} to {one.receiver}: {figure(one.value)}"))
    path = element("path", d=line, class_=f"flow {kind}", stroke_width=max(1.0, THICKEST * share))
    return element("g", told, path, label)
