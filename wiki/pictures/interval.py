"""Expected beside measured: the expected range as a band, each measured value as a dot with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from wiki.pictures.svg import Scale, axis, element, figure, picture, scale_over, short, words

WIDTH = 420
LABEL = 110
VALUE = 78
ROW = 24
TOP = 22
MOST_ROWS = 30
LONGEST_LABEL = 14


@dataclass(frozen=True)
class Row:
    """A measured value, or None where nothing could be measured.

    outcome: holds, fails, undecided or errored; claimed: among the components a claim names.
    """

    label: str
    measured: float | None
    interval: tuple[float, float] | None
    outcome: str
    claimed: bool = True


@dataclass(frozen=True)
class Expected:
    """The range that meets the expectation (an open end is infinite), in words and as numbers."""

    words: str
    low: float = -math.inf
    high: float = math.inf

    @property
    def is_range(self) -> bool:
        return math.isfinite(self.low) or math.isfinite(self.high)


def interval_bar(rows: Sequence[Row], expected: Expected, null: float | None, unit: str) -> SafeString:
    """null: the value that would mean "nothing happened", drawn as a dashed line."""
    shown = rows[:MOST_ROWS]
    bottom = TOP + ROW * len(shown) + 4
    scale = scale_over(_values(shown, expected, null), LABEL, WIDTH - VALUE)
    drawn = [
        *_band(scale, expected, bottom),
        *_null(scale, null, bottom),
        *[part for index, row in enumerate(shown) for part in _row(scale, row, TOP + ROW * index + ROW / 2)],
        *axis(scale, bottom, unit),
    ]
    title = f"Expected {expected.words}; measured " + ", ".join(_measured(row) for row in shown)
    return picture(
        title, _description(rows, expected, null), (WIDTH, bottom + (34 if unit else 20)), drawn, class_="interval"
    )


def _values(rows: Sequence[Row], expected: Expected, null: float | None) -> list[float]:
    measured = [row.measured for row in rows if row.measured is not None]
    ends = [end for row in rows for end in row.interval or ()]
    return [*measured, *ends, expected.low, expected.high, *([] if null is None else [null])]


def _band(scale: Scale, expected: Expected, bottom: float) -> list[str]:
    if not expected.is_range:
        return []
    left = scale(expected.low) if math.isfinite(expected.low) else scale.left
    right = scale(expected.high) if math.isfinite(expected.high) else scale.right
    edges = [x for x, end in ((left, expected.low), (right, expected.high)) if math.isfinite(end)]
    middle = min(max((left + right) / 2, scale.left + 30), scale.right - 30)
    return [
        element("rect", x=left, y=TOP - 4, width=max(right - left, 1.5), height=bottom - TOP + 4, class_="band"),
        *[element("line", x1=x, x2=x, y1=TOP - 4, y2=bottom, class_="band-edge") for x in edges],
        words("expected", middle, 12, "band-label", "middle"),
    ]


def _null(scale: Scale, null: float | None, bottom: float) -> list[str]:
    if null is None:
        return []
    return [element("line", x1=scale(null), x2=scale(null), y1=TOP - 4, y2=bottom, class_="null-line")]


def _row(scale: Scale, row: Row, y: float) -> list[str]:
    label = words(short(row.label, LONGEST_LABEL), LABEL - 10, y + 4, "row-label", "end")
    value = words(_measured(row), WIDTH - 4, y + 4, "row-value", "end")
    point = [] if row.measured is None else [_point(scale(row.measured), y, row)]
    return [label, *_whisker(scale, row, y), *point, value]


def _measured(row: Row) -> str:
    return "not measured" if row.measured is None else figure(row.measured)


def _whisker(scale: Scale, row: Row, y: float) -> list[str]:
    if row.interval is None:
        return []
    low, high = (scale(end) for end in row.interval)
    ends = "".join(f"M{x:.2f} {y - 4} V{y + 4}" for x in (low, high))
    return [element("path", d=f"M{low:.2f} {y} H{high:.2f} {ends}", class_="whisker")]


def _point(x: float, y: float, row: Row) -> str:
    """A disc where it holds, a square where it fails, a diamond otherwise; hollow if the claim does not name it."""
    kind = f"point {row.outcome}" if row.claimed else "point other"
    match row.outcome:
        case "fails":
            return element("rect", x=x - 4.5, y=y - 4.5, width=9, height=9, class_=kind)
        case "undecided" | "errored":
            return element("path", d=f"M{x:.2f} {y - 6} l6 6 l-6 6 l-6 -6 Z", class_=kind)
        case _:
            return element("circle", cx=x, cy=y, r=5, class_=kind)


def _description(rows: Sequence[Row], expected: Expected, null: float | None) -> str:
    told = [f"{row.label}: {_measured(row)}{_told(row.interval)}, {row.outcome}" for row in rows]
    nothing = [] if null is None else [f"No effect would be {figure(null)}"]
    return ". ".join([f"Expected: {expected.words}", *told, *nothing]) + "."


def _told(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f", interval {figure(interval[0])} to {figure(interval[1])}"
