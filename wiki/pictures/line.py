"""A number followed along the layers, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString

from wiki.pictures.interval import Expected, Row
from wiki.pictures.svg import Scale, element, figure, picture, scale_over, tick_label, words

WIDTH, HEIGHT = 420, 186
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 24, 50
MOST_LABELS = 14
MANY = 16


@dataclass(frozen=True)
class Ticks:
    """What the rows are told apart by, in words, and each row's own."""

    title: str
    names: Sequence[str]


def along(rows: Sequence[Row], ticks: Ticks, expected: Expected, null: float | None, unit: str) -> SafeString:
    """Rows from left to right, as they are given. A row without a number breaks the line."""
    scale = scale_over([*_numbers(rows), *([] if null is None else [null])], HEIGHT - BOTTOM, TOP)
    step = (WIDTH - LEFT - RIGHT) / max(len(rows) - 1, 1)
    places = [LEFT + step * index for index in range(len(rows))]
    size = 4.0 if len(rows) <= MANY else 2.5
    drawn = [
        *_axes(scale, ticks, places, unit),
        *_null(scale, null),
        *_band(rows, places, scale),
        *_line(rows, places, scale),
        *[_point(row, x, scale, size) for row, x in zip(rows, places, strict=True) if row.measured is not None],
    ]
    told = ", ".join(f"{row.label} {_measured(row)}" for row in rows)
    title = f"{ticks.title}: {len(rows)} numbers along the layers"
    return picture(title, f"{told}. Expected: {expected.words}.", (WIDTH, HEIGHT), drawn, class_="line")


def _numbers(rows: Sequence[Row]) -> list[float]:
    return [row.measured for row in rows if row.measured is not None] + [
        end for row in rows for end in row.interval or ()
    ]


def _axes(scale: Scale, ticks: Ticks, places: Sequence[float], unit: str) -> list[str]:
    values, step = scale.ticks()
    drawn = [words(unit, 4, 12, "unit"), words(ticks.title, WIDTH - RIGHT, HEIGHT - BOTTOM + 36, "unit", "end")]
    for value in values:
        y = scale(value)
        drawn += [
            element("line", x1=LEFT - 6, x2=WIDTH - RIGHT + 6, y1=y, y2=y, class_="rule"),
            words(tick_label(value, step), LEFT - 10, y + 4, "tick", "end"),
        ]
    every = -(-len(places) // MOST_LABELS)
    shown = list(zip(ticks.names, places, strict=True))[::every]
    return [*drawn, *[words(name, x, HEIGHT - BOTTOM + 18, "tick", "middle") for name, x in shown]]


def _null(scale: Scale, null: float | None) -> list[str]:
    if null is None:
        return []
    y = scale(null)
    return [element("line", x1=LEFT - 6, x2=WIDTH - RIGHT + 6, y1=y, y2=y, class_="null-line")]


def _band(rows: Sequence[Row], places: Sequence[float], scale: Scale) -> list[str]:
    known = [(x, row.interval) for row, x in zip(rows, places, strict=True) if row.interval is not None]
    if len(known) < 2:
        return []
    there = [f"{x:.1f} {scale(ends[1]):.1f}" for x, ends in known]
    back = [f"{x:.1f} {scale(ends[0]):.1f}" for x, ends in reversed(known)]
    return [element("path", d=f"M{' L'.join([*there, *back])} Z", class_="line-band")]


def _line(rows: Sequence[Row], places: Sequence[float], scale: Scale) -> list[str]:
    drawn, pen = "", "M"
    for row, x in zip(rows, places, strict=True):
        if row.measured is None:
            pen = "M"
            continue
        drawn += f"{pen}{x:.1f} {scale(row.measured):.1f} "
        pen = "L"
    return [element("path", d=drawn.strip(), class_="line-path")] if drawn else []


def _point(row: Row, x: float, scale: Scale, size: float) -> str:
    """Filled, and larger, where the expectation names it."""
    assert row.measured is not None
    told = element("title", escape(f"{row.label}: {_measured(row)}"))
    class_, radius = (f"point {row.outcome}", max(size, 3.5)) if row.claimed else ("point other", size)
    return element("circle", told, cx=x, cy=scale(row.measured), r=radius, class_=class_)


def _measured(row: Row) -> str:
    return "not measured" if row.measured is None else figure(row.measured)
