"""The random control: what equally large random sets did, with the claim's own value among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from django.utils.safestring import SafeString

from wiki.pictures.histogram import counts
from wiki.pictures.svg import Scale, axis, element, figure, picture, scale_over, words

WIDTH = 420
SIDE = 12
TOP = 26
HEIGHT = 74
BINS = 36


def control_histogram(
    values: Sequence[float],
    own: float,
    exceeding: int,
    toward: Literal["above", "below"],
    unit: str,
    what: str = "random sets",
) -> SafeString:
    """values: of the random sets, or whatever was tried instead, as `what` says. exceeding: how many of them were at
    least as extreme as own, towards `toward`.
    """
    scale = scale_over([*values, own], SIDE, WIDTH - SIDE)
    bottom = TOP + HEIGHT
    drawn = [*_bars(values, own, toward, scale, bottom), *_own(own, scale, bottom), *axis(scale, bottom, unit)]
    title = f"{exceeding} of {len(values)} {what} were at least as extreme"
    description = (
        f"Own value {figure(own)}. {what.capitalize()} from {figure(min(values))} to {figure(max(values))}; "
        f"extreme means {toward} the own value."
    )
    return picture(title, description, (WIDTH, bottom + (34 if unit else 20)), drawn, class_="control")


def _bars(values: Sequence[float], own: float, toward: str, scale: Scale, bottom: float) -> list[str]:
    """Sets at least as extreme stand in bars of their own, hatched by class, so that they can be counted."""
    extreme = [value for value in values if (value >= own if toward == "above" else value <= own)]
    others = [value for value in values if not (value >= own if toward == "above" else value <= own)]
    tallies = counts(others, scale, BINS), counts(extreme, scale, BINS)
    tallest = max(1, *(sum(pair) for pair in zip(*tallies, strict=True)))
    width = (scale.right - scale.left) / BINS
    drawn = []
    for index, (plain, beyond) in enumerate(zip(*tallies, strict=True)):
        x = scale.left + index * width
        plain_height, beyond_height = HEIGHT * plain / tallest, HEIGHT * beyond / tallest
        if plain:
            drawn.append(_bar(x, bottom - plain_height, width, plain_height, "bar"))
        if beyond:
            drawn.append(_bar(x, bottom - plain_height - beyond_height, width, beyond_height, "bar extreme"))
    return drawn


def _bar(x: float, y: float, width: float, height: float, class_: str) -> str:
    return element("rect", x=x + 0.5, y=y, width=width - 1, height=height, class_=class_)


def _own(own: float, scale: Scale, bottom: float) -> list[str]:
    x = scale(own)
    anchor = "start" if x < scale.left + 60 else "end" if x > scale.right - 60 else "middle"
    return [
        element("line", x1=x, x2=x, y1=TOP - 6, y2=bottom, class_="own-line"),
        element("path", d=f"M{x:.2f} {TOP - 2} l4 -7 h-8 Z", class_="own-point"),
        words(f"this claim {figure(own)}", x, 12, "own-label", anchor),
    ]
