"""The badge that other sites embed: its own colors, since no stylesheet reaches it there."""

from __future__ import annotations

from django.utils.safestring import SafeString

from wiki.pictures.svg import element, picture, words

COLORS: dict[str, str] = {
    "proposed": "#5b6470",
    "checking": "#1f5fa8",
    "verified": "#17693b",
    "partly_verified": "#7a5a00",
    "undecided": "#66528a",
    "refuted": "#a3281f",
}
GLYPHS: dict[str, str] = {
    "proposed": "○",
    "checking": "◌",
    "verified": "✓",
    "partly_verified": "◐",
    "undecided": "◇",
    "refuted": "✕",
}
NAME = "Interpedia"
_LETTER = 6.6
_FONT = "Verdana, DejaVu Sans, Geneva, sans-serif"


def badge(state: str, label: str, reason: str, title: str) -> SafeString:
    """`state` and `label` of the finding called `title`; `reason` becomes the description."""
    shown = f"{GLYPHS[state]} {label}"
    left, right = len(NAME) * _LETTER + 16, len(shown) * _LETTER + 16
    clip = element("clipPath", element("rect", width=left + right, height=20, rx=3), id="round")
    ground = element(
        "g",
        element("rect", width=left, height=20, fill="#2b333b"),
        element("rect", x=left, width=right, height=20, fill=COLORS[state]),
        clip_path="url(#round)",
    )
    text = element(
        "g",
        words(NAME, left / 2, 14, anchor="middle"),
        words(shown, left + right / 2, 14, anchor="middle"),
        fill="#ffffff",
        font_family=_FONT,
        font_size=11,
    )
    return picture(
        f"Interpedia: {label}", f"{title}: {reason}", (left + right, 20), [clip, ground, text], class_="badge-svg"
    )
