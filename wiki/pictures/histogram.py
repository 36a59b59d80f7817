"""Bins: how many of the values fall where."""

from __future__ import annotations

from collections.abc import Sequence

from wiki.pictures.svg import Scale


def counts(values: Sequence[float], scale: Scale, bins: int) -> list[int]:
    """How many values fall into each of `bins` equal parts of the scale; those beyond its ends count at the ends."""
    width = (scale.high - scale.low) / bins
    found = [0] * bins
    for value in values:
        found[min(max(int((value - scale.low) / width), 0), bins - 1)] += 1
    return found
