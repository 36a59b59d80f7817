"""Marks: one shape for each state of a badge and each outcome of a claim, so that no state rests on color."""

from __future__ import annotations

from django.utils.safestring import SafeString, mark_safe

from wiki.pictures.svg import element


def _line(points: str) -> str:
    return element("polyline", points=points, class_="mark-sign")


_RING = element("circle", cx=8, cy=8, r=6.5, class_="mark-line")
_DISC = element("circle", cx=8, cy=8, r=7, class_="mark-face")
_TICK = _line("4.6,8.3 7,10.7 11.4,5.6")
_DOTTED = element("circle", cx=8, cy=8, r=6.2, class_="mark-line mark-dotted")
_HALF = _RING + element("path", d="M8 1.5 A6.5 6.5 0 0 0 8 14.5 Z", class_="mark-face")
_SQUARE = element("rect", x=1.4, y=1.4, width=13.2, height=13.2, rx=1.5, class_="mark-face")
_CROSS = _line("5,5 11,11") + _line("11,5 5,11")
_DIAMOND = element("path", d="M8 0.8 L15.2 8 L8 15.2 L0.8 8 Z", class_="mark-line")
_STROKE = element("path", d="M5 8 H11", class_="mark-line")
_RING_STROKE = _RING + element("path", d="M5.4 8 H10.6", class_="mark-line")
_TRIANGLE = element("path", d="M8 1.6 L15 14.2 H1 Z", class_="mark-line")
_EXCLAIM = element("path", d="M8 6 V10 M8 11.6 V12.4", class_="mark-line")

SHAPES: dict[str, str] = {
    "proposed": _RING,
    "checking": _DOTTED,
    "verified": _DISC + _TICK,
    "partly_verified": _HALF,
    "undecided": _DIAMOND + _STROKE,
    "refuted": _SQUARE + _CROSS,
    "holds": _DISC + _TICK,
    "fails": _SQUARE + _CROSS,
    "errored": _TRIANGLE + _EXCLAIM,
    "waiting": _DOTTED,
    "words": _RING,
    "not_tested": _RING,
    "no_threshold": _RING_STROKE,
}


def mark(state: str) -> SafeString:
    """The state's shape, to stand beside the state's word (hence hidden from screen readers)."""
    drawn = element(
        "svg",
        SHAPES[state],
        viewBox="0 0 16 16",
        width=16,
        height=16,
        class_=f"mark state-{state.replace('_', '-')}",
        aria_hidden="true",
    )
    return mark_safe(drawn)  # constants only
