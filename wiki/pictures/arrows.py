"""What goes from component to component: senders on the left, what they reach on the right, as thick as the effect."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from django.utils.safestring import SafeString

from wiki.pictures.interval import Row
from wiki.pictures.svg import element, figure, picture, short, words

WIDTH, TOP, BOTTOM = 420, 10, 14
VALUE = 74
SENDER, RECEIVER = 100, 108
HEIGHT, GAP, LINE = 24, 8, 16
MOST = 14
MOST_LINES = 8
LONGEST_LABEL = 14
THICKEST = 9.0


def arrows(senders: Sequence[Row], receivers: Sequence[str], null: float, unit: str) -> SafeString:
    """The strongest senders, those a claim names first. What they reach is one box: they were measured on all of it."""
    known = [row for row in senders if row.measured is not None]
    kept = sorted(known, key=lambda row: (not row.claimed, -_away(row, null)))[:MOST]
    shown = sorted(kept, key=lambda row: -_away(row, null))
    most = max((_away(row, null) for row in shown), default=0.0) or 1.0
    lines = _lines(receivers)
    tall = max(len(shown) * (HEIGHT + GAP), len(lines) * LINE + 20)
    first = TOP + (tall - len(shown) * (HEIGHT + GAP)) / 2
    ends = [(first + index * (HEIGHT + GAP) + HEIGHT / 2, TOP + tall / 2) for index in range(len(shown))]
    drawn = [_arrow(row, *end, _away(row, null) / most, null) for row, end in zip(shown, ends, strict=True)]
    drawn += [part for row, (y, _) in zip(shown, ends, strict=True) for part in _sender(row, y)]
    drawn.append(_receiver(lines, TOP + tall / 2))
    left_out = len(known) - len(shown)
    below = [unit, *([f"{left_out} weaker ones left out"] if left_out else [])]
    drawn += [words(line, 4, TOP + tall + BOTTOM * (index + 1), "tick") for index, line in enumerate(below)]
    reached = ", ".join(receivers)
    told = ", ".join(f"{row.label} {figure(row.measured)}" for row in shown if row.measured is not None)
    title = f"{len(known)} paths to {reached}, as thick as their effect"
    size = (WIDTH, TOP + tall + BOTTOM * len(below) + 8)
    return picture(title, f"{told}. No effect would be {figure(null)}.", size, drawn, class_="arrows")


def _away(row: Row, null: float) -> float:
    return abs((row.measured or 0.0) - null)


def _lines(names: Sequence[str]) -> list[str]:
    """As many names in a line as fit the box."""
    lines: list[str] = []
    for name in names:
        joined = f"{lines[-1]}, {name}" if lines else name
        if lines and len(joined) <= LONGEST_LABEL:
            lines[-1] = joined
        else:
            lines.append(short(name, LONGEST_LABEL))
    if len(lines) > MOST_LINES:
        lines[MOST_LINES - 1 :] = ["and others"]
    return lines


def _sender(row: Row, y: float) -> list[str]:
    assert row.measured is not None
    x = 4 + VALUE
    box = element("rect", x=x, y=y - HEIGHT / 2, width=SENDER, height=HEIGHT, rx=5, class_="box")
    name = words(short(row.label, LONGEST_LABEL), x + SENDER / 2, y + 4, "node-name", "middle")
    class_ = "node role-none claimed" if row.claimed else "node role-none"
    return [
        words(figure(row.measured), VALUE - 4, y + 4, "row-value", "end"),
        element("g", element("title", escape(row.label)), box, name, class_=class_),
    ]


def _receiver(lines: Sequence[str], y: float) -> str:
    height = len(lines) * LINE + 10
    x = WIDTH - 4 - RECEIVER
    box = element("rect", x=x, y=y - height / 2, width=RECEIVER, height=height, rx=5, class_="box")
    first = y - (len(lines) - 1) * LINE / 2 + 4
    named = [
        words(line, x + RECEIVER / 2, first + index * LINE, "node-name", "middle") for index, line in enumerate(lines)
    ]
    return element("g", box, *named, class_="node role-none")


def _arrow(row: Row, y1: float, y2: float, share: float, null: float) -> str:
    assert row.measured is not None
    x1, x2 = 4 + VALUE + SENDER, WIDTH - 4 - RECEIVER
    kind = "up" if row.measured >= null else "down"
    line = f"M{x1} {y1:.1f} C{x1 + 60} {y1:.1f} {x2 - 60} {y2:.1f} {x2} {y2:.1f}"
    told = element("title", escape(f"{row.label}: {figure(row.measured)}"))
    path = element("path", d=line, class_=f"flow {kind}", stroke_width=max(1.0, THICKEST * share))
    return element("g", told, path)
