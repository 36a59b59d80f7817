"""What each of many components did, as a map: layers × heads, or layers × positions. A bar's length is a cell's ink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString

from wiki.pictures.svg import element, figure, picture, words

CELL, SMALL_CELL = 38, 22
ROW, SMALL_ROW = 30, 20
LEFT, TOP = 62, 36
MANY = 12
LEGEND = 34
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


def effects_map(rows: Sequence[str], columns: Sequence[str], cells: Cells, null: float, unit: str) -> SafeString:
    """null: what "nothing happened" would read; above it and below it have colors of their own, and signs."""
    small = len(columns) > MANY
    size = (SMALL_CELL, SMALL_ROW) if small else (CELL, ROW)
    most = max((abs(cell.value - null) for cell in cells.values() if cell.value is not None), default=0.0)
    drawn = _labels(rows, columns, size)
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            corner = (LEFT + x * size[0], TOP + y * size[1])
            drawn += _cell(cells.get((row, column)), corner, size, null, most, small)
    width, bottom = max(LEFT + len(columns) * size[0] + 8, 300), TOP + len(rows) * size[1]
    drawn += _legend(bottom, null, most, unit)
    title = f"{len(cells)} components; largest: {_largest(cells, null, 1)}"
    told = f"No effect would be {figure(null)}. The largest: {_largest(cells, null, TOLD)}."
    return picture(title, told, (width, bottom + LEGEND), drawn, class_="effects")


def _labels(rows: Sequence[str], columns: Sequence[str], size: tuple[int, int]) -> list[str]:
    across = [words(name, LEFT + (x + 0.5) * size[0], TOP - 8, "tick", "middle") for x, name in enumerate(columns)]
    down = [words(name, LEFT - 8, TOP + (y + 0.5) * size[1] + 4, "tick", "end") for y, name in enumerate(rows)]
    return [*across, *down]


def _cell(
    cell: Measured | None,
    corner: tuple[float, float],
    size: tuple[int, int],
    null: float,
    most: float,
    small: bool,
) -> list[str]:
    x, y = corner
    box = {"x": x + 1, "y": y + 1, "width": size[0] - 2, "height": size[1] - 2, "rx": 2}
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
        drawn.append(words(_short(cell.value), x + size[0] / 2, y + size[1] / 2 + 4, f"in-cell{strong}", "middle"))
    return [element("g", element("title", escape(f"{cell.name}: {figure(cell.value)}")), *drawn)]


def _legend(bottom: float, null: float, most: float, unit: str) -> list[str]:
    y = bottom + 10
    drawn = []
    for index, (share, kind) in enumerate(((1.0, "down"), (0.4, "down"), (FAINTEST, "up"), (0.4, "up"), (1.0, "up"))):
        box = {"x": LEFT + index * 18, "y": y, "width": 18, "height": 10}
        drawn += [
            element("rect", **box, class_="heat ground"),
            element("rect", **box, class_=f"heat {kind}", fill_opacity=share),
        ]
    told = f"{figure(null - most)} … {figure(null)} … {figure(null + most)} {unit}".rstrip()
    return [*drawn, words(told, LEFT + 98, y + 10, "tick")]


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
