"""Contributions in order of size: a bar from "nothing" to each number, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.safestring import SafeString

from wiki.pictures.interval import LABEL, LONGEST_LABEL, VALUE, WIDTH, Row
from wiki.pictures.svg import Scale, axis, element, figure, picture, scale_over, short, words

ROW, TOP = 22, 10
MOST = 20


def bars(rows: Sequence[Row], null: float, unit: str) -> SafeString:
    """The largest come first; what was left out is said below."""
    known = sorted(
        (row for row in rows if row.measured is not None), key=lambda row: -abs((row.measured or 0.0) - null)
    )
    shown = known[:MOST]
    ends = [end for row in shown for end in (row.measured or 0.0, *(row.interval or ()))]
    scale = scale_over([null, *ends], LABEL, WIDTH - VALUE)
    bottom = TOP + ROW * len(shown) + 4
    drawn = [part for index, row in enumerate(shown) for part in _bar(row, TOP + ROW * index, scale, null)]
    drawn += [
        element("line", x1=scale(null), x2=scale(null), y1=TOP - 4, y2=bottom, class_="null-line"),
        *axis(scale, bottom, unit),
    ]
    left = [said for said in (_smaller(len(known) - len(shown)), _unmeasured(len(rows) - len(known))) if said]
    drawn += [words("; ".join(left), 4, bottom + 45, "tick")] if left else []
    told = ", ".join(f"{row.label} {figure(row.measured)}" for row in shown if row.measured is not None)
    title = f"{len(rows)} components in order of size"
    size = (WIDTH, bottom + (52 if left else 36))
    return picture(title, f"{told}. No effect would be {figure(null)}.", size, drawn, class_="bars")


def _smaller(count: int) -> str:
    return f"{count} smaller one{'s' if count > 1 else ''} left out" if count else ""


def _unmeasured(count: int) -> str:
    return f"{count} not measured" if count else ""


def _bar(row: Row, y: float, scale: Scale, null: float) -> list[str]:
    assert row.measured is not None
    left, right = sorted((scale(null), scale(row.measured)))
    kind = "up" if row.measured >= null else "down"
    name = short(row.label, LONGEST_LABEL)
    drawn = [
        words(name, LABEL - 10, y + 14, "row-label claimed" if row.claimed else "row-label", "end"),
        element("rect", x=left, y=y + 3, width=max(right - left, 1), height=ROW - 8, class_=f"heat {kind}"),
        words(figure(row.measured), WIDTH - 4, y + 14, "row-value", "end"),
    ]
    if row.interval is not None:
        low, high = (scale(end) for end in row.interval)
        middle = y + ROW / 2 - 1
        drawn.append(element("path", d=f"M{low:.1f} {middle} H{high:.1f}", class_="whisker"))
    return drawn
