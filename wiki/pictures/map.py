"""What each of many components did, as a map: layers × heads, or layers × positions. A number is a cell's ink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise

from django.utils.safestring import SafeString

from wiki.pictures.svg import element, figure, picture, words

CELL, SMALL_CELL = 30, 22
ROW, SMALL_ROW = 28, 20
LEFT, TOP = 42, 40
LETTER = 6.8  # as wide as one may be, in the font of the ticks
MANY = 12
KEY, LEGEND = 18, 50
TOLD = 8
FAINTEST = 0.06


@dataclass(frozen=True)
class Measured:
    """value: None where nothing could be measured. claimed: among the components that a claim names."""

    name: str
    value: float | None
    claimed: bool = False


Cells = Mapping[tuple[str, str], Measured]
"""By row and column."""


@dataclass(frozen=True)
class Axis:
    """What the rows or the columns are, and the name of each."""

    title: str
    names: Sequence[str]


def effects_map(rows: Axis, columns: Axis, cells: Cells, null: float, unit: str) -> SafeString:
    """null: what "nothing happened" would read; above it and below it have colors of their own, and signs."""
    small = len(columns.names) > MANY
    lefts, height = _lefts(columns, small), SMALL_ROW if small else ROW
    most = max((abs(cell.value - null) for cell in cells.values() if cell.value is not None), default=0.0)
    drawn = _labels(rows, columns, lefts, height)
    for y, row in enumerate(rows.names):
        for column, (left, right) in zip(columns.names, pairwise(lefts), strict=True):
            place = (left, TOP + y * height, right - left, height)
            drawn += _cell(cells.get((row, column)), place, null, most, small)
    bottom = TOP + len(rows.names) * height
    key = _key(null, most)
    width = max(lefts[-1], LEFT + 5 * KEY + 8 + len(key) * LETTER, LEFT + len(unit) * LETTER)
    drawn += _legend(bottom, key, unit)
    title = f"{len(cells)} components; largest: {_largest(cells, null, 1)}"
    told = f"No effect would be {figure(null)}. The largest: {_largest(cells, null, TOLD)}."
    return picture(title, told, (width + 8, bottom + LEGEND), drawn, class_="effects")


def _lefts(columns: Axis, small: bool) -> list[float]:
    """Where each column begins, and where the last one ends: each is wide enough for its name."""
    widths = [max(SMALL_CELL if small else CELL, len(name) * LETTER + 6) for name in columns.names]
    return list(accumulate(widths, initial=float(LEFT)))


def _labels(rows: Axis, columns: Axis, lefts: Sequence[float], height: float) -> list[str]:
    across = [
        words(name, (left + right) / 2, TOP - 8, "tick", "middle")
        for name, (left, right) in zip(columns.names, pairwise(lefts), strict=True)
    ]
    down = [words(name, LEFT - 8, TOP + (y + 0.5) * height + 4, "tick", "end") for y, name in enumerate(rows.names)]
    return [
        words(columns.title, LEFT, 14, "unit"),
        words(rows.title, LEFT - 8, TOP - 8, "unit", "end"),
        *across,
        *down,
    ]


def _cell(
    cell: Measured | None, place: tuple[float, float, float, float], null: float, most: float, small: bool
) -> list[str]:
    """place: left, top, width, height."""
    x, y, width, height = place
    box = {"x": x + 1, "y": y + 1, "width": width - 2, "height": height - 2, "rx": 2}
    if cell is None or cell.value is None:
        return [element("rect", **box, class_="heat none")]
    away = cell.value - null
    share = abs(away) / most if most else 0.0
    kind = "up" if away >= 0 else "down"
    drawn = [
        element("rect", **box, class_="heat ground"),
        element("rect", **box, class_=f"heat {kind}", fill_opacity=max(FAINTEST, share)),
    ]
    if cell.claimed:
        drawn.append(element("rect", **box, class_="heat claimed"))
    if not small:
        strong = " strong" if share > 0.55 else ""
        drawn.append(words(_short(cell.value), x + width / 2, y + height / 2 + 4, f"in-cell{strong}", "middle"))
    return [element("g", element("title", escape(f"{cell.name}: {figure(cell.value)}")), *drawn)]


def _key(null: float, most: float) -> str:
    return f"{figure(null - most)} … {figure(null)} … {figure(null + most)}"


def _legend(bottom: float, key: str, unit: str) -> list[str]:
    y = bottom + 12
    drawn = []
    for index, (share, kind) in enumerate(((1.0, "down"), (0.4, "down"), (FAINTEST, "up"), (0.4, "up"), (1.0, "up"))):
        box = {"x": LEFT + index * KEY, "y": y, "width": KEY, "height": 10}
        drawn += [
            element("rect", **box, class_="heat ground"),
            element("rect", **box, class_=f"heat {kind} key", fill_opacity=share),
        ]
    return [*drawn, words(key, LEFT + 5 * KEY + 8, y + 10, "tick"), words(unit, LEFT, y + 28, "unit")]


def _short(value: float) -> str:
    """As few digits as fit a cell: ".12", "−1.2", "12"."""
    digits = 0 if abs(value) >= 10 else 1 if abs(value) >= 1 else 2
    written = f"{abs(value):.{digits}f}"
    sign = "−" if value < 0 and float(written) else ""
    return sign + (written[1:] if written.startswith("0.") else written)


def _largest(cells: Cells, null: float, most: int) -> str:
    known = [cell for cell in cells.values() if cell.value is not None]
    ordered = sorted(known, key=lambda cell: -abs((cell.value or 0.0) - null))[:most]
    return ", ".join(f"{cell.name} {figure(cell.value)}" for cell in ordered if cell.value is not None) or "none"
