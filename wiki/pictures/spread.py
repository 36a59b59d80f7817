"""The spread over prompts: for each arm of a run, where its prompts' values lie, and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from wiki.pictures.histogram import counts
from wiki.pictures.svg import Scale, axis, element, figure, picture, scale_over, words

WIDTH = 420
LABEL = 104
RIGHT = 72
ROW = 44
TOP = 8
BINS = 48


@dataclass(frozen=True)
class Strip:
    """One arm: its name, a class for its color, and the metric's value on each prompt."""

    label: str
    kind: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)


def spread(strips: Sequence[Strip], unit: str) -> SafeString:
    scale = scale_over([value for strip in strips for value in strip.values], LABEL, WIDTH - RIGHT)
    bottom = TOP + ROW * len(strips)
    drawn = [part for index, strip in enumerate(strips) for part in _strip(strip, scale, TOP + ROW * (index + 1))]
    told = "; ".join(
        f"{strip.label}: mean {figure(strip.mean)}, from {figure(min(strip.values))} to {figure(max(strip.values))}"
        for strip in strips
    )
    title = f"Values of {len(strips[0].values)} prompts"
    return picture(title, told, (WIDTH, bottom + 36), [*drawn, *axis(scale, bottom + 2, unit)], class_="spread")


def _strip(strip: Strip, scale: Scale, floor: float) -> list[str]:
    tally = counts(strip.values, scale, BINS)
    width = (scale.right - scale.left) / BINS
    room = ROW - 12
    bars = [
        element(
            "rect",
            x=scale.left + index * width,
            y=floor - room * count / max(tally),
            width=width - 0.6,
            height=room * count / max(tally),
            class_=f"strip {strip.kind}",
        )
        for index, count in enumerate(tally)
        if count
    ]
    x = scale(strip.mean)
    return [
        words(strip.label, LABEL - 10, floor - 8, "row-label", "end"),
        *bars,
        element("line", x1=scale.left, x2=scale.right, y1=floor, y2=floor, class_="floor"),
        element("line", x1=x, x2=x, y1=floor - room - 4, y2=floor, class_="mean-line"),
        words(figure(strip.mean), WIDTH - RIGHT + 10, floor - 8, "row-value"),
    ]
